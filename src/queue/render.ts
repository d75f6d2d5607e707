import { renderSend } from '../core/delivery/render.ts'
import { ringAll, type SendBell } from '../core/journal/bells.ts'
import type { Env } from '../env.ts'

/** Render each send, side by side, and ring delivery for those that may leave. */
export async function render(env: Env, bells: SendBell[]): Promise<PromiseSettledResult<unknown>[]> {
  const rendered = await Promise.allSettled(bells.map((bell) => renderSend(env, bell, () => new Date())))
  const isReady = (each: (typeof rendered)[number] | undefined) =>
    each?.status === 'fulfilled' && each.value.isReady
  await ringAll(
    env.DELIVER,
    bells.filter((_, position) => isReady(rendered[position])),
  )
  return rendered
}
