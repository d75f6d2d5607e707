import type { Env } from '../../env.ts'
import type { Recipient } from '../../schema/letters.ts'
import { parseAddress } from '../ground/address.ts'
import { statement } from '../ground/sql.ts'
import { ringOutbox } from '../journal/bells.ts'
import type { BounceReport } from '../reading/bounces/bounce-report.ts'
import { SIGNALS, type SignalKind } from './kinds.ts'
import { type Signal, signalStatements } from './signals.ts'

/** An event that a carrier reported, verified. */
export type DeliveryReport = {
  carrier: string
  /** `delayed`: not delivered yet, and the carrier goes on trying. It counts for nothing. */
  kind: SignalKind | 'delayed'
  /** Our ids, if the carrier returned them; else `carrierMessageId` must find the send. */
  tenantId: string | null
  sendId: string | null
  /** RFC 5322 Message-ID without brackets. */
  messageId: string | null
  /** The id that the carrier gave the message when it accepted it, without angle brackets. */
  carrierMessageId: string | null
  /** Empty if the carrier names none: then the report is about the sole recipient, or about none in particular. */
  recipients: string[]
  at: Date
  /** An enhanced status code (RFC 3463) if there is one, else the carrier's own word. */
  code: string | null
  /** The words of the recipient's server or the carrier: printable and short. */
  detail: string | null
}

const FIND = statement<FoundSend>(`
  WITH e AS MATERIALIZED (
    SELECT key AS position, value ->> 'carrier' AS carrier, value ->> 'tenantId' AS tenant_id,
      value ->> 'sendId' AS send_id, value ->> 'carrierMessageId' AS carrier_message_id
    FROM json_each(:reports))
  SELECT e.position, s.tenant_id, s.id, s.recipients FROM e
  CROSS JOIN sends s ON s.tenant_id = e.tenant_id AND s.id = e.send_id
  UNION ALL
  SELECT e.position, s.tenant_id, s.id, s.recipients FROM e
  CROSS JOIN sends s ON s.carrier_message_id = e.carrier_message_id AND s.carrier = e.carrier
  WHERE e.tenant_id IS NULL OR e.send_id IS NULL`)

type FoundSend = { position: number; tenant_id: string; id: string; recipients: string }

/**
 * Counts what a carrier reports. A report changes a send only if that carrier was given the send for that recipient; a report
 * that names no send of ours, or none of its recipients, changes nothing. Repetition and order make no difference.
 */
export async function recordReports(env: Env, reports: DeliveryReport[], now: Date): Promise<void> {
  const counted = reports.filter(({ kind }) => kind in SIGNALS)
  if (counted.length === 0) return
  const wanted = counted.map(({ carrier, tenantId, sendId, carrierMessageId }) => ({
    ...{ carrier, tenantId, sendId, carrierMessageId },
  }))
  const found = await FIND.all(env, { reports: JSON.stringify(wanted) })
  const signals = found.flatMap(({ position, tenant_id: tenantId, id: sendId, recipients }) => {
    const report = counted[position]
    if (!report || report.kind === 'delayed') return []
    const { carrier, at, code, detail } = report
    return spokenFor(report.kind, report.recipients, JSON.parse(recipients) as Recipient[]).map(
      ({ kind, recipient: { contact, email } }): Signal => {
        const trace = { carrier, outcome: kind, recipient: email, reportedAt: at.toISOString(), code, detail }
        return { tenantId, sendId, contact, kind, carrier, trace }
      },
    )
  })
  const statements = signalStatements(env, signals, now)
  if (statements.length === 0) return
  await env.DB.batch(statements)
  await ringOutbox(
    env,
    signals.map(({ tenantId }) => tenantId),
  )
}

/**
 * The statements that count what came by mail to the return path of one recipient. Anybody who got that mail can write there,
 * so it counts for this recipient only, and only as far as a relay reports: bounces and complaints, never a delivery.
 */
export function bounceStatements(
  env: Env,
  {
    tenantId,
    sendId,
    contact,
    report,
  }: { tenantId: string; sendId: string; contact: string; report: BounceReport },
  now: Date,
): D1PreparedStatement[] {
  const signals = report.recipients.flatMap((each): Signal[] => {
    const kind = kindOf(report.kind, each.isHard)
    const isTheirs = each.address === null || parseAddress(each.address)?.contact === contact
    if (kind === null || !isTheirs) return []
    const { status: code, reason, diagnostic: detail } = each
    const trace = { carrier: 'mail', outcome: kind, recipient: contact, code, reason, detail }
    return [{ tenantId, sendId, contact, kind, carrier: 'smtp', trace }]
  })
  return signalStatements(env, signals, now)
}

function kindOf(kind: BounceReport['kind'], isHard: boolean): SignalKind | null {
  if (kind === 'bounce') return isHard ? 'hard_bounce' : 'soft_bounce'
  return kind === 'complaint' ? kind : null
}

/**
 * The recipients that a report speaks for. A complaint is one recipient's. If the carrier names several who may have made it,
 * or none of several, it counts once for the sender, and against no recipient.
 */
function spokenFor(
  kind: SignalKind,
  named: string[],
  recipients: Recipient[],
): { kind: SignalKind; recipient: Recipient }[] {
  const found = recipientsNamed(named, recipients).map((recipient) => ({ kind, recipient }))
  if (kind !== 'complaint' || found.length === 1) return found
  const [first = null] = named.length === 0 ? recipients : found.map(({ recipient }) => recipient)
  return first === null ? [] : [{ kind: 'shared_complaint', recipient: first }]
}

/** The recipients of a send that a report names. If it names none, the sole recipient. */
function recipientsNamed(named: string[], recipients: Recipient[]): Recipient[] {
  if (named.length === 0) return recipients.length === 1 ? recipients : []
  const contacts = new Set(named.map((email) => parseAddress(email)?.contact))
  return recipients.filter(({ contact }) => contacts.has(contact))
}
