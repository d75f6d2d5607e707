import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { findClaim } from '../../src/core/accounts/claims/claim.ts'
import { CLAIM_LINK_MS } from '../../src/core/accounts/claims/link.ts'
import { findVerification, verifyOwner } from '../../src/core/accounts/claims/verification.ts'
import { authenticate } from '../../src/core/accounts/keys.ts'
import { type RegistrationRequest, register } from '../../src/core/accounts/registration.ts'
import { newCtx } from '../../src/core/ground/ctx.ts'
import { networkOf } from '../../src/core/ground/network.ts'
import { claimByMail, mailVerificationAgain } from '../../src/core/notices/people.ts'
import { getHeartbeat } from '../../src/core/overview/heartbeat.ts'
import { trustScore } from '../../src/core/signals/trust-score.ts'
import { mailedTokens, someone } from '../support/claim.ts'
import { sql } from '../support/matrix-dump.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000

/** As in production: an agent is not claimed at once. */
const real = { ...env, AUTO_CLAIM: '0' }

const REQUEST = { name: 'Core Bot', description: null, ownerHint: null, clientAddress: null }
const newAgent = (now: Date, more: Partial<RegistrationRequest> = {}, on: Cloudflare.Env = real) =>
  register(on, now, { ...REQUEST, ...more })

async function count(table: string, tenantId: string, where = 'true'): Promise<number> {
  const statement = `SELECT count(*) AS count FROM ${table} WHERE tenant_id = ?1 AND ${where}`
  return (await env.DB.prepare(statement).bind(tenantId).first<{ count: number }>())?.count ?? -1
}

async function levelOf(tenantId: string) {
  const row = await env.DB.prepare('SELECT level FROM tenants WHERE id = ?1').bind(tenantId).first()
  return row?.level
}

const code = (asked: Promise<unknown>) =>
  asked.then(
    () => 'done',
    (error: { code?: string }) => error.code ?? String(error),
  )

test('many people may claim an agent, and the first to prove their address becomes its owner', async () => {
  const now = new Date()
  const at = { env: real, now }
  const { tenantId, claimToken } = await newAgent(now)
  const emails = Array.from({ length: 20 }, someone)
  const claim = (email: string) =>
    code(claimByMail(at, claimToken, { email, xHandle: null, clientAddress: null }))
  expect(new Set(await Promise.all(emails.map(claim)))).toEqual(new Set(['done']))
  expect(await claim(emails[0] ?? '')).toBe('done')
  expect(await count('owners', tenantId)).toBe(20)
  expect(await count('claims', tenantId, 'used_at IS NOT NULL')).toBe(0)
  expect(await count('agents', tenantId, `status = 'active'`)).toBe(1)
  expect(await levelOf(tenantId)).toBe('supervised')
  // Only the newest hundred claims are kept.
  await sql(
    `INSERT INTO owners (tenant_id, id, email, contact, claimed_at)
     SELECT ?1, 'own_0' || value, value || '@example.com', value || '@example.com', 1
     FROM json_each('[${Array.from({ length: 100 }, (_, at) => at + 100).join()}]')`,
    tenantId,
  )
  expect(await claim(someone())).toBe('done')
  expect(await count('owners', tenantId)).toBe(100)

  const tokens = await Promise.all(
    emails.slice(10).map(async (email) => (await mailedTokens(email))[0] ?? ''),
  )
  const verified = await Promise.all([...tokens, ...tokens].map((token) => code(verifyOwner(at, token))))
  expect(verified.filter((each) => each === 'done')).toHaveLength(1)
  expect(await levelOf(tenantId)).toBe('trusted')
  expect(await count('owners', tenantId)).toBe(1)
  expect(await count('owners', tenantId, 'verified_at IS NOT NULL')).toBe(1)
  expect(await count('verifications', tenantId, 'used_at IS NULL')).toBe(0)
  expect(await count('claims', tenantId, 'used_at IS NULL')).toBe(0)
  expect(await claim(someone())).toBe('conflict')
  expect(await count('owners', tenantId)).toBe(1)
})

test('a claim link expires after 30 days and a mailed link after 24 hours, to the millisecond', async () => {
  const now = new Date()
  const later = (ms: number) => ({ env: real, now: new Date(now.getTime() + ms) })
  const claim = (ms: number, token: string) =>
    code(claimByMail(later(ms), token, { email: someone(), xHandle: null, clientAddress: null }))
  const [late, last] = [await newAgent(now), await newAgent(now)]
  expect((await findClaim(later(CLAIM_LINK_MS - 1), late.claimToken))?.state).toBe('open')
  expect((await findClaim(later(CLAIM_LINK_MS), late.claimToken))?.state).toBe('expired')
  expect(await claim(CLAIM_LINK_MS, late.claimToken)).toBe('expired')
  expect(await count('owners', late.tenantId)).toBe(0)
  expect(await levelOf(late.tenantId)).toBe('sandbox')
  expect(await claim(CLAIM_LINK_MS - 1, last.claimToken)).toBe('done')

  const email = someone()
  const agent = await newAgent(now)
  await claimByMail(later(0), agent.claimToken, { email, xHandle: null, clientAddress: null })
  const [token = ''] = await mailedTokens(email)
  expect((await findVerification(later(DAY_MS - 1), token))?.state).toBe('open')
  expect((await findVerification(later(DAY_MS), token))?.state).toBe('expired')
  expect(await code(verifyOwner(later(DAY_MS), token))).toBe('expired')
  expect(await levelOf(agent.tenantId)).toBe('supervised')
  expect(await code(verifyOwner(later(DAY_MS - 1), token))).toBe('done')
  expect(await levelOf(agent.tenantId)).toBe('trusted')
  expect(await code(verifyOwner(later(DAY_MS), token))).toBe('conflict')
  // The claim link of an agent that has an owner is `used`, even after it would have expired.
  expect((await findClaim(later(CLAIM_LINK_MS), agent.claimToken))?.state).toBe('used')
})

test('only hashes of links are stored, and the claim link can be shown again without storing it', async () => {
  const now = new Date()
  const { tenantId, secret, claimToken } = await newAgent(now)
  const linkAt = async (ms: number, on = real) => {
    const at = new Date(now.getTime() + ms)
    const { actor } = await authenticate(on, at, secret)
    return (await getHeartbeat(newCtx(on, at, tenantId, actor), null)).claimUrl?.split('/').at(-1) ?? null
  }
  const kept = async () =>
    JSON.stringify(
      (await env.DB.prepare('SELECT * FROM claims WHERE tenant_id = ?1').bind(tenantId).all()).results,
    )
  for (const ms of [0, DAY_MS, CLAIM_LINK_MS - 1]) expect(await linkAt(ms)).toBe(claimToken)
  expect(await count('claims', tenantId)).toBe(1)
  expect(await kept()).not.toContain(claimToken)

  const renewed = await Promise.all(
    [CLAIM_LINK_MS, CLAIM_LINK_MS + DAY_MS, 2 * CLAIM_LINK_MS - 1].map((ms) => linkAt(ms)),
  )
  expect(new Set(renewed).size).toBe(1)
  expect(renewed[0]).not.toBe(claimToken)
  expect(await count('claims', tenantId)).toBe(2)
  const at = { env: real, now: new Date(now.getTime() + CLAIM_LINK_MS) }
  expect((await findClaim(at, renewed[0] ?? ''))?.state).toBe('open')

  // Another TOKEN_SECRET gives another link, and the first one still works. Without a TOKEN_SECRET no link is shown again.
  const other = { ...real, TOKEN_SECRET: 'another secret of 32 characters, at least' }
  const changed = await linkAt(1, other)
  expect(changed).not.toBe(claimToken)
  const secretless = { ...real, LOCAL: '0', TOKEN_SECRET: undefined }
  expect(await linkAt(1, secretless)).toBeNull()
  const once = await newAgent(now, { clientAddress: '198.51.100.7' }, secretless)
  expect(once.claimToken).toMatch(/^[0-9a-f]{64}$/)
  expect((await findClaim({ env: secretless, now }, once.claimToken))?.state).toBe('open')

  // A proved claim by one of the links uses up all of them.
  const email = someone()
  expect(
    await code(claimByMail({ env: real, now }, changed ?? '', { email, xHandle: null, clientAddress: null })),
  ).toBe('done')
  for (const token of [claimToken, changed ?? ''])
    expect((await findClaim({ env: real, now }, token))?.state).toBe('open')
  const [token = ''] = await mailedTokens(email)
  await verifyOwner({ env: real, now }, token)
  for (const token of [claimToken, renewed[0] ?? '']) {
    expect((await findClaim({ env: real, now }, token))?.state).toBe('used')
    expect(
      await code(
        claimByMail({ env: real, now }, token, { email: someone(), xHandle: null, clientAddress: null }),
      ),
    ).toBe('conflict')
  }
  expect(await count('owners', tenantId)).toBe(1)
})

test('letters of the service use none of an agent’s limits, and a bad reputation does not stop them', async () => {
  const now = new Date()
  const at = { env: real, now }
  const agent = await newAgent(now)
  const email = someone()
  const { mailed } = await claimByMail(at, agent.claimToken, { email, xHandle: null, clientAddress: null })
  expect(mailed).toEqual({ isSent: true })
  await mailedTokens(email)
  expect(await count('sends', agent.tenantId)).toBe(0)
  expect(await count('sends', 'tenant_system')).toBeGreaterThan(0)
  expect(await count('keys', 'tenant_system')).toBe(0)
  const { actor } = await authenticate(real, now, agent.secret)
  const beating = await getHeartbeat(newCtx(real, now, agent.tenantId, actor), null)
  expect(beating.limits).toMatchObject({ sentToday: 0, monthlyRemaining: 3_000 })

  await sql(`UPDATE mailboxes SET reputation = 0 WHERE tenant_id = 'tenant_system'`)
  expect((await mailVerificationAgain(at, agent.claimToken)).mailed).toEqual({ isSent: true })

  // The service does not write to a suppressed address, and does not store a link that it did not send.
  await sql(
    `INSERT INTO suppressions (tenant_id, contact, scope, campaign_id, id, email, reason_code, created_at)
     VALUES ('tenant_system', ?1, 'global', '', ?1, ?1, 'complaint', 1)`,
    email,
  )
  const links = await count('verifications', agent.tenantId)
  expect((await mailVerificationAgain(at, agent.claimToken)).mailed).toMatchObject({
    isSent: false,
    detail: expect.stringContaining('suppression'),
    retryAt: null,
  })
  expect(await count('verifications', agent.tenantId)).toBe(links)
})

test('registrations from one network are limited per UTC hour and UTC day', async () => {
  const on = { ...real, REGISTRATIONS_PER_HOUR: '3', REGISTRATIONS_PER_DAY: '5' }
  const midnight = Math.ceil(Date.now() / DAY_MS) * DAY_MS
  const at = (ms: number, clientAddress: string) =>
    register(on, new Date(midnight + ms), { ...REQUEST, clientAddress }).then(
      () => 'registered',
      ({ code, details }) => `${code} ${details.retryAfter}`,
    )
  const hosts = (many: number, ms: number) =>
    Promise.all(Array.from({ length: many }, (_, host) => at(ms, `203.0.113.${host}`)))
  const registered = (many: number) => Array(many).fill('registered')
  expect((await hosts(5, HOUR_MS - 1_000)).sort()).toEqual([
    ...registered(3),
    ...Array(2).fill('too_many_registrations 1'),
  ])
  const rest = DAY_MS / 1000 - 3_600
  expect((await hosts(5, HOUR_MS)).sort()).toEqual([
    ...registered(2),
    ...Array(3).fill(`too_many_registrations ${rest}`),
  ])
  expect(await hosts(3, DAY_MS)).toEqual(registered(3))
  expect(await at(0, '203.0.112.1')).toBe('registered')
  expect(await at(0, '127.0.0.1')).toBe('registered')

  // In production all are counted: also from this machine, and without a valid address.
  const production = { ...on, LOCAL: '0' }
  for (const clientAddress of ['127.0.0.1', null, 'garbage, more']) {
    const codes = await Promise.all(
      Array.from({ length: 4 }, () =>
        code(register(production, new Date(midnight + 2 * DAY_MS), { ...REQUEST, clientAddress })),
      ),
    )
    const expected = clientAddress === 'garbage, more' ? 0 : 3
    expect(codes.filter((each) => each === 'done')).toHaveLength(expected)
  }
})

test('an address counts for its network: /24 for IPv4, /48 for IPv6', () => {
  for (const [address, network] of [
    ['192.0.2.200', '192.0.2.0/24'],
    ['::ffff:192.0.2.7', '192.0.2.0/24'],
    ['::ffff:c000:207', '192.0.2.0/24'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/48'],
    ['2001:0DB8:0001:ffff::', '2001:db8:1::/48'],
    ['2001:db8:2::1', '2001:db8:2::/48'],
    ['fe80::1%eth0', 'fe80::/48'],
    ['::1', '::/48'],
    ['', null],
    ['192.0.2.1, 192.0.2.2', null],
    ['192.0.2.1:80', null],
    ['localhost', null],
  ] as const)
    expect({ address, network: networkOf(address) }).toEqual({ address, network })
})

test('the trust score is the published sum, an integer between 0 and 100', () => {
  const fresh = {
    ...{ isClaimed: false, isVerified: false, hasBond: false, ageDays: 0, approved: 0, rejected: 0 },
    ...{ sent: 0, delivered: 0, bounced: 0, complained: 0 },
  }
  const owned = { ...fresh, isClaimed: true, isVerified: true }
  expect(trustScore(fresh)).toBe(20)
  expect(trustScore({ ...fresh, isClaimed: true })).toBe(40)
  expect(trustScore(owned)).toBe(55)
  expect(trustScore({ ...owned, hasBond: true, ageDays: 30 })).toBe(80)
  expect(trustScore({ ...owned, hasBond: true, ageDays: 400, approved: 9, sent: 900, delivered: 900 })).toBe(
    100,
  )
  expect(trustScore({ ...owned, approved: 1, rejected: 3 })).toBe(58)
  expect(trustScore({ ...owned, sent: 19, bounced: 19, complained: 19 })).toBe(55)
  expect(trustScore({ ...owned, sent: 20, bounced: 20 })).toBe(15)
  expect(trustScore({ ...owned, sent: 1_000, complained: 1 })).toBe(49)
  expect(trustScore({ ...owned, sent: 20, complained: 20, bounced: 20 })).toBe(0)
  expect(trustScore({ ...fresh, ageDays: -3 })).toBe(20)
})
