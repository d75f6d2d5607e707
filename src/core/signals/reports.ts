import type { Env } from '../../env.ts'
import type { Recipient } from '../../schema/letters.ts'
import { parseAddress } from '../ground/address.ts'
import { ringOutbox } from '../journal/bells.ts'
import type { BounceReport } from '../reading/bounces/bounce-report.ts'
import { SIGNALS, type Signal, type SignalKind, signalStatements } from './signals.ts'

/** What a carrier reports of a message, verified; the carriers' own event in the core's words. */
export type DeliveryReport = {
  carrier: string
  kind: SignalKind | 'delayed'
  /** Ours, where the carrier gave them back; else one of the other two must find the send. */
  tenantId: string | null
  sendId: string | null
  /** RFC 5322 Message-ID without brackets. */
  messageId: string | null
  carrierMessageId: string | null
  recipients: string[]
  at: Date
  code: string | null
  detail: string | null
}

const FOUND = `
  WITH e AS MATERIALIZED (
    SELECT key AS position, value ->> 'carrier' AS carrier, value ->> 'tenantId' AS tenant_id,
      value ->> 'sendId' AS send_id, value ->> 'carrierMessageId' AS carrier_message_id
    FROM json_each(?1))
  SELECT e.position, s.tenant_id, s.id, s.recipients FROM e
  CROSS JOIN sends s ON s.tenant_id = e.tenant_id AND s.id = e.send_id
  UNION ALL
  SELECT e.position, s.tenant_id, s.id, s.recipients FROM e
  CROSS JOIN sends s ON s.carrier_message_id = e.carrier_message_id AND s.carrier = e.carrier
  WHERE e.tenant_id IS NULL OR e.send_id IS NULL`

type FoundSend = { position: number; tenant_id: string; id: string; recipients: string }

/**
 * Counts what a carrier reports. A report changes a send only if that carrier was given it for that recipient; one that
 * names no send of ours, or none of its recipients, changes nothing. Told twice, or in another order, it comes to the same.
 */
export async function recordReports(env: Env, reports: DeliveryReport[], now: Date): Promise<void> {
  const telling = reports.filter(({ kind }) => kind in SIGNALS)
  if (telling.length === 0) return
  const wanted = telling.map(({ carrier, tenantId, sendId, carrierMessageId }) => ({
    ...{ carrier, tenantId, sendId, carrierMessageId },
  }))
  const { results } = await env.DB.prepare(FOUND).bind(JSON.stringify(wanted)).all<FoundSend>()
  const signals = results.flatMap(({ position, tenant_id: tenantId, id: sendId, recipients }) => {
    const report = telling[position]
    if (!report || report.kind === 'delayed') return []
    const { kind, carrier, at, code, detail } = report
    return contactsIn(report.recipients, JSON.parse(recipients) as Recipient[]).map(
      ({ contact, email }): Signal => {
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

/** The statements that count a bounce or complaint that came by mail to the bounce address of its send. */
export async function recordBounce(
  env: Env,
  { tenantId, sendId, report }: { tenantId: string; sendId: string; report: BounceReport },
  now: Date,
): Promise<D1PreparedStatement[]> {
  const row = await env.DB.prepare('SELECT recipients FROM sends WHERE tenant_id = ?1 AND id = ?2')
    .bind(tenantId, sendId)
    .first<{ recipients: string }>()
  if (!row) return []
  const ours = JSON.parse(row.recipients) as Recipient[]
  const signals = report.recipients.flatMap((each) => {
    const kind = kindOf(report.kind, each.isHard)
    if (kind === null) return []
    return contactsIn(each.address === null ? [] : [each.address], ours).map(({ contact, email }): Signal => {
      const { status, reason, diagnostic } = each
      const trace = {
        carrier: 'mail',
        outcome: kind,
        recipient: email,
        code: status,
        reason,
        detail: diagnostic,
      }
      return { tenantId, sendId, contact, kind, carrier: null, trace }
    })
  })
  return signalStatements(env, signals, now)
}

function kindOf(kind: BounceReport['kind'], isHard: boolean): SignalKind | null {
  if (kind === 'delay') return null
  if (kind === 'bounce') return isHard ? 'hard_bounce' : 'soft_bounce'
  return kind
}

/** Those of a send's recipients that a report names; where it names none, the only one. */
function contactsIn(named: string[], recipients: Recipient[]): Recipient[] {
  if (named.length === 0) return recipients.length === 1 ? recipients : []
  const contacts = new Set(named.map((email) => parseAddress(email)?.contact))
  return recipients.filter(({ contact }) => contacts.has(contact))
}
