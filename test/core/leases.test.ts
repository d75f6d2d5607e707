import { abortAllDurableObjects, evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { checkExclusivity } from '../../bench/prove/lease-history.ts'
import { carrierPort } from '../../src/carriers/index.ts'
import { heartbeat } from '../../src/core/accounts/agents/heartbeat.ts'
import { acquireLease } from '../../src/core/coordination/leases/acquire.ts'
import { listLeases } from '../../src/core/coordination/leases/list.ts'
import { releaseLease } from '../../src/core/coordination/leases/release.ts'
import { deliverSend } from '../../src/core/delivery/deliver.ts'
import { depart } from '../../src/core/delivery/depart.ts'
import { lockForDelivery } from '../../src/core/delivery/lock.ts'
import { recordOutcome } from '../../src/core/delivery/outcome.ts'
import { renderSend } from '../../src/core/delivery/render.ts'
import { newCtx } from '../../src/core/ground/ctx.ts'
import { requestSends } from '../../src/core/sending/request.ts'
import { agentsOf, heartbeatsOf, historyOf, playModel, START, seeded } from '../support/coordination-model.ts'
import { stalledAt } from '../support/coordination-pause.ts'
import { doorFor, welcome } from '../support/door.ts'
import { upTo } from '../support/scale.ts'
import { newTenant, type Tenant } from '../support/tenant.ts'
import { counted } from '../support/waits.ts'

const MINUTE = 60_000
const muted = counted(env, { mute: true }).env

const ctxOf = (tenantId: string, now: number) =>
  newCtx(muted, new Date(now), tenantId, { kind: 'system', name: 'test' })
const acquire = (
  tenantId: string,
  agentId: string,
  now: number,
  contactEmail = 'ann@example.com',
  durationMinutes = 30,
) =>
  acquireLease(ctxOf(tenantId, now), {
    agent: { id: agentId, name: null },
    contactEmail,
    intent: 'general',
    durationMinutes,
  })
const leaseObject = (tenantId: string, contact: string) =>
  env.CONTACT_LEASE.get(env.CONTACT_LEASE.idFromName(`${tenantId.length}:${tenantId}:${contact}`))

/** A send of the welcome template by one agent, rendered and ready to be delivered. */
async function ready(tenant: Tenant, agentId: string, dedupeKey: string, now: number) {
  const door = {
    ...(await doorFor(muted, tenant.ownerKey, new Date(now))),
    agent: { id: agentId, name: null },
  }
  const [result] = await requestSends(door, [welcome('ann@example.com', dedupeKey)])
  expect(result?.status).toBe('queued')
  const bell = { tenantId: tenant.id, sendId: String(result?.requestId) }
  await renderSend(muted, bell, () => new Date(now))
  return bell
}

const stateOf = async ({ sendId }: { sendId: string }) =>
  await env.DB.prepare('SELECT state, reason FROM sends WHERE id = ?').bind(sendId).first()

test('when many agents ask for a contact at once, one gets the lease, and each other learns who holds it and until when', async () => {
  for (const count of [10, 100, upTo(1_000, 200)]) {
    const tenantId = `tenant_${crypto.randomUUID()}`
    await env.DB.prepare(
      `INSERT INTO agents (tenant_id, id, name, role, status, last_heartbeat_at, registered_at)
       SELECT ?1, 'agent_' || value, 'agent ' || value, 'general', 'active', ?2, ?2 FROM json_each(?3)`,
    )
      .bind(tenantId, START, JSON.stringify(Array.from({ length: count }, (_, i) => i)))
      .run()
    const answers = await Promise.all(
      Array.from({ length: count }, (_, i) => acquire(tenantId, `agent_${i}`, START + (i % 7))),
    )
    const held = answers.flatMap((answer) => (answer.held ? answer.lease : []))
    expect(held).toHaveLength(1)
    const [lease] = held
    const by = {
      agentId: lease?.agentId,
      agentName: lease?.agentId.replace('_', ' '),
      expiresAt: lease?.expiresAt,
    }
    expect(answers.filter((answer) => !answer.held)).toEqual(
      Array.from({ length: count - 1 }, () => ({ held: false, by })),
    )
    expect(await listLeases(ctxOf(tenantId, START), { limit: 10 })).toEqual([lease])
    const history = await historyOf(ctxOf(tenantId, START), 'ann@example.com')
    expect(Map.groupBy(history, (event) => event.kind).get('refused')).toHaveLength(count - 1)
    const verdict = checkExclusivity(history, [])
    expect(verdict).toEqual({ holds: true, holders: 1, departures: 0, violations: [] })
  }
})

test('random operations on the real database and objects agree with the model, also after evictions, aborts and alarms', async () => {
  const divergences: string[] = []
  let operations = 0
  const games = upTo(20, 5)
  for (let seed = 0; seed < games; seed++) {
    const tenantId = `tenant_${crypto.randomUUID()}`
    const objects = () => ['x@example.com', 'y@example.com'].map((contact) => leaseObject(tenantId, contact))
    const found = await playModel({
      tenantId,
      random: seeded(1_000 + seed),
      steps: 100,
      ctx: (now) => ctxOf(tenantId, now),
      disturb: {
        evict: async () =>
          void (await Promise.allSettled(objects().map((object) => evictDurableObject(object)))),
        abort: async () => void (await abortAllDurableObjects()),
        alarm: async () =>
          void (await Promise.allSettled(objects().map((object) => runDurableObjectAlarm(object)))),
      },
    })
    operations += found.operations
    divergences.push(...found.divergences)
  }
  console.warn(`leases in workerd: ${operations} operations, ${divergences.length} divergences`)
  expect(operations).toBeGreaterThanOrEqual(games * 100)
  expect(divergences).toEqual([])
})

test('a holder without a heartbeat loses its lease one millisecond after five minutes, and a later heartbeat does not restore it', async () => {
  const tenantId = `tenant_${crypto.randomUUID()}`
  const [holder = '', other = ''] = await agentsOf(ctxOf(tenantId, START), ['holder', 'other'])
  const first = await acquire(tenantId, holder, START)
  const beatOther = (now: number) => heartbeat(ctxOf(tenantId, now), { id: other, name: null })
  await beatOther(START + 5 * MINUTE)
  expect(await acquire(tenantId, other, START + 5 * MINUTE)).toMatchObject({
    held: false,
    by: { agentId: holder },
  })
  expect(await listLeases(ctxOf(tenantId, START + 5 * MINUTE), { limit: 10 })).toHaveLength(1)
  expect(await listLeases(ctxOf(tenantId, START + 5 * MINUTE + 1), { limit: 10 })).toEqual([])

  await heartbeat(ctxOf(tenantId, START + 5 * MINUTE + 1), { id: holder, name: null })
  expect(await listLeases(ctxOf(tenantId, START + 5 * MINUTE + 1), { limit: 10 })).toEqual([])
  expect(await releaseLease(ctxOf(tenantId, START + 5 * MINUTE + 1), first.held ? first.lease.id : '')).toBe(
    false,
  )
  const second = await acquire(tenantId, other, START + 5 * MINUTE + 1)
  expect(second).toMatchObject({ held: true, lease: { agentId: other, epoch: 2 } })

  // Here the next request for the lease is the first to notice that the holder is inactive.
  const third = await acquire(tenantId, holder, START + 10 * MINUTE + 2)
  expect(third).toMatchObject({ held: true, lease: { agentId: holder, epoch: 3 } })
  const history = await historyOf(ctxOf(tenantId, START), 'ann@example.com')
  const ends = history
    .filter((event) => event.kind === 'expired')
    .map((event) => Date.parse(event.at) - START)
  expect(ends.sort((a, b) => a - b)).toEqual([5 * MINUTE + 1, 10 * MINUTE + 2])
  const heartbeats = await heartbeatsOf(ctxOf(tenantId, START))
  expect(checkExclusivity(history, [], { heartbeats })).toMatchObject({ holds: true, holders: 3 })

  // A holder that keeps sending heartbeats keeps its lease to the last millisecond.
  for (let at = 14; at <= 40; at += 4)
    await heartbeat(ctxOf(tenantId, START + at * MINUTE), { id: holder, name: null })
  const end = START + 40 * MINUTE + 2
  expect(await acquire(tenantId, other, end - 1)).toMatchObject({
    held: false,
    by: { expiresAt: new Date(end) },
  })
  expect(await acquire(tenantId, other, end)).toMatchObject({ held: true, lease: { epoch: 4 } })
})

test('a send of the old holder is blocked once another agent has the lease, and no lease is granted during a delivery', async () => {
  const tenant = await newTenant()
  const now = Date.now()
  const [old = '', next = ''] = await agentsOf(ctxOf(tenant.id, now), ['old', 'next'])
  await acquire(tenant.id, old, now)
  const queued = await ready(tenant, old, 'queued', now)
  const kept = await ready(tenant, old, 'kept', now)
  const later = now + 5 * MINUTE + 1
  const taken = await acquire(tenant.id, next, later)
  expect(taken).toMatchObject({ held: true, lease: { agentId: next } })
  await deliverSend(muted, queued, carrierPort(muted), () => new Date(later + 1))
  expect(await stateOf(queued)).toEqual({ state: 'blocked', reason: 'lease_conflict' })
  const captured = await env.DB.prepare('SELECT count(*) AS n FROM captured_mail WHERE send_id = ?')
    .bind(queued.sendId)
    .first()
  expect(captured).toEqual({ n: 0 })

  // The holder's own send leaves. After the release the sends of all agents leave.
  await deliverSend(
    muted,
    await ready(tenant, next, 'own', later),
    carrierPort(muted),
    () => new Date(later + 2),
  )
  expect(await releaseLease(ctxOf(tenant.id, later + 3), taken.held ? taken.lease.id : '')).toBe(true)

  const locked = await lockForDelivery(muted, kept, new Date(later + 4), [])
  if (!locked) throw new Error('the send could not be locked')
  expect(
    await depart(
      locked,
      'capture',
      { asked: ['ann@example.com'], open: ['ann@example.com'] },
      new Date(later + 4),
    ),
  ).toEqual({
    departed: true,
  })
  const refused = await acquire(tenant.id, next, later + 5)
  expect(refused).toMatchObject({ held: false, by: { agentId: old, agentName: 'old' } })
  const untilMs = refused.held ? 0 : refused.by.expiresAt.getTime() - (later + 5)
  expect(untilMs).toBeGreaterThan(0)
  expect(untilMs).toBeLessThanOrEqual(MINUTE)
  expect(await listLeases(ctxOf(tenant.id, later + 5), { limit: 10 })).toEqual([])
  expect(await acquire(tenant.id, old, later + 5)).toMatchObject({ held: true })
  const own = await listLeases(ctxOf(tenant.id, later + 5), { limit: 10 })
  expect(await releaseLease(ctxOf(tenant.id, later + 6), own[0]?.id ?? '')).toBe(true)

  const following = null
  const accepted = { kind: 'accepted' as const, carrierMessageId: null, delivered: true, refused: [] }
  const asked = ['ann@example.com']
  const recorded = {
    now: new Date(later + 7),
    carrier: 'capture',
    asked,
    isPostponed: false,
    callsInRound: 1,
    replayableMs: null,
    following,
    latencyMs: 1,
  }
  await recordOutcome(locked, asked, accepted, recorded)
  expect(await acquire(tenant.id, next, later + 8)).toMatchObject({ held: true })

  // The lease of an inactive holder blocks no send.
  const silent = await newTenant()
  const [gone = '', patient = ''] = await agentsOf(ctxOf(silent.id, now), ['gone', 'patient'])
  const early = await ready(silent, patient, 'early', now)
  const soon = await ready(silent, patient, 'soon', now)
  await acquire(silent.id, gone, now)
  await deliverSend(muted, early, carrierPort(muted), () => new Date(now + 5 * MINUTE))
  expect(await stateOf(early)).toEqual({ state: 'blocked', reason: 'lease_conflict' })
  await deliverSend(muted, soon, carrierPort(muted), () => new Date(now + 5 * MINUTE + 1))
  expect(await stateOf(soon)).toMatchObject({ state: 'delivered' })

  // An attempt that never ended blocks a lease until its lock expires, and not longer.
  const lost = await newTenant()
  const [sender = '', waiting = ''] = await agentsOf(ctxOf(lost.id, now), ['sender', 'waiting'])
  const bell = await ready(lost, sender, 'lost', now)
  const attempt = await lockForDelivery(muted, bell, new Date(now), [])
  if (attempt)
    await depart(attempt, 'capture', { asked: ['ann@example.com'], open: ['ann@example.com'] }, new Date(now))
  expect(await acquire(lost.id, waiting, now + 89_999)).toMatchObject({
    held: false,
    by: { agentId: sender, expiresAt: new Date(now + 90_000) },
  })
  expect(await acquire(lost.id, waiting, now + 90_000)).toMatchObject({ held: true })
})

test('forty spellings of an address are one contact, and each tenant has its own lease for it', async () => {
  const locals = ['jose.b+x', 'Jose.B+X', 'JOSE.B+X', '"jose.b+x"', '"Jose\\.B+x"']
  const domains = ['bücher.example', 'BÜCHER.EXAMPLE', 'bu\u0308cher.Example', 'xn--bcher-kva.example']
  const spellings = locals.flatMap((local) =>
    domains.flatMap((domain) => [`${local}@${domain}`, ` \t${local}@${domain}. `]),
  )
  const tenantId = `tenant_${crypto.randomUUID()}`
  const [holder = '', other = ''] = await agentsOf(ctxOf(tenantId, START), ['holder', 'other'])
  const ids = new Set<string>()
  for (const [position, spelling] of spellings.entries()) {
    const mine = await acquire(tenantId, holder, START + position, spelling)
    ids.add(mine.held ? mine.lease.id : 'lost')
    const refused = await acquire(tenantId, other, START + position, spelling)
    expect(refused).toMatchObject({ held: false, by: { agentId: holder } })
  }
  expect(spellings).toHaveLength(40)
  expect(ids.size).toBe(1)
  expect(await historyOf(ctxOf(tenantId, START), spellings[7] ?? '')).toHaveLength(80)

  const stranger = await newTenant()
  expect(await acquire(stranger.id, stranger.agentId, START, spellings[0])).toMatchObject({
    held: true,
    lease: { epoch: 1 },
  })
  await expect(releaseLease(ctxOf(stranger.id, START), [...ids][0] ?? '')).rejects.toMatchObject({
    code: 'not_found',
  })
})

test('concurrent renewals by one agent leave the longest lease in the object and the database, in any order', async () => {
  const tenantId = `tenant_${crypto.randomUUID()}`
  const [holder = ''] = await agentsOf(ctxOf(tenantId, START), ['holder'])
  const minutes = [5, 1_440, 10, 60, 2, 700, 30, 3]
  const answers = await Promise.all(
    minutes.map((each) => acquire(tenantId, holder, START, 'ann@example.com', each)),
  )
  expect(new Set(answers.map((answer) => answer.held && answer.lease.id)).size).toBe(1)
  const [listed] = await listLeases(ctxOf(tenantId, START), { limit: 10 })
  expect(listed?.expiresAt).toEqual(new Date(START + 1_440 * MINUTE))

  // The first renewal is granted first and written last.
  const slow = stalledAt(muted, 2)
  const first = acquireLease(newCtx(slow.env, new Date(START), tenantId, { kind: 'system', name: 'test' }), {
    agent: { id: holder, name: null },
    contactEmail: 'bob@example.com',
    intent: 'general',
    durationMinutes: 5,
  })
  await slow.reached
  const long = { expiresAt: new Date(START + 60 * MINUTE) }
  expect(await acquire(tenantId, holder, START, 'bob@example.com', 60)).toMatchObject({
    held: true,
    lease: long,
  })
  slow.goOn()
  expect(await first).toMatchObject({ held: true, lease: long })
  expect(await listLeases(ctxOf(tenantId, START), { limit: 10 })).toMatchObject([{}, long])
  const history = await historyOf(ctxOf(tenantId, START), 'ann@example.com')
  expect(history.filter((event) => event.kind === 'granted')).toHaveLength(1)
  expect(checkExclusivity(history, []).violations).toEqual([])
})
