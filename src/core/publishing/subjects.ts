import type { Env } from '../../env.ts'
import type { EventRefs } from '../../schema/journal.ts'
import { type Statement, statement } from '../ground/sql.ts'
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
  /** As given in the request; null if a template makes it. */
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

/** Everything that the events of one turn refer to, by id. Bodies are keyed by the id of their message. */
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

/** How many objects of R2 are read at the same time. */
const READS_AT_ONCE = 6

const MESSAGES = statement<MessageRow>(`
  SELECT m.id, m.thread_id, m.send_id, m.from_address, m.from_name, m.to_addresses, m.cc_addresses, m.subject, m.text,
    m.html, m.body_key, m.files, m.in_reply_to, m.authentication, m.ambiguities, m.risk, m.created_at
  FROM json_each(:ids) j CROSS JOIN messages m ON m.tenant_id = :tenantId AND m.id = j.value`)

const SENDS = statement<SendRow>(`
  SELECT s.id, b.address, b.display_name, s.recipients, s.input ->> '$.inline.subject' AS subject,
    s.input ->> '$.inline.text' AS text, s.input ->> '$.inline.html' AS html, s.input -> '$.files' AS files,
    s.rendered_key, s.created_at
  FROM json_each(:ids) j CROSS JOIN sends s ON s.tenant_id = :tenantId AND s.id = j.value
  LEFT JOIN mailboxes b ON b.tenant_id = s.tenant_id AND b.id = s.mailbox_id`)

const APPROVALS = statement<ApprovalRow>(`
  SELECT p.id, p.send_id, p.status, p.hold_reason, p.decision_reason, p.decided_by, p.expires_at
  FROM json_each(:ids) j CROSS JOIN approvals p ON p.tenant_id = :tenantId AND p.id = j.value`)

/** The contact's row may belong to the next holder by now. The history still has the holder of this lease. */
const LEASES = statement<LeaseRow>(`
  SELECT e.lease_id AS id, e.holder_id AS agent_id, max(e.expires_at) AS expires_at, l.contact_email, l.intent, l.created_at
  FROM json_each(:ids) j CROSS JOIN lease_events e INDEXED BY lease_events_by_lease ON e.tenant_id = :tenantId AND e.lease_id = j.value AND e.kind <> 'refused'
  LEFT JOIN leases l ON l.tenant_id = e.tenant_id AND l.contact = e.contact AND l.id = e.lease_id
  GROUP BY e.lease_id`)

const CONSENSUS = statement<Omit<ConsensusRow, 'votes'>>(`
  SELECT c.id, c.requesting_agent_id, c.action, c.contact_email, c.reason, c.status, c.timeout_at, c.created_at, c.decided_at
  FROM json_each(:ids) j CROSS JOIN consensus_requests c ON c.tenant_id = :tenantId AND c.id = j.value`)

const VOTES = statement<VoteRow>(`
  SELECT v.request_id, v.agent_id, v.vote, v.reason
  FROM json_each(:ids) j CROSS JOIN consensus_votes v ON v.tenant_id = :tenantId AND v.request_id = j.value
  ORDER BY v.created_at, v.id`)

const SUPPRESSIONS = statement<SuppressionRow>(`
  SELECT u.id, u.email, u.scope, u.campaign_id, u.reason_code, u.source, u.expires_at, u.created_at
  FROM json_each(:ids) j CROSS JOIN suppressions u ON u.tenant_id = :tenantId AND u.id = j.value`)

const DOMAINS = statement<DomainRow>(`
  SELECT d.id, d.domain FROM json_each(:ids) j CROSS JOIN domains d ON d.tenant_id = :tenantId AND d.id = j.value`)

/** Reads everything that these events refer to: one call of D1, and one read of R2 for each body that is stored there. */
export async function subjectsOf(env: Env, tenantId: string, events: Due[]): Promise<Subjects> {
  const ids = (key: keyof EventRefs) => [
    ...new Set(events.map(({ refs }) => refs[key]).filter((id) => typeof id === 'string')),
  ]
  const asked = [
    { query: MESSAGES, wanted: ids('messageId') },
    { query: SENDS, wanted: ids('sendId') },
    { query: APPROVALS, wanted: ids('approvalId') },
    { query: LEASES, wanted: ids('leaseId') },
    { query: CONSENSUS, wanted: ids('consensusId') },
    { query: VOTES, wanted: ids('consensusId') },
    { query: SUPPRESSIONS, wanted: ids('suppressionId') },
    { query: DOMAINS, wanted: ids('domainId') },
  ].filter(({ wanted }) => wanted.length > 0)
  const statements = asked.map(({ query, wanted }) =>
    query.bind(env, { tenantId, ids: JSON.stringify(wanted) }),
  )
  const results = statements.length === 0 ? [] : await env.DB.batch(statements)
  const rows = <Row>(query: Statement<Row>) =>
    query.rows(results[asked.findIndex((each) => each.query === query)])
  const messages = rows(MESSAGES)
  const sends = rows(SENDS)
  const votes = Map.groupBy(rows(VOTES), ({ request_id }) => request_id)
  return {
    messages: byId(messages),
    sends: byId(sends),
    bodies: await bodiesOf(env, messages, sends),
    approvals: byId(rows(APPROVALS)),
    leases: byId(rows(LEASES)),
    consensus: byId(
      rows(CONSENSUS).map((row) => ({
        ...row,
        votes: (votes.get(row.id) ?? []).map(({ agent_id, vote, reason }) => ({ agent_id, vote, reason })),
      })),
    ),
    suppressions: byId(rows(SUPPRESSIONS)),
    domains: byId(rows(DOMAINS)),
  }
}

/** The bodies of messages, and of sends without a stored message as they were rendered. */
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
