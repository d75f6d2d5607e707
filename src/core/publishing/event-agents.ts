/**
 * SQL: the agents whose event is in the row `event`, for `x IN …`: the agent that its mailbox belongs to now, and the agent that
 * acted. Mail that came in belongs to the mailbox alone: once the mailbox has another agent, the old one sees none of it.
 */
export const agentsOf = (event: string) => `(
  SELECT b.agent_id FROM mailboxes b WHERE b.tenant_id = ${event}.tenant_id AND b.id = ${event}.mailbox_id
  UNION ALL
  SELECT ${event}.agent_id WHERE ${event}.mailbox_id IS NULL OR ${event}.type <> 'message.received')`

/** SQL: the event in the row `event` is the whole tenant's, and about nothing that an agent's key may not see. */
const isShared = (event: string) => `(${event}.agent_id IS NULL AND ${event}.mailbox_id IS NULL
  AND ${event}.type NOT IN ('webhook.disabled', 'domain.failed', 'ping'))`

/** SQL: the event in the row `event` exists for the agent `:ofAgent`, or for everybody if that is null. */
export const isOfAgent = (event: string) =>
  `(:ofAgent IS NULL OR ${isShared(event)} OR :ofAgent IN ${agentsOf(event)})`

/** SQL: a JSON array of the agents for which the event in the row `event` exists, or null if it exists for all. */
export const hearersOf = (event: string) =>
  `CASE WHEN NOT ${isShared(event)} THEN (SELECT json_group_array(h.agent_id) FROM ${agentsOf(event)} h) END`
