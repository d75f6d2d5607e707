import type { AgentName } from '../accounts/agents/agent.ts'
import { parseAddress } from '../ground/address.ts'
import { agentOfKey, type Ctx, mustHoldSomewhere, visibleMailboxes } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { statement } from '../ground/sql.ts'
import { isLive } from '../policy/live-lease.ts'
import { statesIn } from '../policy/states.ts'
import { applies, widestFirst } from '../policy/suppressed.ts'

/** What to do about a contact next, and the fact that decides it. */
export type NextAction = {
  contactEmail: string
  recommendation: 'reply' | 'wait' | 'nudge' | 'stop' | 'escalate'
  reasoning: string
  known: Known
}

/** What the tenant's data says about a contact. Times are ms since 1970. */
type Known = {
  name: string | null
  lastSendAt: number | null
  lastInboundAt: number | null
  /** The intent that the classifier found in the contact's last message. */
  lastIntent: string | null
  suppression: { scope: string; reasonCode: string } | null
  lease: { agentId: string; agentName: string | null; expiresAt: number } | null
  /** A send that has not left yet. */
  waiting: { state: 'scheduled' | 'pending_approval'; at: number } | null
  /** Sends within the fatigue window of the mailbox that wrote last, where it has a limit. */
  fatigue: { count: number; limit: number; days: number } | null
  /** Sends with an unknown outcome that a person must resolve. */
  openIncidents: number
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
/** How long to wait for a reply after a send, in ms. */
const REPLY_WITHIN_MS = 3 * DAY_MS

const SEEN = (table: string) =>
  `(:visible IS NULL OR ${table}.mailbox_id IN (SELECT value FROM json_each(:visible)))`

const OF_CONTACT = `send_recipients p CROSS JOIN sends s ON s.tenant_id = p.tenant_id AND s.id = p.send_id
  WHERE p.tenant_id = :tenantId AND p.contact = i.contact AND p.state <> 'void' AND ${SEEN('p')}`

/** One row for each contact, in order. The newest send is found from the end of the contact's range. */
const KNOWN = statement<Row>(`
  WITH item AS MATERIALIZED (SELECT key AS position, value AS contact FROM json_each(:contacts)),
  found AS MATERIALIZED (
    SELECT i.position, i.contact,
      (SELECT p.send_id FROM ${OF_CONTACT}
        AND s.state IN ${statesIn(({ isAccepted, isSpent }) => isAccepted && isSpent)}
        ORDER BY p.send_id DESC LIMIT 1) AS last_id,
      (SELECT p.send_id FROM ${OF_CONTACT} AND s.state IN ${statesIn(({ isAccepted, isSpent }) => isAccepted && !isSpent)}
        ORDER BY p.send_id DESC LIMIT 1) AS waiting_id,
      (SELECT count(*) FROM ${OF_CONTACT} AND s.state = 'unknown') AS unknown
    FROM item i)
  SELECT i.contact, i.unknown,
    coalesce(l.scheduled_at, l.created_at) AS last_send_at,
    (SELECT r.value ->> 'name' FROM json_each(l.recipients) r WHERE r.value ->> 'contact' = i.contact) AS name,
    (SELECT json_object('at', n.at / 1000, 'intent', g.intent)
      FROM views n INDEXED BY views_by_sender
      CROSS JOIN messages g ON g.tenant_id = n.tenant_id AND g.id = n.message_id
      WHERE n.tenant_id = :tenantId AND n.from_contact = i.contact AND n.folder = 'inbox' AND ${SEEN('n')}
      ORDER BY n.at DESC LIMIT 1) AS last_inbound,
    (SELECT json_object('scope', x.scope, 'reasonCode', x.reason_code) FROM suppressions x
      WHERE x.tenant_id = :tenantId AND x.contact = i.contact AND ${applies('x', 'NULL')}
      ORDER BY ${widestFirst('x')} LIMIT 1) AS suppression,
    (SELECT json_object('agentId', h.agent_id, 'agentName', a.name, 'expiresAt', h.expires_at)
      FROM leases h JOIN agents a ON a.tenant_id = h.tenant_id AND a.id = h.agent_id
      WHERE h.tenant_id = :tenantId AND h.contact = i.contact AND ${isLive('h')}) AS lease,
    CASE WHEN w.id IS NOT NULL THEN json_object('state', w.state,
      'at', iif(w.state = 'scheduled', coalesce(w.next_at, w.scheduled_at), w.created_at)) END AS waiting,
    CASE WHEN m.fatigue_limit IS NOT NULL THEN json_object('limit', m.fatigue_limit, 'days', m.fatigue_days, 'count', (
      SELECT count(*) FROM send_recipients p WHERE p.tenant_id = :tenantId AND p.contact = i.contact AND p.state <> 'void'
        AND p.created_at > :now - m.fatigue_days * ${DAY_MS})) END AS fatigue
  FROM found i
  LEFT JOIN sends l ON l.tenant_id = :tenantId AND l.id = i.last_id
  LEFT JOIN sends w ON w.tenant_id = :tenantId AND w.id = i.waiting_id
  LEFT JOIN mailboxes m ON m.tenant_id = :tenantId AND m.id = l.mailbox_id
  ORDER BY i.position`)

type Row = {
  unknown: number
  last_send_at: number | null
  name: string | null
  last_inbound: string | null
  suppression: string | null
  lease: string | null
  waiting: string | null
  fatigue: string | null
}

/**
 * What to do next about each contact, in the order asked: one database call for any number. Sends and mail of mailboxes
 * that the actor may not read do not count; suppressions and leases are the whole tenant's.
 */
export async function nextActions(ctx: Ctx, agent: AgentName, emails: string[]): Promise<NextAction[]> {
  mustHoldSomewhere(ctx, 'read')
  const contacts = emails.map((email, position) => {
    const address = parseAddress(email)
    if (address) return address.contact
    const field = `contactEmails.${position}`
    throw new Fault('invalid', `"${email.slice(0, 100)}" is not an email address.`, { field })
  })
  const visible = visibleMailboxes(ctx.actor)
  const rows = await KNOWN.all(ctx.env, {
    contacts: JSON.stringify(contacts),
    tenantId: ctx.tenantId,
    now: ctx.now.getTime(),
    visible: visible === null ? null : JSON.stringify(visible),
  })
  const speaker = agent.id === null && agent.name === null ? ownAgent(ctx) : agent
  return rows.map((row, position) => {
    const known = read(row)
    const contactEmail = emails[position] ?? ''
    return { contactEmail, ...recommend(known, speaker, ctx.now.getTime()), known }
  })
}

/** Recommends by the strongest fact that applies. Pure. */
export function recommend(
  known: Known,
  speaker: AgentName,
  now: number,
): Pick<NextAction, 'recommendation' | 'reasoning'> {
  const { suppression, lease, lastInboundAt, lastIntent, lastSendAt, waiting, fatigue } = known
  if (suppression) {
    const { scope, reasonCode } = suppression
    return { recommendation: 'stop', reasoning: `Suppressed: ${reasonCode} (${scope} list)` }
  }
  if (lease && !isOwn(lease, speaker)) {
    const until = new Date(lease.expiresAt).toISOString()
    return {
      recommendation: 'wait',
      reasoning: `Leased to ${lease.agentName ?? lease.agentId} until ${until}`,
    }
  }
  if (lastInboundAt !== null && lastInboundAt > (lastSendAt ?? 0)) {
    return answer(lastIntent, span(now - lastInboundAt))
  }
  if (waiting) {
    const reasoning =
      waiting.state === 'scheduled'
        ? `Send scheduled for ${new Date(waiting.at).toISOString()}`
        : `Send waiting for approval for ${span(now - waiting.at)}`
    return { recommendation: 'wait', reasoning }
  }
  if (lastSendAt === null) return { recommendation: 'nudge', reasoning: 'No earlier send or reply' }
  if (now - lastSendAt < REPLY_WITHIN_MS) {
    return { recommendation: 'wait', reasoning: `Recent send ${span(now - lastSendAt)} ago` }
  }
  if (fatigue && fatigue.count >= fatigue.limit) {
    const { count, limit, days } = fatigue
    const reasoning = `Fatigue limit reached: ${counted(count, 'send')} in ${counted(days, 'day')}, limit ${limit}`
    return { recommendation: 'wait', reasoning }
  }
  return { recommendation: 'nudge', reasoning: `No reply in ${span(now - lastSendAt)}` }
}

/** For an unanswered message: legal and security matters go to a person, and an unsubscribe request is obeyed. */
function answer(intent: string | null, age: string): Pick<NextAction, 'recommendation' | 'reasoning'> {
  if (intent === 'legal' || intent === 'security') {
    return { recommendation: 'escalate', reasoning: `Unanswered ${intent} message from ${age} ago` }
  }
  if (intent === 'unsubscribe') {
    return { recommendation: 'stop', reasoning: `Asked to be left alone ${age} ago` }
  }
  return { recommendation: 'reply', reasoning: `Unanswered message from ${age} ago` }
}

function ownAgent(ctx: Ctx): AgentName {
  return { id: agentOfKey(ctx), name: null }
}

function isOwn(lease: NonNullable<Known['lease']>, { id, name }: AgentName): boolean {
  return id !== null ? lease.agentId === id : name !== null && lease.agentName === name
}

function read(row: Row): Known {
  const parsed = (text: string | null) => (text === null ? null : JSON.parse(text))
  const inbound: { at: number; intent: string | null } | null = parsed(row.last_inbound)
  return {
    name: row.name,
    lastSendAt: row.last_send_at,
    lastInboundAt: inbound?.at ?? null,
    lastIntent: inbound?.intent ?? null,
    suppression: parsed(row.suppression),
    lease: parsed(row.lease),
    waiting: parsed(row.waiting),
    fatigue: parsed(row.fatigue),
    openIncidents: row.unknown,
  }
}

/** A length of time in its largest whole unit. */
function span(ms: number): string {
  if (ms < MINUTE_MS) return 'less than a minute'
  if (ms < HOUR_MS) return counted(Math.floor(ms / MINUTE_MS), 'minute')
  if (ms < DAY_MS) return counted(Math.floor(ms / HOUR_MS), 'hour')
  return counted(Math.floor(ms / DAY_MS), 'day')
}

function counted(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}
