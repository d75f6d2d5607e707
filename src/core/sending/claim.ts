import type { Recipient } from '../../schema/letters.ts'
import type { ContentFacts, SendInput } from '../../schema/sending.ts'
import { slices } from '../ground/slices.ts'
import { AGENT_FITS, CALLER, callerBinds, type Door, MAY_SEND, NAMED_AGENT } from './door.ts'

/** A send that is ready to be claimed: its addresses are parsed and its key is not blank. */
export type Claim = {
  id: string
  mailboxId: string | null
  template: string | null
  dedupeKey: string | null
  /** How long the key is burned for; null leaves it to the tenant. */
  burnForMs: number | null
  /** Of what was asked, where the key came from a header; else empty, since a dedupe key alone says what is the same. */
  bodyHash: string
  recipients: Recipient[]
  input: SendInput
  /** Where the input lies in R2, if it is too large for the row. */
  inputKey: string | null
  content: ContentFacts | null
  batchId: string | null
  scheduledAt: number | null
}

/** How long a claim may stay unsettled before the sweep judges it, in ms. */
const JUDGE_WITHIN_MS = 30_000

const ITEM = `item AS MATERIALIZED (
  SELECT value, value ->> 'id' AS id, value ->> 'mailboxId' AS mailbox_id, value ->> 'dedupeKey' AS dedupe_key,
    value ->> 'agentId' AS agent_id, value ->> 'agentName' AS agent_name
  FROM json_each(?1))`

const FREE_DEAD_BURNS = `
  WITH ${CALLER(2, 3, 4)}
  UPDATE sends INDEXED BY sends_by_burned_key SET burned_key = NULL
  WHERE tenant_id = (SELECT tenant_id FROM caller) AND burned_key IS NOT NULL
    AND burned_key IN (SELECT value FROM json_each(?1)) AND burned_until <= ?3`

const CLAIM = `
  WITH ${CALLER(2, 3, 4)}, ${ITEM}
  INSERT INTO sends (tenant_id, id, batch_id, door, mailbox_id, agent_id, key_id, state, dedupe_key, burned_key,
    burned_until, body_hash, template, recipients, input, input_key, content, scheduled_at, next_at, created_at, updated_at)
  SELECT c.tenant_id, i.id, i.value ->> 'batchId', ?6, m.id, coalesce(${NAMED_AGENT}, c.agent_id), coalesce(c.key_id, ?8), 'judging',
    i.dedupe_key, i.dedupe_key, ?3 + coalesce(i.value ->> 'burnForMs', t.dedupe_window_ms), i.value ->> 'bodyHash', i.value ->> 'template',
    i.value -> 'recipients', i.value -> 'input', i.value ->> 'inputKey', nullif(i.value -> 'content', 'null'), i.value ->> 'scheduledAt', ?7, ?3, ?3
  FROM caller c
  CROSS JOIN tenants t ON t.id = c.tenant_id
  CROSS JOIN item i
  CROSS JOIN mailboxes m ON m.tenant_id = c.tenant_id AND m.id = coalesce(i.mailbox_id, t.default_mailbox_id)
  WHERE (?5 IS NULL OR ?5 = c.tenant_id) AND ${MAY_SEND} AND ${AGENT_FITS}
  ON CONFLICT (tenant_id, burned_key) WHERE burned_key IS NOT NULL DO NOTHING`

/**
 * The statements that claim sends in state `judging`, each with its whole input, where the caller may send them and no
 * standing send has burned the key. Where the caller may not, nothing is written.
 */
export function claimStatements(door: Door, claims: Claim[]): D1PreparedStatement[] {
  const caller = callerBinds(door)
  const keys = claims.flatMap((claim) => claim.dedupeKey ?? [])
  const statements =
    keys.length === 0 ? [] : [door.env.DB.prepare(FREE_DEAD_BURNS).bind(JSON.stringify(keys), ...caller)]
  const agent = { agentId: door.agent?.id ?? null, agentName: door.agent?.name ?? null }
  const rows = claims.map(({ input, ...claim }) =>
    JSON.stringify({ ...claim, ...agent, input: claim.inputKey === null ? input : null }),
  )
  for (const slice of slices(rows)) {
    statements.push(
      door.env.DB.prepare(CLAIM).bind(
        slice,
        ...caller,
        door.tenantId,
        door.name,
        door.now.getTime() + JUDGE_WITHIN_MS,
        smtpCredentialOf(door),
      ),
    )
  }
  return statements
}

function smtpCredentialOf({ credential }: Door): string | null {
  return 'actor' in credential && credential.actor.kind === 'smtp' ? credential.actor.credentialId : null
}
