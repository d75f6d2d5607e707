import type { Door } from '../../src/core/sending/door.ts'
import type { SendRequest } from '../../src/core/sending/prepare.ts'
import type { Env } from '../../src/env.ts'

/** The molted door for a key, as a request opens it. */
export async function doorFor(env: Env, key: string, now = new Date()): Promise<Door> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(key))
  const keyHash = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return { env, now, name: 'molted', credential: { keyHash }, tenantId: null, agent: null }
}

/** A request to send the template `welcome` of the test tenant. */
export function welcome(
  to: string,
  dedupeKey: string,
  payload: Record<string, unknown> = { firstName: 'Ann' },
): SendRequest {
  return { to: [{ kind: 'to', email: to }], template: 'welcome', dedupeKey, payload }
}
