import type { Env, SendBell } from '../../env.ts'
import type { Decision } from './decide.ts'

/** A queue takes at most this many messages in one call. */
const AT_ONCE = 100

/**
 * Tell the consumers which sends to look at. A bell that does not ring loses nothing: the row says when the sweep must
 * ring again, so a failure here is not the caller's.
 */
export async function ring(env: Env, tenantId: string, decisions: Decision[]): Promise<void> {
  const mine = decisions.filter((decision) => decision.isMine)
  const toRender = mine.filter(({ state }) => state === 'queued' || state === 'pending_approval')
  const toDeliver = mine.filter(({ state }) => state === 'ready')
  await Promise.all([
    ringAll(
      env.RENDER,
      toRender.map(({ sendId }) => ({ tenantId, sendId })),
    ),
    ringAll(
      env.DELIVER,
      toDeliver.map(({ sendId }) => ({ tenantId, sendId })),
    ),
  ])
}

/** Ring one queue for many sends: one message by `send`, more in parallel calls of at most 100. */
export async function ringAll(queue: Queue<SendBell>, bells: SendBell[]): Promise<void> {
  const [first] = bells
  if (!first) return
  try {
    if (bells.length === 1) {
      await queue.send(first)
      return
    }
    const calls: Promise<unknown>[] = []
    for (let from = 0; from < bells.length; from += AT_ONCE) {
      calls.push(queue.sendBatch(bells.slice(from, from + AT_ONCE).map((body) => ({ body }))))
    }
    await Promise.all(calls)
  } catch (error) {
    console.warn(JSON.stringify({ event: 'bell_failed', count: bells.length, error: String(error) }))
  }
}
