import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { sql } from '../../support/matrix-dump.ts'
import { connect } from '../../support/mcp.ts'
import { newTenant, type Tenant } from '../../support/tenant.ts'

const TO = 'ann@example.com'

type Case = {
  reason: string
  tenant?: Record<string, unknown>
  mailbox?: Record<string, unknown>
  /** The setup that causes the refusal. */
  before?: (tenant: Tenant) => Promise<unknown>
  templateId?: string
  /** The rule concerns templates, so it cannot refuse a letter. */
  isOfTemplate?: true
  /** The text that causes the refusal. */
  word?: string
  /** The content of the letter that causes the refusal. */
  letter?: Record<string, unknown>
}

const CASES: Case[] = [
  { reason: 'cooldown', mailbox: { cooldown_ms: 600_000 }, before: ({ send }) => send(TO, 'first') },
  { reason: 'suppressed', before: ({ owner }) => owner.post('/v1/suppressions', { recipientEmail: TO }) },
  { reason: 'no_consent', mailbox: { require_consent: 1 } },
  {
    reason: 'rate_limited',
    mailbox: { hourly_limit: 1 },
    before: ({ send }) => send('bea@example.com', 'first'),
  },
  { reason: 'fatigue_limit', mailbox: { fatigue_limit: 1 }, before: ({ send }) => send(TO, 'first') },
  { reason: 'lease_conflict', before: leasedToAnother },
  { reason: 'template_not_found', templateId: 'nothing', isOfTemplate: true },
  { reason: 'trust_required', tenant: { level: 'sandbox' } },
  { reason: 'tenant_paused', tenant: { status: 'paused' } },
  { reason: 'tenant_frozen', tenant: { status: 'frozen' } },
  { reason: 'mailbox_paused', mailbox: { status: 'paused' } },
  { reason: 'mailbox_frozen', mailbox: { frozen_at: 1 } },
  { reason: 'mailbox_suspended', mailbox: { reputation: 499 } },
  {
    reason: 'agent_suspended',
    before: ({ id }) => sql(`UPDATE agents SET status = 'suspended' WHERE tenant_id = ?1`, id),
  },
  { reason: 'no_verified_domain', before: lostDomain },
  {
    reason: 'template_not_approved',
    before: ({ id }) => sql('UPDATE templates SET published_version = NULL WHERE tenant_id = ?1', id),
    isOfTemplate: true,
  },
  { reason: 'reply_loop', before: answeredNineTimes },
  {
    reason: 'canary_violation',
    before: ({ post }) => post('/v1/oversight/canaries', { value: 'Blue Heron 774, Lagoon' }),
    word: 'Blue Heron 774, Lagoon',
  },
  { reason: 'risk_budget_exceeded', mailbox: { risk_budget: 0 } },
  {
    reason: 'dlp_blocked',
    before: ({ patch }) => patch('/v1/oversight/dlp', { mode: 'block' }),
    word: 'Card 4111 1111 1111 1111',
  },
  {
    reason: 'blocked_attachment_type',
    letter: { attachments: [{ filename: 'run.exe', content_base64: btoa('MZ') }] },
  },
]

async function leasedToAnother(tenant: Tenant) {
  const { body } = await tenant.owner.post('/v1/agent/register', { agentName: 'other' })
  await tenant.owner.post('/v1/agent/coordination/lease', { agentId: body.id, contactEmail: TO })
}

/** Makes the mailbox write from a domain whose DNS records are gone. */
async function lostDomain({ id, mailboxId }: Tenant) {
  const word = id.replace(/[^a-z0-9]/g, '')
  await sql(
    `INSERT INTO domains (tenant_id, id, domain, mode, status, token, selector, public_key, sealed_key, created_at)
     VALUES (?1, 'dom_' || ?2, ?2 || '.example.org', 'byoc', 'failed', ?2, ?2, ?2, ?2, 1)`,
    id,
    word,
  )
  await sql(
    `INSERT INTO aliases (tenant_id, mailbox_id, domain_id, address, contact, created_at)
     VALUES (?1, ?2, 'dom_' || ?3, 'agent@' || ?3 || '.example.org', 'agent@' || ?3 || '.example.org', 1)`,
    id,
    mailboxId,
    word,
  )
}

/** Makes the mailbox and the contact reach the hourly limit of replies to each other. */
async function answeredNineTimes(tenant: Tenant) {
  for (let time = 0; time < 9; time++) {
    await letterFrom(TO, tenant, Date.now())
    await tenant.send(TO, `answer-${time}`)
  }
}

test('a blocked send gives the same reason through a tool as through its route, and is not an error', async () => {
  await Promise.all(
    CASES.map(
      async ({ reason, before, templateId = 'welcome', isOfTemplate, word = 'Ann', letter, ...columns }) => {
        const tenant = await newTenant(columns)
        await before?.(tenant)
        const { use } = await connect(tenant.key)
        const request = { recipientEmail: TO, templateId, payload: { firstName: word } }

        if (!letter) {
          const byRoute = await tenant.post('/v1/agent/request-send', { ...request, dedupeKey: 'by route' })
          const byTool = await use('send_template', { ...request, dedupeKey: 'by tool' })
          expect({ reason, ...byRoute.body }).toMatchObject({ status: 'blocked', reason })
          const { requestId, retryAt, cooldownExpiresAt, policyTrace, leaseHolder, ...said } = byTool.body
          expect({ isError: byTool.isError, ...said }).toEqual({ isError: false, status: 'blocked', reason })
          expect([retryAt !== undefined, cooldownExpiresAt !== undefined, leaseHolder?.agentName]).toEqual([
            byRoute.body.retryAt !== undefined,
            byRoute.body.cooldownExpiresAt !== undefined,
            byRoute.body.leaseHolder?.agentName,
          ])
          expect(policyTrace.auditEvents.map(({ rule, passed }: Event) => [rule, passed])).toEqual(
            byRoute.body.policyTrace.auditEvents.map(({ rule, passed }: Event) => [rule, passed]),
          )
          const asked = await use('simulate_send', { ...request, dedupeKey: 'asked' })
          expect({ isError: asked.isError, ...asked.body }).toMatchObject({
            isError: false,
            wouldAllow: false,
            reason,
          })
          const told = await use('send_status', { requestId })
          expect(told.body).toMatchObject({
            status: 'blocked',
            reason,
            policyDecision: { allow: false, reason },
          })
        }
        if (isOfTemplate) return
        const written = { subject: 'Hello', text: `Hello ${word}`, ...letter }
        const byRoute = await tenant.post('/v1/messages', { to: TO, ...written })
        expect([402, 403, 422, 429]).toContain(byRoute.status)
        const byTool = await use('send_message', { to: TO, ...written })
        expect({ reason, isError: byTool.isError, ...byTool.body }).toMatchObject({
          isError: false,
          status: 'blocked',
          reason,
          message: expect.stringMatching(/^Not sent: /),
        })
        const messageId = await letterFrom(TO, tenant)
        const reply = await use('reply', { id: messageId, text: `Hello ${word}`, ...letter })
        expect({ isError: reply.isError, ...reply.body }).toMatchObject({
          isError: false,
          status: 'blocked',
          reason,
          untrusted: { message: expect.stringMatching(/^Not sent: /) },
        })
        expect(await acceptedOverMcp(tenant)).toBe(0)
      },
    ),
  )
})

type Event = { rule: string; passed: boolean }

/** The number of the tenant's sends through tools that were not blocked. */
async function acceptedOverMcp({ id }: Tenant) {
  const row = await env.DB.prepare(
    "SELECT count(*) AS sent FROM sends WHERE tenant_id = ?1 AND state <> 'blocked' AND door = 'mcp'",
  )
    .bind(id)
    .first<{ sent: number }>()
  return row?.sent
}

/** Stores a message in the tenant's mailbox, as if a stranger had sent it. */
async function letterFrom(from: string, { id, mailboxId }: Tenant, at = 1) {
  const messageId = `msg_${crypto.randomUUID().replaceAll('-', '')}`
  const threadId = messageId.replace('msg', 'thread')
  await env.DB.batch([
    env.DB.prepare(
      `INSERT INTO messages (tenant_id, id, thread_id, rfc_id, delivery_type, from_address, to_addresses, cc_addresses,
         subject, text, files, reference_ids, ambiguities, created_at)
       VALUES (?1, ?2, ?3, ?2 || '@example.com', 'external', ?4, '[]', '[]', 'Hi', 'Hi', '[]', '[]', '[]', 1)`,
    ).bind(id, messageId, threadId, from),
    env.DB.prepare(
      `INSERT INTO views (tenant_id, mailbox_id, folder, at, message_id, thread_id, from_contact)
       VALUES (?1, ?2, 'inbox', ?6, ?3, ?4, ?5)`,
    ).bind(id, mailboxId, messageId, threadId, from, at * 1_000),
    env.DB.prepare(
      `INSERT INTO threads (tenant_id, mailbox_id, id, subject, last_at) VALUES (?1, ?2, ?3, 'Hi', 1000)`,
    ).bind(id, mailboxId, threadId),
  ])
  return messageId
}
