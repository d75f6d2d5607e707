import type { Env } from '../../env.ts'
import { eventStream } from '../ground/event-stream.ts'
import { tellFailure } from '../ground/log.ts'
import type { Payload } from './payload.ts'

/**
 * Tells whoever listens to a tenant's stream at this moment what has just been published, in order. Where that fails nothing
 * is lost: the history has it, and a listener that connects again is told what it missed.
 */
export async function announce(env: Env, now: Date, tenantId: string, events: Payload[]): Promise<void> {
  if (events.length === 0) return
  try {
    await eventStream(env, tenantId).announce(events, now.getTime())
  } catch (error) {
    tellFailure('announce_failed', error, { tenantId }, 'warn')
  }
}
