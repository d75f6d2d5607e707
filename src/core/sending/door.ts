import type { Env } from '../../env.ts'
import type { Actor } from '../ground/ctx.ts'
import { isLiveKey, keyMay } from '../policy/live-key.ts'
import { isNamed, isReached, mailboxOfAgent } from '../policy/reach.ts'

/** How a send came in: with a key that is not checked yet, or from a known actor. The tenant comes from the key's row. */
export type Door = {
  env: Env
  now: Date
  name: 'molted' | 'moltbotden' | 'mailmolt' | 'mcp' | 'smtp' | 'portal' | 'system'
  credential: { keyHash: string } | { actor: Actor; tenantId: string }
  /** The tenant that the request names, or null. It must be the key's tenant. */
  tenantId: string | null
  /** The agent that the request speaks for, by id or by name; null if it names none. */
  agent: { id: string | null; name: string | null } | null
}

/**
 * SQL for the caller, with which every statement of the send path begins: the key with this hash that is neither revoked nor
 * expired and whose agent is not banned, or the tenant of a known actor. Its parameters come from `callerValues`.
 */
export const CALLER = `
  caller AS (
    SELECT id AS key_id, tenant_id, agent_id, permissions, scopes FROM keys
    WHERE hash = :keyHash AND ${isLiveKey('keys')}
    UNION ALL
    SELECT NULL, :actorTenantId, NULL, NULL, NULL WHERE :actorTenantId IS NOT NULL
  )`

/** Whether the mailbox `m` is within the scope of the caller `c`. */
export const IN_SCOPE = `(c.scopes IS NULL OR ${isNamed('m', 'c')})`

/**
 * The join of the mailbox `m` that the item `i` names. Without a name it is the mailbox of the caller's agent, else the default
 * one of the tenant. A mailbox of another agent does not exist for an agent's key.
 */
export const MAILBOX = `mailboxes m ON m.tenant_id = c.tenant_id
  AND m.id = coalesce(i.mailbox_id, ${mailboxOfAgent('c.agent_id', 't')}, t.default_mailbox_id) AND ${isReached('m', 'c')}`

/** Whether the caller `c` may send from the mailbox `m`. */
export const MAY_SEND = `(c.permissions IS NULL OR ${keyMay('c', `'send'`, 'm.id')})`

/** The agent that the item `i` names by id, name or both, looked up among the tenant's. */
export const NAMED_AGENT = `(SELECT a.id FROM agents a WHERE a.tenant_id = c.tenant_id
  AND (i.agent_id IS NOT NULL OR i.agent_name IS NOT NULL)
  AND (i.agent_id IS NULL OR a.id = i.agent_id) AND (i.agent_name IS NULL OR lower(a.name) = lower(i.agent_name)))`

/** Whether the caller `c` may speak for the agent that the item `i` names, or the item names none. */
export const AGENT_FITS = `((i.agent_id IS NULL AND i.agent_name IS NULL)
  OR (${NAMED_AGENT} IS NOT NULL AND (c.agent_id IS NULL OR c.agent_id = ${NAMED_AGENT})))`

/** The values of CALLER's parameters. Exactly one of key and tenant is given. */
export function callerValues({ credential, now }: Door) {
  return 'keyHash' in credential
    ? { keyHash: credential.keyHash, now: now.getTime(), actorTenantId: null }
    : { keyHash: null, now: now.getTime(), actorTenantId: credential.tenantId }
}
