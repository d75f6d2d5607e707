import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { call, grant, newTenant, type Tenant } from '../../support/tenant.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** Moves the sends of a tenant to a contact into the past. */
async function age(tenant: Tenant, contact: string, ms: number) {
  for (const table of ['sends', 'send_recipients']) {
    const which = table === 'sends' ? 'recipients LIKE ?3' : 'contact = ?3'
    await env.DB.prepare(`UPDATE ${table} SET created_at = created_at - ?2 WHERE tenant_id = ?1 AND ${which}`)
      .bind(tenant.id, ms, table === 'sends' ? `%${contact}%` : contact)
      .run()
  }
}

async function receive(tenant: Tenant, from: string, at: number) {
  const id = crypto.randomUUID()
  await env.DB.batch([
    env.DB.prepare(
      `INSERT INTO messages (tenant_id, id, thread_id, rfc_id, delivery_type, from_address, to_addresses, cc_addresses,
         subject, files, reference_ids, ambiguities, created_at)
       VALUES (?1, ?2, ?2, ?2, 'external', ?3, '[]', '[]', 'Re', '[]', '[]', '[]', ?4)`,
    ).bind(tenant.id, id, from, at),
    env.DB.prepare(
      `INSERT INTO views (tenant_id, mailbox_id, folder, at, message_id, thread_id, from_contact)
       VALUES (?1, ?2, 'inbox', ?3, ?4, ?4, ?5)`,
    ).bind(tenant.id, tenant.mailboxId, at * 1000, id, from.toLowerCase()),
  ])
}

test('the next action follows from the known facts, and the answer names the deciding fact', async () => {
  const tenant = await newTenant({ mailbox: { cooldown_ms: 0, fatigue_limit: 2, fatigue_days: 7 } })
  const send = async (to: string, key = to) => {
    const { body } = await tenant.send(to, key)
    expect(body.status).toBe('queued')
    await tenant.settled(body.requestId)
  }
  const sentTo = ['alice', 'bob', 'tired', 'wrote', 'answered', 'just'].map((name) => `${name}@example.com`)
  await Promise.all(sentTo.map((to) => send(to)))
  await send('tired@example.com', 'again')
  await age(tenant, 'alice@example.com', 5 * DAY + HOUR)
  await age(tenant, 'bob@example.com', 2 * HOUR + 60_000)
  await age(tenant, 'tired@example.com', 4 * DAY)
  await age(tenant, 'wrote@example.com', 6 * DAY)
  await receive(tenant, 'Wrote@example.com', Date.now() - 3 * HOUR)
  await age(tenant, 'answered@example.com', 4 * DAY)
  await receive(tenant, 'answered@example.com', Date.now() - 9 * DAY)
  await tenant.owner.post('/v1/suppressions', {
    recipientEmail: 'gone@example.com',
    reasonCode: 'manual_dnc',
  })
  await tenant.send('later@example.com', 'later', { scheduledAt: new Date(Date.now() + DAY).toISOString() })
  const rival = await tenant.owner.post('/v1/agent/register', { agentName: 'rival' })
  const lease = await tenant.owner.post('/v1/agent/coordination/lease', {
    agentId: rival.body.id,
    contactEmail: 'held@example.com',
  })
  await tenant.post('/v1/agent/coordination/lease', {
    agentId: tenant.agentId,
    contactEmail: 'mine@example.com',
  })

  const expected: [email: string, recommendation: string, reasoning: string | RegExp][] = [
    ['alice@example.com', 'nudge', 'No reply in 5 days'],
    ['BOB@example.com', 'wait', 'Recent send 2 hours ago'],
    ['just@example.com', 'wait', /^Recent send less than a minute ago$/],
    ['gone@example.com', 'stop', 'Suppressed: manual_dnc (tenant list)'],
    ['held@example.com', 'wait', `Leased to rival until ${lease.body.expiresAt}`],
    ['mine@example.com', 'nudge', 'No earlier send or reply'],
    ['tired@example.com', 'wait', 'Fatigue limit reached: 2 sends in 7 days, limit 2'],
    ['wrote@example.com', 'reply', 'Unanswered message from 3 hours ago'],
    ['answered@example.com', 'nudge', 'No reply in 4 days'],
    ['later@example.com', 'wait', /^Send scheduled for 20/],
    ['new@example.com', 'nudge', 'No earlier send or reply'],
    ['alice@example.com', 'nudge', 'No reply in 5 days'],
  ]
  const { status, body } = await tenant.post('/v1/agent/batch/next-best-action', {
    tenantId: tenant.id,
    contactEmails: expected.map(([email]) => email),
    agentId: tenant.agentId,
  })
  expect(status).toBe(200)
  expect(body).toEqual({
    results: expected.map(([contactEmail, recommendation, reasoning]) => ({
      contactEmail,
      recommendation,
      reasoning: typeof reasoning === 'string' ? reasoning : expect.stringMatching(reasoning),
    })),
  })

  const asRival = await tenant.owner.post('/v1/agent/next-best-action', {
    contactEmail: 'held@example.com',
    agentName: 'rival',
  })
  expect(asRival.body).toMatchObject({ recommendation: 'nudge' })
  const single = await tenant.post('/v1/agent/next-best-action', { contactEmail: 'wrote@example.com' })
  expect(single.body).toEqual({
    contactEmail: 'wrote@example.com',
    recommendation: 'reply',
    reasoning: 'Unanswered message from 3 hours ago',
    contactSummary: {
      email: 'wrote@example.com',
      name: null,
      lastSendAt: expect.stringMatching(/Z$/),
      lastInboundAt: expect.stringMatching(/Z$/),
      isSuppressed: false,
      activeIncidents: 0,
    },
  })

  const elsewhere = await grant(tenant.id, ['read'], [{ mailboxId: 'mbx_other', permissions: ['read'] }])
  const blind = await call('POST', '/v1/agent/next-best-action', {
    key: elsewhere,
    body: { contactEmail: 'wrote@example.com' },
  })
  expect(blind.body).toMatchObject({
    reasoning: 'No earlier send or reply',
    contactSummary: { lastInboundAt: null, lastSendAt: null },
  })
  const other = await newTenant()
  const foreign = await other.post('/v1/agent/next-best-action', { contactEmail: 'gone@example.com' })
  expect(foreign.body).toMatchObject({ recommendation: 'nudge', reasoning: 'No earlier send or reply' })
  const bad = await tenant.post('/v1/agent/batch/next-best-action', {
    contactEmails: ['ann@example.com', 'nobody'],
  })
  expect(bad).toMatchObject({ status: 400, body: { error: 'invalid', field: 'contactEmails.1' } })
})

test('a message that threatens legal action goes to a person, and the action for one that asks to unsubscribe is stop', async () => {
  const [tenant, angry, tired] = [await newTenant(), await newTenant(), await newTenant()]
  const write = async (from: typeof tenant, subject: string, text: string) => {
    const asked = {
      recipientEmail: tenant.address,
      templateId: '_default',
      dedupeKey: subject,
      payload: { subject, text },
    }
    const { body } = await from.post('/v1/agent/request-send', asked)
    await from.settled(body.requestId)
  }
  await write(
    angry,
    'Your mail',
    'Stop this now or you will hear from our lawyers. We will take legal action.',
  )
  await write(tired, 'Re: offer', 'Please unsubscribe me from this list.')
  const { body } = await tenant.post('/v1/agent/batch/next-best-action', {
    contactEmails: [angry.address, tired.address],
  })
  expect(body.results.map((each: { recommendation: string }) => each.recommendation)).toEqual([
    'escalate',
    'stop',
  ])
})
