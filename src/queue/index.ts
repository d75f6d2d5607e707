import { keepDeadMessage } from '../core/dead-letters.ts'
import { describeFailure } from '../core/failure.ts'
import type {
  ArchiveBell,
  ArrivalBell,
  AuditBell,
  DomainBell,
  Env,
  ErasureBell,
  JobBell,
  OutboxBell,
  SendBell,
  WebhookBell,
} from '../env.ts'
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
  const read = consume ? await consume(env, batch.messages) : []
  const known = new Set(read.map(({ message }) => message))
  for (const message of batch.messages.filter((each) => !known.has(each))) {
    await keepDeadMessage(env, name, message.body, new Date())
    message.ack()
  }
  for (const { message, result } of read) {
    if (result?.status === 'fulfilled') {
      message.ack()
      continue
    }
    const failure = describeFailure(result?.reason)
    const bell = BELLS.some((isBell) => isBell(message.body)) ? (message.body as object) : {}
    console.error(JSON.stringify({ event: 'consumer_failed', queue: batch.queue, ...bell, ...failure }))
    message.retry()
  }
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
