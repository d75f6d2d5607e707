import type { Env } from '../../env.ts'
import { type Bell, ringAll, ringOutbox } from '../journal/bells.ts'
import type { Decision } from './decide.ts'

/**
 * Rings for the sends that this call has settled. A lost bell loses nothing: the row says when the sweep rings again, so a
 * failure here does not fail the request.
 */
export async function ring(env: Env, now: Date, tenantId: string, decisions: Decision[]): Promise<void> {
  const mine = decisions.filter((decision) => decision.isMine)
  const bellsFor = (...states: Decision['state'][]) =>
    mine.filter(({ state }) => states.includes(state)).map(({ sendId }): Bell => ({ tenantId, sendId }))
  const scheduled = mine.flatMap(({ state, sendId, scheduledAt }) => {
    const afterMs = (scheduledAt ?? 0) - now.getTime()
    return state === 'scheduled' && afterMs > 0 ? [{ tenantId, sendId, afterMs }] : []
  })
  await Promise.all([
    ringAll(env.RENDER, bellsFor('queued', 'pending_approval')),
    ringAll(env.DELIVER, bellsFor('ready')),
    ringAll(env.JOBS, scheduled),
    ringOutbox(
      env,
      mine.flatMap(({ state, reason, readers }) => {
        if (state === 'pending_approval' || reason === 'canary_violation') return [tenantId]
        return state === 'delivered' || state === 'bounced' ? [tenantId, ...readers] : []
      }),
    ),
  ])
}
