import type { Env } from '../../env.ts'

/** The object that tells a tenant's events to those who listen. */
export function eventStream(env: Env, tenantId: string) {
  return env.EVENT_STREAM.get(env.EVENT_STREAM.idFromName(tenantId))
}
