import type { Env } from '../../env.ts'
import { ringAll, type SendBell } from '../journal/bells.ts'
import { keepRendered } from '../letters/rendered.ts'
import { giveUp } from './dead-letters.ts'
import { LOCKS_AT_MOST, lockForRendering } from './lock.ts'
import { compose } from './rendering/compose.ts'
import { recordFailure, recordRendered } from './rendering/record.ts'

/** Renders several sends side by side, and rings delivery for those that may leave. Each has a result of its own. */
export async function renderSends(
  env: Env,
  bells: SendBell[],
): Promise<PromiseSettledResult<{ isReady: boolean }>[]> {
  const rendered = await Promise.allSettled(bells.map((bell) => renderSend(env, bell, () => new Date())))
  const isReady = (each: (typeof rendered)[number] | undefined) =>
    each?.status === 'fulfilled' && each.value.isReady
  await ringAll(
    env.DELIVER,
    bells.filter((_, position) => isReady(rendered[position])),
  )
  return rendered
}

/**
 * Renders one send into the bytes that will leave and stores them for approval and delivery. Returns whether the send is
 * now ready to be delivered. A send that cannot be rendered fails; its dedupe key and windows are given back.
 */
export async function renderSend(env: Env, bell: SendBell, clock: () => Date): Promise<{ isReady: boolean }> {
  const locked = await lockForRendering(env, bell, clock())
  if (!locked) return { isReady: false }
  if (locked.send.locks > LOCKS_AT_MOST) {
    await giveUp(locked, 'render', 'rendering stopped making progress', clock())
    return { isReady: false }
  }
  const made = await compose(locked, clock())
  if ('refusal' in made) {
    await recordFailure(locked, made, clock())
    return { isReady: false }
  }
  const key = await keepRendered(env, locked.send, made.rendered)
  return { isReady: await recordRendered(locked, key, made, clock()) }
}
