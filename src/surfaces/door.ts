import type { Sender } from '../core/accounts/sender.ts'
import type { Door } from '../core/sending/door.ts'
import { type HttpContext, keyHashOf } from './http.ts'

/** The door of a letter: the key of the request, speaking for the mailbox's agent. */
export async function letterDoor(
  c: HttpContext,
  name: Door['name'],
  { mailbox }: Pick<Sender, 'mailbox'>,
): Promise<Door> {
  return {
    env: c.env,
    now: c.get('now'),
    name,
    credential: { keyHash: await keyHashOf(c) },
    tenantId: null,
    agent: mailbox.agentId === null ? null : { id: mailbox.agentId, name: null },
  }
}
