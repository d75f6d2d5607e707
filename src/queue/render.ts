import { renderSends } from '../core/delivery/render.ts'
import type { SendBell } from '../core/journal/bells.ts'
import type { Env } from '../env.ts'

/** Renders the sends, and rings delivery for those that may leave. */
export async function render(env: Env, bells: SendBell[]): Promise<PromiseSettledResult<unknown>[]> {
  return await renderSends(env, bells)
}
