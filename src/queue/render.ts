import { renderSend } from '../core/delivery/render.ts'
import { ringAll } from '../core/send/ring.ts'
import type { Env, SendBell } from '../env.ts'

/** Render each send, side by side, and ring delivery for those that may leave. */
export async function render(env: Env, bells: SendBell[]): Promise<void> {
  const rendered = await Promise.all(bells.map((bell) => renderSend(env, bell, () => new Date())))
  await ringAll(
    env.DELIVER,
    bells.filter((_, position) => rendered[position]?.isReady),
  )
}
