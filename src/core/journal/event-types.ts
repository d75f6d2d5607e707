import type { EventRefs, EventType } from '../../schema/journal.ts'

export { EVENT_TYPES, type EventType } from '../../schema/journal.ts'

/** An event that nobody has published yet. */
export type Due = {
  seq: number
  id: string
  type: EventType
  mailboxId: string | null
  agentId: string | null
  refs: EventRefs
  createdAt: number
}
