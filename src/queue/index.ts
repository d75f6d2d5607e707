import { keepDeadMessage } from '../core/delivery/dead-letters.ts'
import { tell, tellFailure } from '../core/ground/log.ts'
import type { Env } from '../env.ts'
import {
  factsOf,
  isArchiveBell,
  isArrivalBell,
  isAuditBell,
  isDomainBell,
  isErasureBell,
  isObject,
  isOutboxBell,
  isSendBell,
  isWebhookBell,
} from './bells.ts'
import { deliver } from './deliver.ts'
import { record } from './events.ts'
import {
  buildArchives,
  chainAudits,
  checkDomains,
  decideSends,
  eraseTenants,
  publishEvents,
  readArrivals,
} from './jobs.ts'
import { render } from './render.ts'
import { webhook } from './webhook.ts'

type Settled = PromiseSettledResult<unknown>
type Worked = { message: Message<unknown>; result: Settled | undefined }
type Consumer = {
  reads: (body: unknown) => boolean
  work: (env: Env, messages: Message<unknown>[]) => Promise<Worked[]>
}

/** For each queue, the kinds of message that it carries and the work that each kind asks for. */
const CONSUMERS: Record<string, Consumer[]> = {
  render: [consumer(isSendBell, render)],
  deliver: [consumer(isSendBell, deliver)],
  webhook: [consumer(isWebhookBell, webhook)],
  jobs: [
    consumer(isSendBell, decideSends),
    consumer(isDomainBell, checkDomains),
    consumer(isErasureBell, eraseTenants),
    consumer(isArchiveBell, buildArchives),
    consumer(isAuditBell, chainAudits),
    consumer(isOutboxBell, publishEvents),
    consumer(isArrivalBell, readArrivals),
  ],
  events: [consumer(isObject, record)],
}

/**
 * Consumes one batch. A bell is acknowledged whatever its work found: unfinished work stays in the rows, and the sweep
 * rings again. A message whose work failed goes back to the queue; one that no consumer reads becomes a dead letter.
 */
export async function consume(batch: MessageBatch<unknown>, env: Env): Promise<void> {
  const [name = ''] = batch.queue.split('-')
  const consumers = batch.queue.endsWith('-dead') ? [] : (CONSUMERS[name] ?? [])
  const startedAt = Date.now()
  const shares = Map.groupBy(batch.messages, ({ body }) => consumers.find(({ reads }) => reads(body)))
  const worked = await Promise.all(
    [...shares].map(([consumer, messages]) => consumer?.work(env, messages) ?? []),
  )
  for (const message of shares.get(undefined) ?? []) {
    await keepDeadMessage(env, name, message.body, new Date())
    tell('warn', 'job', { queue: batch.queue, outcome: 'buried', ...factsOf(message.body) })
    message.ack()
  }
  const ms = Date.now() - startedAt
  for (const { message, result } of worked.flat()) {
    const facts = { queue: batch.queue, ...factsOf(message.body), ms }
    if (result?.status === 'fulfilled') {
      tell('info', 'job', { ...facts, outcome: 'done' })
      message.ack()
    } else {
      tellFailure('job', result?.reason, { ...facts, outcome: 'retried' })
      message.retry()
    }
  }
}

function consumer<Body>(
  reads: (body: unknown) => body is Body,
  work: (env: Env, bodies: Body[]) => Promise<Settled[]>,
): Consumer {
  return {
    reads,
    work: async (env, messages) => {
      const results = await work(
        env,
        messages.map(({ body }) => body).filter((body) => reads(body)),
      )
      return messages.map((message, position) => ({ message, result: results[position] }))
    },
  }
}
