import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { carrierPort } from '../../src/carriers/index.ts'
import { deliverSend } from '../../src/core/delivery/deliver.ts'
import { renderSend } from '../../src/core/delivery/render.ts'
import { attendSends } from '../../src/core/sending/attend.ts'
import { requestSends } from '../../src/core/sending/request.ts'
import { simulateSends } from '../../src/core/sending/simulate.ts'
import { doorFor, welcome } from '../support/door.ts'
import { newTenant } from '../support/tenant.ts'
import { counted } from '../support/waits.ts'

const rows = async (sql: string, ...binds: unknown[]) =>
  (
    await env.DB.prepare(sql)
      .bind(...binds)
      .all<Record<string, unknown>>()
  ).results

/** How many sends the mailbox has made in this hour, as the API reports it. */
const usedThisHour = async (tenantId: string, mailboxId: string) => {
  const object = env.RATE_WINDOW.get(env.RATE_WINDOW.idFromName(tenantId))
  const limits = { hour: 1_000_000, day: null, month: null }
  return (await object.look(mailboxId, limits, limits, Date.now()))[0]?.used
}

test('a send takes four waits, two database calls, one object call and one queue call; so does a list of 500', async () => {
  const tenant = await newTenant({
    tenant: { plan: 'enterprise' },
    mailbox: { cooldown_ms: 600_000, hourly_limit: 5_000, daily_limit: 50_000 },
  })

  const single = counted(env)
  const [sent] = await requestSends(await doorFor(single.env, tenant.key), [
    welcome('one@example.com', 'one'),
  ])
  expect(sent).toMatchObject({ status: 'queued' })
  expect(single.tally).toMatchObject({ waits: 4, d1Calls: 2, objectCalls: 1, queueCalls: 1 })
  expect(single.tally.statements).toBeLessThanOrEqual(9)
  expect(single.tally.rowsWritten).toBeLessThanOrEqual(8)

  const again = counted(env)
  const [repeat] = await requestSends(await doorFor(again.env, tenant.key), [
    welcome('one@example.com', 'one'),
  ])
  expect(repeat).toEqual({
    status: 'duplicate',
    requestId: sent?.requestId,
    originalState: expect.any(String),
    isKeyDerived: false,
  })
  expect(again.tally).toMatchObject({ waits: 1, d1Calls: 1, objectCalls: 0, queueCalls: 0, rowsWritten: 0 })

  const keyless = counted(env)
  const overMcp = { ...(await doorFor(keyless.env, tenant.key)), name: 'mcp' as const }
  const [known] = await requestSends(overMcp, [{ ...welcome('mcp@example.com', ''), dedupeKey: null }])
  expect(known).toMatchObject({ status: 'queued', isKeyDerived: true })
  expect(keyless.tally).toMatchObject({ waits: 4, d1Calls: 2, objectCalls: 1, queueCalls: 1 })

  const simulated = counted(env)
  await simulateSends(await doorFor(simulated.env, tenant.key), [welcome('two@example.com', 'two')])
  expect(simulated.tally).toMatchObject({
    waits: 2,
    d1Calls: 1,
    objectCalls: 1,
    queueCalls: 0,
    rowsWritten: 0,
  })

  for (const filler of ['', 'x'.repeat(20_000), 'ü'.repeat(70_000)]) {
    const list = counted(env, { mute: true })
    const asked = Array.from({ length: filler.length > 50_000 ? 20 : 500 }, (_, i) =>
      welcome(`p${i}.${filler.length}@example.com`, `list-${filler.length}-${i}`, {
        firstName: 'Ann',
        filler,
      }),
    )
    const results = await requestSends(await doorFor(list.env, tenant.key), asked)
    expect(new Set(results.map((result) => result.status))).toEqual(new Set(['queued']))
    expect(list.tally).toMatchObject({ waits: 4, d1Calls: 2, objectCalls: 1 })
    expect(list.tally.queueCalls).toBe(Math.ceil(asked.length / 100))
    expect(list.tally.largestBind).toBeLessThan(1_900_000)
  }
})

test('a thousand concurrent calls with one dedupe key make one send', async () => {
  const tenant = await newTenant({ mailbox: { hourly_limit: 5_000, daily_limit: 5_000 } })
  const answers = await Promise.all(
    Array.from({ length: 1_000 }, () => tenant.send('ann@example.com', 'same')),
  )
  const statuses = Map.groupBy(answers, ({ status, body }) => `${status} ${body.status}`)
  expect(statuses.get('200 queued')).toHaveLength(1)
  expect(statuses.get('200 duplicate')).toHaveLength(999)
  expect(new Set(answers.map(({ body }) => body.requestId)).size).toBe(1)
  expect(await usedThisHour(tenant.id, tenant.mailboxId)).toBe(1)
})

test('of two hundred concurrent sends to one contact under a cooldown, one is queued', async () => {
  const tenant = await newTenant({
    mailbox: { cooldown_ms: 600_000, hourly_limit: 5_000, daily_limit: 5_000 },
  })
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, i) =>
      tenant.send(i % 2 ? 'Ann@example.com' : 'ann@EXAMPLE.com', `key-${i}`),
    ),
  )
  expect(answers.filter(({ body }) => body.status === 'queued')).toHaveLength(1)
  expect(answers.filter(({ body }) => body.reason === 'cooldown' && body.cooldownExpiresAt)).toHaveLength(199)
})

test('of two hundred concurrent sends under a limit of twenty, twenty are queued; the same in one list and for a plan', async () => {
  const tenant = await newTenant({ mailbox: { hourly_limit: 20, daily_limit: 5_000 } })
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, i) => tenant.send(`p${i}@example.com`, `k${i}`)),
  )
  expect(answers.filter(({ body }) => body.status === 'queued')).toHaveLength(20)
  expect(answers.filter(({ body }) => body.reason === 'rate_limited')).toHaveLength(180)
  expect(await usedThisHour(tenant.id, tenant.mailboxId)).toBe(20)

  const list = await newTenant({ mailbox: { hourly_limit: 20, daily_limit: 5_000 } })
  const asked = Array.from({ length: 200 }, (_, i) => welcome(`p${i}@example.com`, `k${i}`))
  const results = await requestSends(await doorFor(env, list.key), asked)
  expect(results.map((result) => result.status)).toEqual([
    ...Array.from({ length: 20 }, () => 'queued'),
    ...Array.from({ length: 180 }, () => 'blocked'),
  ])

  const free = await newTenant({ mailbox: { hourly_limit: 5_000, daily_limit: 5_000 } })
  const capped = await Promise.all(
    Array.from({ length: 150 }, (_, i) => free.send(`p${i}@example.com`, `k${i}`)),
  )
  expect(capped.filter(({ body }) => body.status === 'queued')).toHaveLength(100)
})

test('a request that is killed after any wait is decided once, by its retry, and counts once in the windows', async () => {
  for (const dieBefore of [2, 3, 4]) {
    const tenant = await newTenant()
    const { env: dying } = counted(env, { dieBefore })
    const killed = await requestSends(await doorFor(dying, tenant.key), [
      welcome('ann@example.com', 'key'),
    ]).catch((error: Error) => error.message)
    if (dieBefore < 4) expect(killed).toBe('killed')

    const retry = await tenant.send('ann@example.com', 'key')
    expect(retry.body.status).toBe(dieBefore < 4 ? 'queued' : 'duplicate')
    const bell = { tenantId: tenant.id, sendId: retry.body.requestId }
    await Promise.all([1, 2, 3].map(() => renderSend(env, bell, () => new Date())))
    await Promise.all([1, 2, 3].map(() => deliverSend(env, bell, carrierPort(env), () => new Date())))
    expect(await rows('SELECT recipient FROM captured_mail WHERE send_id = ?', bell.sendId)).toHaveLength(1)
    const [send] = await rows('SELECT count(*) AS n, min(id) AS id FROM sends WHERE tenant_id = ?', tenant.id)
    expect(send).toEqual({ n: 1, id: retry.body.requestId })
    expect(await usedThisHour(tenant.id, tenant.mailboxId)).toBe(1)
  }
})

test('a send whose request died and is never retried is judged by the sweep', async () => {
  const tenant = await newTenant()
  const { env: dying } = counted(env, { dieBefore: 2 })
  await requestSends(await doorFor(dying, tenant.key), [welcome('ann@example.com', 'key')]).catch(
    () => undefined,
  )
  const [left] = await rows('SELECT id, state FROM sends WHERE tenant_id = ?', tenant.id)
  expect(left).toMatchObject({ state: 'judging' })

  await Promise.all([1, 2, 3].map(() => attendSends(env, new Date(), tenant.id, [String(left?.id)])))
  const { body } = await tenant.get(`/v1/agent/sends/${left?.id}`)
  expect(body.policyDecision).toMatchObject({ allow: true })
  expect(body.trace.filter((step: { kind: string }) => step.kind === 'decision')).toHaveLength(1)
  expect(await usedThisHour(tenant.id, tenant.mailboxId)).toBe(1)

  const stale = await newTenant()
  const old = await doorFor(
    counted(env, { dieBefore: 3 }).env,
    stale.key,
    new Date(Date.now() - 2 * 3_600_000),
  )
  await requestSends(old, [welcome('ann@example.com', 'key')]).catch(() => undefined)
  const [abandoned] = await rows('SELECT id FROM sends WHERE tenant_id = ?', stale.id)
  await attendSends(env, new Date(), stale.id, [String(abandoned?.id)])
  expect(await rows('SELECT state, burned_key FROM sends WHERE tenant_id = ?', stale.id)).toEqual([
    { state: 'failed', burned_key: null },
  ])
})

test('a dedupe key is free after a refusal and after its window, and taken in between', async () => {
  const tenant = await newTenant({ mailbox: { cooldown_ms: 600_000 } })
  const start = Date.now()
  const at = async (ms: number) => await doorFor(env, tenant.key, new Date(start + ms))
  const [first] = await requestSends(await at(0), [welcome('ann@example.com', 'a')])
  const [refused] = await requestSends(await at(1_000), [welcome('ann@example.com', 'b')])
  expect([first?.status, refused?.status]).toEqual(['queued', 'blocked'])

  const [later] = await requestSends(await at(600_000), [welcome('ann@example.com', 'b')])
  expect(later).toMatchObject({ status: 'queued' })
  expect(later?.requestId).not.toBe(refused?.requestId)

  const month = 30 * 86_400_000
  const [taken] = await requestSends(await at(month - 1), [welcome('ann@example.com', 'a')])
  expect(taken).toMatchObject({ status: 'duplicate', requestId: first?.requestId })
  const [free] = await requestSends(await at(month), [welcome('ann@example.com', 'a')])
  expect(free).toMatchObject({ status: 'queued' })
})

test('a stored decision can be recomputed, and the database refuses to change a trace', async () => {
  const { judge } = await import('../../src/core/policy/judge.ts')
  const tenant = await newTenant({ mailbox: { cooldown_ms: 600_000, hourly_limit: 1 } })
  await tenant.send('ann@example.com', 'a')
  await tenant.send('ann@example.com', 'b')
  await tenant.send('eve@example.com', 'c')
  const stored = await rows("SELECT body FROM traces WHERE tenant_id = ? AND kind = 'decision'", tenant.id)
  expect(stored).toHaveLength(3)
  for (const { body } of stored) {
    const { facts, window, verdict } = JSON.parse(String(body))
    expect(JSON.stringify(judge(facts, window))).toBe(JSON.stringify(verdict))
  }
  for (const sql of ["UPDATE traces SET body = '{}'", 'DELETE FROM traces']) {
    await expect(env.DB.prepare(`${sql} WHERE tenant_id = ?`).bind(tenant.id).run()).rejects.toThrow(
      'append-only',
    )
  }
  await env.DB.prepare('INSERT INTO erasures (tenant_id, started_at) VALUES (?, ?)')
    .bind(tenant.id, Date.now())
    .run()
  await env.DB.prepare('DELETE FROM traces WHERE tenant_id = ?').bind(tenant.id).run()
})

test('no statement of a send scans a whole table', async () => {
  const tenant = await newTenant({ mailbox: { fatigue_limit: 9, risk_budget: 9, autonomy: 'first_contact' } })
  const asked: [sql: string, binds: unknown[]][] = []
  const DB = new Proxy(env.DB, {
    get(db, name) {
      if (name !== 'prepare') return Reflect.get(db, name).bind(db)
      return (sql: string) => ({
        bind: (...binds: unknown[]) => {
          asked.push([sql, binds])
          return db.prepare(sql).bind(...binds)
        },
      })
    },
  })
  const door = await doorFor({ ...env, DB }, tenant.key)
  await requestSends(door, [welcome('ann@example.com', 'a'), welcome('eve@example.com', 'b')])
  expect(asked.length).toBeGreaterThanOrEqual(9)
  for (const [sql, binds] of asked) {
    const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .bind(...binds)
      .all<{ detail: string }>()
    const whole = results.filter(({ detail }) =>
      /^SCAN (?!o\b|i\b|x\b|u\b|c\b|h\b|\(subquery|item|subject|caller|CONSTANT|.*VIRTUAL)/.test(detail),
    )
    expect(whole, sql).toEqual([])
    // The search for a tenant's newest event is allowed: it reads one row from the end of the tenant's range.
    expect(
      results.filter(({ detail }) => /^SEARCH (?!o |e ).*PRIMARY KEY \(tenant_id=\?\)$/.test(detail)),
      sql,
    ).toEqual([])
  }
})
