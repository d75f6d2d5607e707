/** Who listens to a tenant's stream, and to what. Null is no restriction. */
export type Listener = {
  keyId: string
  /** Until when the key was last known to live, in ms since 1970. */
  until: number
  types: string[] | null
  /** The mailboxes that the key may read, or the one asked for. */
  mailboxIds: string[] | null
  agentId: string | null
}

/** As much of an event as tells whom it is for. */
export type Announced = { id: string; type: string; agent_id: string | null; mailbox_id: string | null }

/** Whether a listener is to hear of an event. One whose key has not been checked for too long hears nothing. */
export function hears(listener: Listener, event: Announced, now: number): boolean {
  const { until, types, mailboxIds, agentId } = listener
  if (now >= until) return false
  if (types !== null && !types.includes(event.type)) return false
  if (mailboxIds !== null && (event.mailbox_id === null || !mailboxIds.includes(event.mailbox_id)))
    return false
  return agentId === null || event.agent_id === agentId
}
