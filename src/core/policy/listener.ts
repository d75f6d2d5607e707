/** A listener to a tenant's event stream, with its filters. A null filter lets everything through. */
export type Listener = {
  keyId: string
  /** Until when the last check of the key is valid, in ms since 1970. */
  until: number
  types: string[] | null
  /** The mailboxes that the key may read, or the one asked for. */
  mailboxIds: string[] | null
  agentId: string | null
}

/** The fields of an event that decide who receives it. */
export type Announced = { id: string; type: string; agent_id: string | null; mailbox_id: string | null }

/** Whether a listener receives an event. After the last check of its key has expired, it receives nothing. */
export function hears(listener: Listener, event: Announced, now: number): boolean {
  const { until, types, mailboxIds, agentId } = listener
  if (now >= until) return false
  if (types !== null && !types.includes(event.type)) return false
  if (mailboxIds !== null && (event.mailbox_id === null || !mailboxIds.includes(event.mailbox_id)))
    return false
  return agentId === null || event.agent_id === agentId
}
