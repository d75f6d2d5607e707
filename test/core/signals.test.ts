import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { type DeliveryReport, recordReports } from '../../src/core/signals/reports.ts'
import { eventually, newTenant, type Tenant } from '../support/tenant.ts'

const KINDS = ['accepted', 'delivered', 'soft_bounce', 'hard_bounce', 'complaint', 'rejected'] as const

/** A send that a carrier has accepted, without further reports. */
async function sent(tenant: Tenant, to: string, state: Record<string, unknown> = {}) {
  const { body } = await tenant.send(to, crypto.randomUUID())
  await tenant.settled(body.requestId)
  const columns = { state: 'accepted', carrier: 'ses', delivered_at: null, ...state }
  await env.DB.batch([
    ...Object.entries(columns).map(([column, value]) =>
      env.DB.prepare(`UPDATE sends SET ${column} = ?3 WHERE tenant_id = ?1 AND id = ?2`).bind(
        ...[tenant.id, body.requestId, value],
      ),
    ),
    env.DB.prepare(
      `UPDATE send_recipients SET state = ?3, carrier = 'ses', signals = 0 WHERE tenant_id = ?1 AND send_id = ?2`,
    ).bind(tenant.id, body.requestId, columns.state === 'accepted' ? 'accepted' : 'pending'),
    env.DB.prepare('UPDATE mailboxes SET reputation = 800 WHERE tenant_id = ?1').bind(tenant.id),
  ])
  return body.requestId as string
}

function report(tenant: Tenant, sendId: string, kind: DeliveryReport['kind'], more = {}): DeliveryReport {
  return {
    carrier: 'ses',
    kind,
    tenantId: tenant.id,
    sendId,
    messageId: null,
    carrierMessageId: null,
    recipients: [],
    at: new Date(),
    code: null,
    detail: null,
    ...more,
  }
}

async function standing(tenant: Tenant, sendId: string): Promise<Record<string, unknown>> {
  const [send, mailbox, suppressed, steps] = await env.DB.batch<Record<string, unknown>>([
    env.DB.prepare(
      `SELECT s.state, r.state AS recipient, r.signals FROM sends s JOIN send_recipients r
         ON r.tenant_id = s.tenant_id AND r.send_id = s.id WHERE s.tenant_id = ?1 AND s.id = ?2`,
    ).bind(tenant.id, sendId),
    env.DB.prepare(
      'SELECT reputation, bounced_count AS bounced, complaint_count AS complaints FROM mailboxes WHERE tenant_id = ?1',
    ).bind(tenant.id),
    env.DB.prepare(
      `SELECT contact, reason_code AS reason, expires_at IS NULL AS forever FROM suppressions WHERE tenant_id = ?1`,
    ).bind(tenant.id),
    env.DB.prepare(
      `SELECT body ->> 'outcome' AS outcome FROM traces WHERE tenant_id = ?1 AND send_id = ?2
         AND body ->> 'reportedAt' IS NOT NULL`,
    ).bind(tenant.id, sendId),
  ])
  return {
    ...send?.results[0],
    ...mailbox?.results[0],
    suppressed: suppressed?.results,
    reported: steps?.results.map(({ outcome }) => outcome).sort(),
  }
}

function shuffled<Item>(items: Item[], random: () => number): Item[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

/** Mulberry32: the same seed, the same numbers. */
function seeded(seed: number) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

test('reported events have the same effect in any order and with any repetition', async () => {
  const random = seeded(5)
  for (const kinds of [
    KINDS,
    ['delivered'],
    ['delivered', 'complaint'],
    ['soft_bounce', 'delivered'],
    ['rejected'],
  ] as const) {
    const seen = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const tenant = await newTenant()
        const sendId = await sent(tenant, 'ann@example.com')
        const told = shuffled(
          kinds.flatMap((kind) => Array.from({ length: 5 }, () => kind)),
          random,
        )
        // Some one by one, some in one call, some concurrently.
        const half = Math.floor(told.length / 2)
        for (const kind of told.slice(0, half))
          await recordReports(env, [report(tenant, sendId, kind)], new Date())
        await Promise.all([
          recordReports(
            env,
            told.slice(half).map((kind) => report(tenant, sendId, kind)),
            new Date(),
          ),
          recordReports(
            env,
            told.slice(half).map((kind) => report(tenant, sendId, kind)),
            new Date(),
          ),
        ])
        return await standing(tenant, sendId)
      }),
    )
    for (const each of seen) expect(each).toEqual(seen[0])
    if (kinds === KINDS) {
      expect(seen[0]).toMatchObject({
        state: 'complained',
        recipient: 'complained',
        reputation: 800 + 1 - 50 - 100,
        bounced: 1,
        complaints: 1,
        suppressed: [{ contact: 'ann@example.com', reason: 'complaint', forever: 1 }],
        reported: [...KINDS].sort(),
      })
    }
  }
})

test('a report counts only for a send of that tenant, through that carrier, to that recipient', async () => {
  const tenant = await newTenant()
  const stranger = await newTenant()
  const sendId = await sent(tenant, 'ann@example.com', { carrier_message_id: `ses-${crypto.randomUUID()}` })
  const before = await standing(tenant, sendId)
  const told = (more: object) => recordReports(env, [report(tenant, sendId, 'complaint', more)], new Date())
  await told({ tenantId: stranger.id })
  await told({ sendId: 'req_none' })
  await told({ carrier: 'resend' })
  await told({ recipients: ['bob@example.com'] })
  await told({ tenantId: null, sendId: null, carrierMessageId: 'ses-unknown' })
  await told({ tenantId: null, sendId: null })
  await recordReports(env, [report(tenant, sendId, 'delayed')], new Date())
  expect(await standing(tenant, sendId)).toEqual(before)

  // It also works for a carrier that returns only its own id.
  const row = await env.DB.prepare('SELECT carrier_message_id AS id FROM sends WHERE id = ?')
    .bind(sendId)
    .first<{ id: string }>()
  await told({ tenantId: null, sendId: null, carrierMessageId: row?.id, kind: 'delivered' })
  expect(await standing(tenant, sendId)).toMatchObject({ state: 'delivered', reputation: 801 })
})

test('three soft bounces of one address over different sends suppress it for a month', async () => {
  const tenant = await newTenant({ mailbox: { cooldown_ms: 0 } })
  for (let nth = 1; nth <= 3; nth++) {
    const sendId = await sent(tenant, 'full@example.com')
    await recordReports(
      env,
      [report(tenant, sendId, 'soft_bounce'), report(tenant, sendId, 'soft_bounce')],
      new Date(),
    )
    const { suppressed, reputation, state } = await standing(tenant, sendId)
    expect({ reputation, state }).toEqual({ reputation: 800, state: 'accepted' })
    expect(suppressed).toEqual(
      nth < 3 ? [] : [{ contact: 'full@example.com', reason: 'soft_bounces', forever: 0 }],
    )
  }
  const refused = await tenant.send('full@example.com', 'after')
  expect(refused.body).toMatchObject({ status: 'blocked', reason: 'suppressed' })
})

test('any event reported for an ambiguous attempt resolves it', async () => {
  const tenant = await newTenant()
  for (const state of ['unknown', 'retry_wait']) {
    for (const kind of ['accepted', 'delivered', 'soft_bounce', 'hard_bounce'] as const) {
      const to = `${kind.replace('_', '-')}.${state.replace('_', '-')}@example.com`
      const sendId = await sent(tenant, to, {
        state,
        ambiguous_at: Date.now(),
        pinned_recipients: JSON.stringify([to]),
        next_at: Date.now() + 3_600_000,
      })
      await recordReports(env, [report(tenant, sendId, kind, { recipients: [to] })], new Date())
      const expected = {
        accepted: 'accepted',
        delivered: 'delivered',
        soft_bounce: 'accepted',
        hard_bounce: 'bounced',
      }
      const { body } = await tenant.get(`/v1/agent/sends/${sendId}`)
      expect(body).toMatchObject({ status: expected[kind] })
      const row = await env.DB.prepare(
        'SELECT next_at, ambiguous_at, pinned_recipients FROM sends WHERE id = ?',
      )
        .bind(sendId)
        .first()
      expect(row).toEqual({ next_at: null, ambiguous_at: null, pinned_recipients: null })
    }
  }
})

test('a mailbox below 0.500 is suspended, one above 0.900 trusted, and mail to itself earns nothing', async () => {
  const tenant = await newTenant({ mailbox: { reputation: 501 } })
  const { body } = await tenant.send(tenant.address, 'self')
  await eventually(async () => {
    const { body: seen } = await tenant.get(`/v1/agent/sends/${body.requestId}`)
    return seen.status === 'delivered' ? true : undefined
  })
  const row = await env.DB.prepare(
    'SELECT reputation, sent_count, received_count FROM mailboxes WHERE id = ?',
  )
    .bind(tenant.mailboxId)
    .first()
  expect(row).toEqual({ reputation: 501, sent_count: 1, received_count: 1 })
  const sendId = await sent(tenant, 'ann@example.com')
  await env.DB.prepare('UPDATE mailboxes SET reputation = 549 WHERE id = ?').bind(tenant.mailboxId).run()
  await recordReports(env, [report(tenant, sendId, 'hard_bounce')], new Date())
  expect((await tenant.send('bob@example.com', 'next')).body).toMatchObject({
    status: 'blocked',
    reason: 'mailbox_suspended',
  })
})

const DAY = 86_400_000

async function reputationOf(tenant: Tenant): Promise<number> {
  const row = await env.DB.prepare('SELECT reputation FROM mailboxes WHERE id = ?')
    .bind(tenant.mailboxId)
    .first<{ reputation: number }>()
  return row?.reputation ?? Number.NaN
}

/** A send to an address that a carrier has accepted, although a complaint has suppressed the address since. */
async function sentBefore(tenant: Tenant, to: string) {
  await env.DB.prepare('DELETE FROM suppressions WHERE tenant_id = ?').bind(tenant.id).run()
  const before = await reputationOf(tenant)
  const sendId = await sent(tenant, to)
  await env.DB.prepare('UPDATE mailboxes SET reputation = ?2 WHERE tenant_id = ?1')
    .bind(tenant.id, before)
    .run()
  return sendId
}

/** Lets some days pass: what was counted before counts as that much older. */
async function pass(tenant: Tenant, days: number) {
  for (const [table, column] of [
    ['send_recipients', 'updated_at'],
    ['raises', 'raised_at'],
  ])
    await env.DB.prepare(`UPDATE ${table} SET ${column} = ${column} - ?2 WHERE tenant_id = ?1`)
      .bind(tenant.id, days * DAY)
      .run()
}

test('a contact raises a reputation once in 30 days, and one who complains or bounces lowers it once', async () => {
  const tenant = await newTenant({ mailbox: { cooldown_ms: 0 } })
  await env.DB.prepare('UPDATE mailboxes SET reputation = 800 WHERE id = ?').bind(tenant.mailboxId).run()
  for (const [kind, delta] of [
    ['delivered', 1],
    ['hard_bounce', -50],
    ['complaint', -100],
  ] as const) {
    const to = `${kind.replace('_', '-')}@example.com`
    const ids: string[] = []
    for (let nth = 0; nth < 4; nth++) ids.push(await sentBefore(tenant, to))
    const before = await reputationOf(tenant)
    const reports = ids.map((id) => report(tenant, id, kind))
    await recordReports(env, reports.slice(0, 2), new Date())
    expect(await reputationOf(tenant), kind).toBe(before + delta)
    await recordReports(env, reports.slice(2, 3), new Date())
    expect(await reputationOf(tenant), kind).toBe(before + delta)
    await pass(tenant, 31)
    await recordReports(env, reports.slice(3), new Date())
    expect(await reputationOf(tenant), kind).toBe(before + 2 * delta)
  }
})

test('four strangers whom the mailbox wrote to first, and who complain, suspend it; one who wrote first from four addresses does not', async () => {
  const spammer = await newTenant({ mailbox: { cooldown_ms: 0 } })
  const victim = await newTenant({ mailbox: { cooldown_ms: 0 } })
  const bounced = await newTenant({ mailbox: { cooldown_ms: 0 } })
  const correspondent = await newTenant({ mailbox: { cooldown_ms: 0 } })
  let written = 0
  const wrote = async (tenant: Tenant, from: string, isAuthenticated: boolean) => {
    const id = `msg_${crypto.randomUUID()}`
    const at = Date.now() - 3_600_000
    await env.DB.batch([
      env.DB.prepare(
        `INSERT INTO messages (tenant_id, id, thread_id, rfc_id, delivery_type, from_address, to_addresses, cc_addresses,
           subject, files, reference_ids, ambiguities, authentication, created_at)
         VALUES (?1, ?2, ?2, ?2, 'external', ?3, '[]', '[]', 'Hello', '[]', '[]', '[]', ?4, ?5)`,
      ).bind(tenant.id, id, from, JSON.stringify({ isFromAuthenticated: isAuthenticated }), at),
      env.DB.prepare(
        `INSERT INTO views (tenant_id, mailbox_id, folder, at, message_id, thread_id, from_contact)
         VALUES (?1, ?2, 'inbox', ?3, ?4, ?4, ?5)`,
        // In microseconds, each a different one: a folder has one message at a time.
      ).bind(tenant.id, tenant.mailboxId, at * 1_000 + written++, id, from),
    ])
  }
  const reported = async (tenant: Tenant, kind: 'complaint' | 'hard_bounce', emails: string[]) => {
    for (const to of emails) {
      const sendId = await sentBefore(tenant, to)
      await recordReports(env, [report(tenant, sendId, kind)], new Date())
    }
    return await reputationOf(tenant)
  }
  const four = (domain: string) => ['a', 'b', 'c', 'd'].map((name) => `${name}@${domain}`)
  expect(await reported(spammer, 'complaint', four('spammed.example'))).toBe(400)

  for (const from of four('stranger.example')) await wrote(victim, from, false)
  expect(await reported(victim, 'complaint', four('stranger.example'))).toBe(700)
  for (const from of four('gmail.com')) await wrote(correspondent, from, true)
  expect(await reported(correspondent, 'complaint', four('gmail.com'))).toBe(600)
  const forged = four('victim.example').map((email, nth) => email.replace('victim', `victim${nth}`))
  for (const from of forged) await wrote(bounced, from, false)
  expect(await reported(bounced, 'hard_bounce', forged)).toBe(750)
})

test('mail within one owner raises nothing, and a pair of owners raises a reputation once in 30 days, in whatever tenants', async () => {
  const [ann, alsoAnn, bob, alsoBob, nobody] = await Promise.all(
    Array.from({ length: 5 }, () => newTenant({ mailbox: { cooldown_ms: 0 } })),
  )
  if (!ann || !alsoAnn || !bob || !alsoBob || !nobody) throw new Error('there are five tenants')
  const same = async (one: Tenant, other: Tenant) =>
    await env.DB.prepare(
      `UPDATE owners SET contact = (SELECT contact FROM owners WHERE tenant_id = ?1) WHERE tenant_id = ?2`,
    )
      .bind(one.id, other.id)
      .run()
  await same(ann, alsoAnn)
  await same(bob, alsoBob)
  await env.DB.prepare('UPDATE owners SET verified_at = NULL WHERE tenant_id = ?').bind(nobody.id).run()
  const mail = async (from: Tenant, to: string) => {
    const { body } = await from.post('/email/send', { to: [to], subject: 'Hello', body_text: 'Hello' })
    expect(body.status).toBe('delivered')
    return await reputationOf(from)
  }
  const beside = await ann.owner.post('/v1/agent/mailboxes', { address: `beside-${crypto.randomUUID()}` })
  for (const to of [ann.address, beside.body.address, alsoAnn.address, nobody.address])
    expect(await mail(ann, to)).toBe(800)
  // An owner's own address outside counts as little.
  const owner = `owner-${crypto.randomUUID()}@example.com`
  const loner = await newTenant()
  await env.DB.prepare('UPDATE owners SET contact = ?2 WHERE tenant_id = ?1').bind(loner.id, owner).run()
  const own = await loner.send(owner, 'own')
  await loner.settled(own.body.requestId)
  expect(await reputationOf(loner)).toBe(800)

  expect(await mail(ann, bob.address)).toBe(801)
  expect(await mail(ann, bob.address)).toBe(801)
  expect(await mail(ann, alsoBob.address)).toBe(801)
  expect(await mail(alsoAnn, alsoBob.address)).toBe(800)
  expect(await mail(bob, ann.address)).toBe(800)
  await pass(ann, 31)
  expect(await mail(ann, alsoBob.address)).toBe(802)
  expect(await mail(bob, alsoAnn.address)).toBe(800)

  // Several mailboxes of one owner in one message are one pair.
  const third = await newTenant()
  await third.post('/email/send', {
    to: [bob.address, alsoBob.address],
    subject: 'Hello',
    body_text: 'Hello',
  })
  expect(await reputationOf(third)).toBe(801)
})

test('a complaint that may be of one of several recipients counts once for the sender, and suppresses nobody', async () => {
  const tenant = await newTenant()
  const { body } = await tenant.post('/email/send', {
    to: ['ann@example.com', 'bob@example.com'],
    subject: 'Hello',
    body_text: 'Hello',
  })
  const sendId = body.message_id.replace('msg_', 'req_')
  await tenant.settled(sendId)
  await env.DB.batch([
    env.DB.prepare("UPDATE sends SET state = 'accepted', carrier = 'ses' WHERE id = ?").bind(sendId),
    env.DB.prepare(
      "UPDATE send_recipients SET state = 'accepted', carrier = 'ses', signals = 0 WHERE send_id = ?",
    ).bind(sendId),
    env.DB.prepare('UPDATE mailboxes SET reputation = 800 WHERE id = ?').bind(tenant.mailboxId),
  ])
  const both = report(tenant, sendId, 'complaint', { recipients: ['ann@example.com', 'bob@example.com'] })
  for (let times = 0; times < 3; times++) await recordReports(env, [both], new Date())
  expect(await standing(tenant, sendId)).toMatchObject({
    state: 'accepted',
    reputation: 700,
    complaints: 1,
    suppressed: [],
    reported: ['shared_complaint'],
  })
})
