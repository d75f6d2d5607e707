import type { Env } from '../../env.ts'
import { eventStream } from '../ground/event-stream.ts'
import { tellFailure } from '../ground/log.ts'
import type { Hearers } from '../policy/listener.ts'
import type { Payload } from './payload.ts'

/**
 * Sends the events that have just been published to the listeners of a tenant's stream, in order. A failure loses nothing: the
 * history has the events, and a listener that connects again gets those it missed.
 */
export async function announce(
  env: Env,
  now: Date,
  tenantId: string,
  events: Payload[],
  hearers: Hearers,
): Promise<void> {
  if (events.length === 0) return
  try {
    await eventStream(env, tenantId).announce(events, now.getTime(), hearers)
  } catch (error) {
    tellFailure('announce_failed', error, { tenantId }, 'warn')
  }
}
