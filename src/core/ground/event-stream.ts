import type { Env } from '../../env.ts'

/** The tenant's event-stream object, which sends its events to the clients that listen. */
export function eventStream(env: Env, tenantId: string) {
  return env.EVENT_STREAM.get(env.EVENT_STREAM.idFromName(tenantId))
}
