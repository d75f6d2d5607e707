import type { Recipient } from '../../schema/letters.ts'
import type { SendInput, SendState } from '../../schema/sending.ts'
import { Fault } from '../ground/fault.ts'
import { learn } from '../ground/log.ts'
import { callerValues, type Door } from './door.ts'
import { FACTS, type FactsRow, SETTINGS } from './facts.ts'
import { type Subject, subjectOf } from './subject.ts'

/** A send to look up: by its id, or by its dedupe key, which another send may have taken first. */
type Query = {
  id: string
  dedupeKey?: string | null
  mailboxId?: string | null
  template?: string | null
  /** Given if no row exists, as in a simulation. */
  recipients?: Recipient[]
  campaignId?: string | null
  scheduledAt?: number | null
  /** Read the stored input even if the send is found by its own id. */
  wantInput?: boolean
}

/** What one query found: what the caller may do, the send with its id or dedupe key, and the facts. */
export type Found = {
  keyTenantId: string
  isTenantsOwn: boolean
  mailboxId: string | null
  isInScope: boolean
  maySend: boolean
  agentFits: boolean
  agentExists: boolean
  send: {
    id: string
    state: SendState
    bodyHash: string
    keyId: string | null
    approvalId: string | null
    scheduledAt: number | null
    renderedSha256: string | null
    storedInput: SendInput | null
    storedRecipients: Recipient[]
    inputKey: string | null
  } | null
  subject: Subject | null
}

/** The two statements that bring every fact the rules need, for any number of sends. They read only. */
export function gatherStatements(door: Door, queries: Query[]): D1PreparedStatement[] {
  const agent = { agentId: door.agent?.id, agentName: door.agent?.name }
  const items = JSON.stringify(queries.map((query) => ({ ...query, ...agent })))
  const values = { items, ...callerValues(door) }
  return [FACTS.bind(door.env, values), SETTINGS.bind(door.env, values)]
}

/** Reads the answers of `gatherStatements`: one `Found` per query, in order, or none at all if the caller is unknown. */
export function readGathered(door: Door, answers: D1Result[]): Found[] {
  const settingsOf = new Map(
    SETTINGS.rows(answers.at(-1)).map((row) => [pair(row.mailbox_id, row.template), row]),
  )
  return FACTS.rows(answers.at(-2)).map((row) => {
    const about = row.mailbox_id === null ? undefined : settingsOf.get(pair(row.mailbox_id, row.template))
    return {
      keyTenantId: row.tenant_id,
      isTenantsOwn: door.tenantId === null || door.tenantId === row.tenant_id,
      mailboxId: row.asked_mailbox_id,
      isInScope: row.in_scope === 1,
      maySend: row.may_send === 1,
      agentFits: row.agent_fits === 1,
      agentExists: row.agent_exists === 1,
      send: row.send_id === null ? null : storedSend(row, row.send_id),
      subject: about ? subjectOf(door, row, about) : null,
    }
  })
}

const pair = (mailboxId: string, template: string | null) => JSON.stringify([mailboxId, template])

function storedSend(row: FactsRow, id: string): Found['send'] {
  return {
    id,
    state: row.state,
    bodyHash: row.body_hash,
    keyId: row.send_key_id,
    approvalId: row.approval_id,
    scheduledAt: row.scheduled_at,
    renderedSha256: row.rendered_sha256,
    storedInput: row.stored_input === null ? null : (JSON.parse(row.stored_input) as SendInput),
    storedRecipients:
      row.stored_recipients === null ? [] : (JSON.parse(row.stored_recipients) as Recipient[]),
    inputKey: row.input_key,
  }
}

/** Returns `found`, or throws the fault for which nothing was written. */
export function mustKnow(door: Door, found: Found[], count: number): Found[] {
  learn({ tenantId: found[0]?.keyTenantId ?? null })
  if (found.length < count) throw new Fault('unauthorized', 'The API key is missing, unknown or revoked.')
  for (const each of found) {
    if (!each.isTenantsOwn)
      throw new Fault('tenant_mismatch', "tenantId is not this key's tenant.", { field: 'tenantId' })
    if (each.mailboxId === null)
      throw new Fault('mailbox_not_found', 'No such mailbox.', { field: 'mailboxId' })
    if (!each.isInScope) {
      throw new Fault(
        'mailbox_scope_denied',
        `This key has no access to mailbox "${each.mailboxId}". Use a key whose scope includes it.`,
      )
    }
    if (!each.maySend) throw new Fault('insufficient_scope', 'This key lacks the permission "send".')
    if (!each.agentExists)
      throw new Fault('agent_not_found', 'No such agent.', {
        field: door.agent?.id ? 'agentId' : 'agentName',
      })
    if (!each.agentFits) throw new Fault('agent_mismatch', 'This key belongs to another agent.')
  }
  return found
}
