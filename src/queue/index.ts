import { keepDeadMessage } from '../core/delivery/dead-letters.ts'
import { type Facts, tell, tellFailure } from '../core/ground/log.ts'
import type {
  ArchiveBell,
  ArrivalBell,
  AuditBell,
  DomainBell,
  ErasureBell,
  JobBell,
  OutboxBell,
  SendBell,
  WebhookBell,
} from '../core/journal/bells.ts'
import type { Env } from '../env.ts'
import { deliver } from './deliver.ts'
import { record } from './events.ts'
import { attend } from './jobs.ts'
import { render } from './render.ts'
import { deliverWebhooks } from './webhook.ts'

type Settled = PromiseSettledResult<unknown>
type Read = { message: Message<unknown>; result: Settled | undefined }

/** Works on the messages that it can read, and says of each what came of it. */
type Consumer = (env: Env, messages: readonly Message<unknown>[]) => Promise<Read[]>

const CONSUMERS: Record<string, Consumer> = {
  render: consumer(isSendBell, render),
  deliver: consumer(isSendBell, deliver),
  webhook: consumer(isWebhookBell, deliverWebhooks),
  jobs: consumer(isJobBell, attend),
  events: consumer(isObject, record),
}

/**
 * Consume one batch. Messages are bells and are always acknowledged: what a consumer could not finish stands in the rows,
 * and the sweep rings again. Only a message that broke its consumer goes back to the queue and, in the end, to the dead
 * letters; so does one that no consumer knows.
 */
export async function consume(batch: MessageBatch<unknown>, env: Env): Promise<void> {
  const [name = ''] = batch.queue.split('-')
  const consume = batch.queue.endsWith('-dead') ? undefined : CONSUMERS[name]
  const startedAt = Date.now()
  const read = consume ? await consume(env, batch.messages) : []
  const known = new Set(read.map(({ message }) => message))
  for (const message of batch.messages.filter((each) => !known.has(each))) {
    await keepDeadMessage(env, name, message.body, new Date())
    tell('warn', 'job', { queue: batch.queue, outcome: 'buried', ...idsOf(message.body) })
    message.ack()
  }
  const ms = Date.now() - startedAt
  for (const { message, result } of read) {
    const facts = { queue: batch.queue, ...idsOf(message.body), ms }
    if (result?.status === 'fulfilled') {
      tell('info', 'job', { ...facts, outcome: 'done' })
      message.ack()
    } else {
      tellFailure('job', result?.reason, { ...facts, outcome: 'retried' })
      message.retry()
    }
  }
}

/** What a bell is rung for. */
const JOBS = ['outbox', 'audit', 'erasure'] as const
const IDS = ['tenantId', 'sendId', 'arrivalId', 'deliveryId', 'domainId', 'archiveId'] as const

/** What the log says of a message: the ids of a bell, and of anything else nothing. */
function idsOf(body: unknown): Facts {
  if (!isObject(body) || !BELLS.some((isBell) => isBell(body))) return {}
  const ids = IDS.flatMap((name) => (typeof body[name] === 'string' ? [[name, body[name]]] : []))
  const job = JOBS.find((name) => body[name] === true)
  return { ...Object.fromEntries(ids), ...(job ? { job } : {}) }
}

function consumer<Body>(
  reads: (body: unknown) => body is Body,
  work: (env: Env, bodies: Body[]) => Promise<Settled[]>,
): Consumer {
  return async (env, messages) => {
    const readable = messages.filter((message): message is Message<Body> => reads(message.body))
    const bodies = readable.map((message) => message.body)
    const results = bodies.length > 0 ? await work(env, bodies) : []
    return readable.map((message, position) => ({ message, result: results[position] }))
  }
}

function isObject(body: unknown): body is Record<string, unknown> {
  return typeof body === 'object' && body !== null
}

function isSendBell(body: unknown): body is SendBell {
  return isObject(body) && typeof body.tenantId === 'string' && typeof body.sendId === 'string'
}

function isArrivalBell(body: unknown): body is ArrivalBell {
  return isObject(body) && typeof body.tenantId === 'string' && typeof body.arrivalId === 'string'
}

function isOutboxBell(body: unknown): body is OutboxBell {
  return isObject(body) && typeof body.tenantId === 'string' && body.outbox === true
}

function isAuditBell(body: unknown): body is AuditBell {
  return isObject(body) && typeof body.tenantId === 'string' && body.audit === true
}

function isDomainBell(body: unknown): body is DomainBell {
  return isObject(body) && typeof body.tenantId === 'string' && typeof body.domainId === 'string'
}

function isErasureBell(body: unknown): body is ErasureBell {
  return isObject(body) && typeof body.tenantId === 'string' && body.erasure === true
}

function isArchiveBell(body: unknown): body is ArchiveBell {
  return isObject(body) && typeof body.tenantId === 'string' && typeof body.archiveId === 'string'
}

function isJobBell(body: unknown): body is JobBell {
  const all = [
    isSendBell,
    isArrivalBell,
    isOutboxBell,
    isAuditBell,
    isDomainBell,
    isErasureBell,
    isArchiveBell,
  ]
  return all.some((isIt) => isIt(body))
}

function isWebhookBell(body: unknown): body is WebhookBell {
  return isObject(body) && typeof body.tenantId === 'string' && typeof body.deliveryId === 'string'
}

const BELLS = [isJobBell, isWebhookBell]
