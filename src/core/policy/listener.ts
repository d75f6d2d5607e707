/** A listener to a tenant's event stream, with its filters. A null filter lets everything through. */
export type Listener = {
  keyId: string
  /** Until when the last check of the key is valid, in ms since 1970. */
  until: number
  types: string[] | null
  /** The mailboxes that the key may read, or the one asked for. */
  mailboxIds: string[] | null
  /** The agent asked for. */
  agentId: string | null
  /** The agent whose key listens, and to which only its own events exist. Null for a person and for a key of the whole tenant. */
  ofAgent: string | null
}

/** An event with the fields that decide who receives it. */
export type Announced = { id: string; type: string; agent_id: string | null; mailbox_id: string | null }

/** The agents for which an event exists, by its id. An event that is not named exists for all agents of the tenant. */
export type Hearers = { [eventId: string]: string[] }

/** Whether a listener receives an event. After the last check of its key has expired, it receives nothing. */
export function hears(listener: Listener, event: Announced, hearers: Hearers, now: number): boolean {
  const { until, types, mailboxIds, agentId, ofAgent } = listener
  if (now >= until) return false
  if (ofAgent !== null && hearers[event.id]?.includes(ofAgent) === false) return false
  if (types !== null && !types.includes(event.type)) return false
  if (mailboxIds !== null && (event.mailbox_id === null || !mailboxIds.includes(event.mailbox_id)))
    return false
  return agentId === null || event.agent_id === agentId
}
