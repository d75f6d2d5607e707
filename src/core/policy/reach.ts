/**
 * SQL: the mailbox in the row `mailbox` exists for the key in the row `key`. A key of the whole tenant reaches every mailbox.
 * An agent's key reaches those of its agent, and those of no agent that its scopes name.
 */
export const isReached = (mailbox: string, key: string) => `(${key}.agent_id IS NULL
  OR ${mailbox}.agent_id = ${key}.agent_id
  OR (${mailbox}.agent_id IS NULL AND ${isNamed(mailbox, key)}))`

/** SQL: the scopes of the key in the row `key` name the mailbox in the row `mailbox`. */
export const isNamed = (mailbox: string, key: string) => `EXISTS (
  SELECT 1 FROM json_each(${key}.scopes) scope WHERE scope.value ->> 'mailboxId' = ${mailbox}.id)`

/** SQL: a JSON array of the mailboxes that the key in the row `key` reaches, or null for a key of the whole tenant. */
export const reachedBy = (key: string) => `CASE WHEN ${key}.agent_id IS NOT NULL THEN (
  SELECT json_group_array(reached.id) FROM (
    SELECT m.id FROM mailboxes m WHERE m.tenant_id = ${key}.tenant_id AND m.agent_id = ${key}.agent_id
    UNION ALL
    SELECT m.id FROM json_each(${key}.scopes) s
    CROSS JOIN mailboxes m ON m.tenant_id = ${key}.tenant_id AND m.id = s.value ->> 'mailboxId'
    WHERE m.agent_id IS NULL) reached) END`

/** SQL: the mailbox with which an agent's key acts if it names none: the tenant's default one if it is the agent's, else the oldest. */
export const mailboxOfAgent = (agentId: string, tenant: string) => `(
  SELECT own.id FROM mailboxes own WHERE own.tenant_id = ${tenant}.id AND own.agent_id = ${agentId}
  ORDER BY own.id = ${tenant}.default_mailbox_id DESC, own.id LIMIT 1)`
