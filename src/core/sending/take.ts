import type { Recipient } from '../../schema/letters.ts'
import type { ContentFacts, SendInput } from '../../schema/sending.ts'
import { slices } from '../ground/slices.ts'
import { statement } from '../ground/sql.ts'
import { AGENT_FITS, CALLER, callerValues, type Door, MAILBOX, MAY_SEND, NAMED_AGENT } from './door.ts'

/** A send that is about to be written: its addresses are parsed and its dedupe key is not blank. */
export type NewSend = {
  id: string
  mailboxId: string | null
  template: string | null
  dedupeKey: string | null
  /** How long the dedupe key stays taken, in ms; null for the tenant's setting. */
  burnForMs: number | null
  /** A hash of the request if its key came from a header; else empty, because then the key alone identifies a repeat. */
  bodyHash: string
  recipients: Recipient[]
  input: SendInput
  /** Where the input lies in R2, if it is too large for the row. */
  inputKey: string | null
  content: ContentFacts | null
  batchId: string | null
  scheduledAt: number | null
}

/** How long a send may stay unsettled before the sweep judges it, in ms. */
const JUDGE_WITHIN_MS = 30_000

const FREE_EXPIRED_KEYS = statement(`
  WITH ${CALLER}
  UPDATE sends INDEXED BY sends_by_burned_key SET burned_key = NULL
  WHERE tenant_id = (SELECT tenant_id FROM caller) AND burned_key IS NOT NULL
    AND burned_key IN (SELECT value FROM json_each(:keys)) AND burned_until <= :now`)

const TAKE_KEYS = statement(`
  WITH ${CALLER},
  item AS MATERIALIZED (
    SELECT value, value ->> 'id' AS id, value ->> 'mailboxId' AS mailbox_id, value ->> 'dedupeKey' AS dedupe_key,
      value ->> 'agentId' AS agent_id, value ->> 'agentName' AS agent_name
    FROM json_each(:sends))
  INSERT INTO sends (tenant_id, id, batch_id, door, mailbox_id, agent_id, key_id, state,
    dedupe_key, burned_key, burned_until, body_hash, template, recipients, input,
    input_key, content, scheduled_at, next_at, created_at, updated_at)
  SELECT c.tenant_id, i.id, i.value ->> 'batchId', :door, m.id,
    coalesce(${NAMED_AGENT}, c.agent_id), coalesce(c.key_id, :smtpCredentialId), 'judging',
    i.dedupe_key, i.dedupe_key, :now + coalesce(i.value ->> 'burnForMs', t.dedupe_window_ms),
    i.value ->> 'bodyHash', i.value ->> 'template', i.value -> 'recipients', i.value -> 'input',
    i.value ->> 'inputKey', nullif(i.value -> 'content', 'null'), i.value ->> 'scheduledAt', :judgeAt, :now, :now
  FROM caller c
  CROSS JOIN tenants t ON t.id = c.tenant_id
  CROSS JOIN item i
  CROSS JOIN ${MAILBOX}
  WHERE (:tenantId IS NULL OR :tenantId = c.tenant_id) AND ${MAY_SEND} AND ${AGENT_FITS}
  ON CONFLICT (tenant_id, burned_key) WHERE burned_key IS NOT NULL DO NOTHING`)

/**
 * The statements that write new sends in state `judging`, each with its whole input, and take their dedupe keys. A send whose
 * key is taken is not written, and neither is one that the caller may not send.
 */
export function takeStatements(door: Door, sends: NewSend[]): D1PreparedStatement[] {
  const caller = callerValues(door)
  const keys = sends.flatMap((send) => send.dedupeKey ?? [])
  const freed =
    keys.length === 0 ? [] : [FREE_EXPIRED_KEYS.bind(door.env, { ...caller, keys: JSON.stringify(keys) })]
  const agent = { agentId: door.agent?.id ?? null, agentName: door.agent?.name ?? null }
  const rows = sends.map(({ input, ...send }) =>
    JSON.stringify({ ...send, ...agent, input: send.inputKey === null ? input : null }),
  )
  const values = {
    ...caller,
    tenantId: door.tenantId,
    door: door.name,
    judgeAt: door.now.getTime() + JUDGE_WITHIN_MS,
    smtpCredentialId: smtpCredentialOf(door),
  }
  return [...freed, ...slices(rows).map((slice) => TAKE_KEYS.bind(door.env, { ...values, sends: slice }))]
}

function smtpCredentialOf({ credential }: Door): string | null {
  return 'actor' in credential && credential.actor.kind === 'smtp' ? credential.actor.credentialId : null
}
