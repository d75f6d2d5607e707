import type { Env } from '../../env.ts'
import { standingRights } from '../accounts/streams.ts'
import { eventStream } from '../ground/event-stream.ts'
import { tellFailure } from '../ground/log.ts'
import type { Hearers } from '../policy/listener.ts'
import type { Payload } from './payload.ts'

/**
 * Sends the events that have just been published to the listeners of a tenant's stream, in order. A failure loses nothing: the
 * history has the events, and a listener that connects again gets those it missed. The right of each listener is looked up
 * first, so that no event goes to a listener whose right was changed by any way and any door.
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
    const stream = eventStream(env, tenantId)
    const rights = await stream.rights()
    if (rights.length === 0) return
    // The turn may have begun long ago; the right must exist now.
    const at = new Date(Math.max(now.getTime(), Date.now()))
    const standing = await standingRights({ env, now: at, tenantId }, rights)
    await stream.announce(events, at.getTime(), { checked: rights, standing, hearers })
  } catch (error) {
    tellFailure('announce_failed', error, { tenantId }, 'warn')
  }
}
