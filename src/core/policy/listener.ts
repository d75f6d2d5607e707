/** What a stream rests on: a key, or a person's session, as it was when the stream was opened. Any change ends the stream. */
export type Right = { id: string; stamp: string }

/** A listener to a tenant's event stream, with its filters. A null filter lets everything through. */
export type Listener = {
  right: Right
  /** The end of the right, or of its last check if that is earlier, in ms since 1970. */
  until: number
  types: string[] | null
  /** The mailboxes that the key may read, or the one asked for. */
  mailboxIds: string[] | null
  /** The agent asked for. */
  agentId: string | null
  /** The agent whose key listens, and to which only its own events exist. Null for a person and for a key of the whole tenant. */
  ofAgent: string | null
}

/** The fields of an event that decide who receives it. */
export type Announced = {
  id: string
  type: string
  agent_id: string | null
  mailbox_id: string | null
  created_at?: string
}

/** The agents for which an event exists, by its id. An event that is not named exists for all agents of the tenant. */
export type Hearers = { [eventId: string]: string[] }

/** Whether a listener receives an event at this time. After the end of its right it receives nothing, nor anything from after it. */
export function hears(listener: Listener, event: Announced, hearers: Hearers, now: number): boolean {
  const { types, mailboxIds, agentId, ofAgent } = listener
  if (isOver(listener, now) || isOver(listener, Date.parse(event.created_at ?? ''))) return false
  if (ofAgent !== null && hearers[event.id]?.includes(ofAgent) === false) return false
  if (types !== null && !types.includes(event.type)) return false
  if (mailboxIds !== null && (event.mailbox_id === null || !mailboxIds.includes(event.mailbox_id)))
    return false
  return agentId === null || event.agent_id === agentId
}

/** Whether the right of a listener has ended by this time. */
export function isOver({ until }: Pick<Listener, 'until'>, now: number): boolean {
  return now >= until
}

/** One text for a right, to compare rights by. */
export const nameOf = ({ id, stamp }: Right) => `${id} ${stamp}`
