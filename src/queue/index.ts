import { keepDeadMessage } from '../core/dead-letters.ts'
import { describeFailure } from '../core/failure.ts'
import type { Env, SendBell } from '../env.ts'
import { deliver } from './deliver.ts'
import { attend } from './jobs.ts'
import { render } from './render.ts'

/** Works on each bell by itself and says, bell by bell, which broke it. */
type Consumer = (env: Env, bells: SendBell[]) => Promise<PromiseSettledResult<unknown>[]>

const CONSUMERS: Record<string, Consumer> = { render, deliver, jobs: attend }

/**
 * Consume one batch. Messages are bells and are always acknowledged: what a consumer could not finish stands in the rows,
 * and the sweep rings again. Only a message that broke its consumer goes back to the queue and, in the end, to the dead
 * letters; so does one that no consumer knows.
 */
export async function consume(batch: MessageBatch<unknown>, env: Env): Promise<void> {
  const [name = ''] = batch.queue.split('-')
  if (batch.queue.endsWith('-dead')) {
    for (const message of batch.messages) {
      await keepDeadMessage(env, name, message.body, new Date())
      message.ack()
    }
    return
  }
  const consumer = CONSUMERS[name]
  const bells = batch.messages.filter((message): message is Message<SendBell> => isBell(message.body))
  for (const message of batch.messages) {
    if (consumer && isBell(message.body)) continue
    await keepDeadMessage(env, name, message.body, new Date())
    message.ack()
  }
  if (!consumer) return
  const results = await consumer(
    env,
    bells.map((message) => message.body),
  )
  for (const [position, message] of bells.entries()) {
    const result = results[position]
    if (result?.status === 'fulfilled') {
      message.ack()
      continue
    }
    const failure = describeFailure(result?.reason)
    console.error(
      JSON.stringify({ event: 'consumer_failed', queue: batch.queue, ...message.body, ...failure }),
    )
    message.retry()
  }
}

function isBell(body: unknown): body is SendBell {
  const { tenantId, sendId } = (body ?? {}) as Record<string, unknown>
  return typeof tenantId === 'string' && typeof sendId === 'string'
}
