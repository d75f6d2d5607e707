import type { Env } from '../../env.ts'
import type { EventRefs } from '../../schema/journal.ts'
import type { Due } from '../journal/event-types.ts'
import { readRendered } from '../letters/rendered.ts'
import { type Body, bodyOf } from '../mail/body.ts'
import { messageIdOf } from '../mail/store.ts'

export type MessageRow = {
  id: string
  thread_id: string
  send_id: string | null
  from_address: string
  from_name: string | null
  to_addresses: string
  cc_addresses: string
  subject: string
  text: string | null
  html: string | null
  body_key: string | null
  files: string
  in_reply_to: string | null
  authentication: string | null
  ambiguities: string
  risk: string | null
  created_at: number
}
export type SendRow = {
  id: string
  address: string
  display_name: string | null
  recipients: string
  /** As given with the request; null where a template makes it. */
  subject: string | null
  text: string | null
  html: string | null
  files: string | null
  rendered_key: string | null
  created_at: number
}
export type ApprovalRow = {
  id: string
  send_id: string
  status: string
  hold_reason: string
  decision_reason: string | null
  decided_by: string | null
  expires_at: number
}
export type LeaseRow = {
  id: string
  agent_id: string
  contact_email: string | null
  intent: string | null
  expires_at: number
  created_at: number | null
}
export type ConsensusRow = {
  id: string
  requesting_agent_id: string
  action: string
  contact_email: string
  reason: string
  status: string
  timeout_at: number
  created_at: number
  decided_at: number | null
  votes: { agent_id: string; vote: string; reason: string | null }[]
}
type VoteRow = { request_id: string; agent_id: string; vote: string; reason: string | null }
export type SuppressionRow = {
  id: string
  email: string
  scope: string
  campaign_id: string
  reason_code: string
  source: string | null
  expires_at: number | null
  created_at: number
}
export type DomainRow = { id: string; domain: string }

/** All that a turn's events refer to, by id; bodies by the id of their message. */
export type Subjects = {
  messages: Map<string, MessageRow>
  sends: Map<string, SendRow>
  bodies: Map<string, Body>
  approvals: Map<string, ApprovalRow>
  leases: Map<string, LeaseRow>
  consensus: Map<string, ConsensusRow>
  suppressions: Map<string, SuppressionRow>
  domains: Map<string, DomainRow>
}

/** Objects of R2 that are read side by side. */
const READS_AT_ONCE = 6

const MESSAGES = `
  SELECT m.id, m.thread_id, m.send_id, m.from_address, m.from_name, m.to_addresses, m.cc_addresses, m.subject, m.text,
    m.html, m.body_key, m.files, m.in_reply_to, m.authentication, m.ambiguities, m.risk, m.created_at
  FROM json_each(?2) j CROSS JOIN messages m ON m.tenant_id = ?1 AND m.id = j.value`

const SENDS = `
  SELECT s.id, b.address, b.display_name, s.recipients, s.input ->> '$.inline.subject' AS subject,
    s.input ->> '$.inline.text' AS text, s.input ->> '$.inline.html' AS html, s.input -> '$.files' AS files,
    s.rendered_key, s.created_at
  FROM json_each(?2) j CROSS JOIN sends s ON s.tenant_id = ?1 AND s.id = j.value
  LEFT JOIN mailboxes b ON b.tenant_id = s.tenant_id AND b.id = s.mailbox_id`

const APPROVALS = `
  SELECT p.id, p.send_id, p.status, p.hold_reason, p.decision_reason, p.decided_by, p.expires_at
  FROM json_each(?2) j CROSS JOIN approvals p ON p.tenant_id = ?1 AND p.id = j.value`

/** A contact's row may have gone to the next holder; then the history knows whose the lease was. */
const LEASES = `
  SELECT e.lease_id AS id, e.holder_id AS agent_id, max(e.expires_at) AS expires_at, l.contact_email, l.intent, l.created_at
  FROM json_each(?2) j CROSS JOIN lease_events e INDEXED BY lease_events_by_lease ON e.tenant_id = ?1 AND e.lease_id = j.value AND e.kind <> 'refused'
  LEFT JOIN leases l ON l.tenant_id = e.tenant_id AND l.contact = e.contact AND l.id = e.lease_id
  GROUP BY e.lease_id`

const CONSENSUS = `
  SELECT c.id, c.requesting_agent_id, c.action, c.contact_email, c.reason, c.status, c.timeout_at, c.created_at, c.decided_at
  FROM json_each(?2) j CROSS JOIN consensus_requests c ON c.tenant_id = ?1 AND c.id = j.value`

const VOTES = `
  SELECT v.request_id, v.agent_id, v.vote, v.reason
  FROM json_each(?2) j CROSS JOIN consensus_votes v ON v.tenant_id = ?1 AND v.request_id = j.value
  ORDER BY v.created_at, v.id`

const SUPPRESSIONS = `
  SELECT u.id, u.email, u.scope, u.campaign_id, u.reason_code, u.source, u.expires_at, u.created_at
  FROM json_each(?2) j CROSS JOIN suppressions u ON u.tenant_id = ?1 AND u.id = j.value`

const DOMAINS = `
  SELECT d.id, d.domain FROM json_each(?2) j CROSS JOIN domains d ON d.tenant_id = ?1 AND d.id = j.value`

/** Reads everything that these events refer to, in one call of D1 and one read of R2 for each body that lies there. */
export async function subjectsOf(env: Env, tenantId: string, events: Due[]): Promise<Subjects> {
  const ids = (key: keyof EventRefs) => [
    ...new Set(events.map(({ refs }) => refs[key]).filter((id) => typeof id === 'string')),
  ]
  const asked = [
    { statement: MESSAGES, wanted: ids('messageId') },
    { statement: SENDS, wanted: ids('sendId') },
    { statement: APPROVALS, wanted: ids('approvalId') },
    { statement: LEASES, wanted: ids('leaseId') },
    { statement: CONSENSUS, wanted: ids('consensusId') },
    { statement: VOTES, wanted: ids('consensusId') },
    { statement: SUPPRESSIONS, wanted: ids('suppressionId') },
    { statement: DOMAINS, wanted: ids('domainId') },
  ].filter(({ wanted }) => wanted.length > 0)
  const results =
    asked.length === 0
      ? []
      : await env.DB.batch(
          asked.map(({ statement, wanted }) =>
            env.DB.prepare(statement).bind(tenantId, JSON.stringify(wanted)),
          ),
        )
  const rows = <Row>(statement: string) =>
    (results[asked.findIndex((each) => each.statement === statement)]?.results ?? []) as Row[]
  const messages = rows<MessageRow>(MESSAGES)
  const sends = rows<SendRow>(SENDS)
  const votes = Map.groupBy(rows<VoteRow>(VOTES), ({ request_id }) => request_id)
  return {
    messages: byId(messages),
    sends: byId(sends),
    bodies: await bodiesOf(env, messages, sends),
    approvals: byId(rows<ApprovalRow>(APPROVALS)),
    leases: byId(rows<LeaseRow>(LEASES)),
    consensus: byId(
      rows<Omit<ConsensusRow, 'votes'>>(CONSENSUS).map((row) => ({
        ...row,
        votes: (votes.get(row.id) ?? []).map(({ agent_id, vote, reason }) => ({ agent_id, vote, reason })),
      })),
    ),
    suppressions: byId(rows<SuppressionRow>(SUPPRESSIONS)),
    domains: byId(rows<DomainRow>(DOMAINS)),
  }
}

/** The bodies of messages and, where no message was kept of a send, what was rendered for it. */
async function bodiesOf(env: Env, messages: MessageRow[], sends: SendRow[]): Promise<Map<string, Body>> {
  const bodies = new Map<string, Body>()
  const elsewhere: (() => Promise<void>)[] = []
  for (const { id, text, html, body_key: bodyKey } of messages) {
    if (bodyKey === null) bodies.set(id, { text, html })
    else elsewhere.push(async () => void bodies.set(id, await bodyOf(env, { text, html, bodyKey })))
  }
  const kept = new Set(messages.map(({ id }) => id))
  for (const send of sends) {
    const id = messageIdOf(send.id)
    if (kept.has(id)) continue
    bodies.set(id, { text: send.text, html: send.html })
    elsewhere.push(async () => {
      const rendered = await readRendered(env, send.rendered_key)
      if (!rendered) return
      send.subject = rendered.subject
      bodies.set(id, { text: rendered.text, html: rendered.html })
    })
  }
  for (let from = 0; from < elsewhere.length; from += READS_AT_ONCE) {
    await Promise.all(elsewhere.slice(from, from + READS_AT_ONCE).map((read) => read()))
  }
  return bodies
}

function byId<Row extends { id: string }>(rows: Row[]): Map<string, Row> {
  return new Map(rows.map((row) => [row.id, row]))
}
