import { env } from 'cloudflare:workers'
import parse from 'parse-prometheus-text-format'
import { expect, test } from 'vitest'
import { app } from '../../src/app.ts'
import { readMetrics } from '../../src/core/overview/metrics/read.ts'
import { quiet, sql } from '../support/matrix-dump.ts'
import { peers } from '../support/peer-letter.ts'
import { recordingStatements, wholeScans } from '../support/plans.ts'
import { call, newTenant } from '../support/tenant.ts'

const OPERATOR = env.OPERATOR_KEY ?? ''

type Read = (name: string, labels?: Record<string, string>) => number

/** The values as a Prometheus parser reads them. A missing value is 0. */
async function scrape(now = new Date(), carriers: string[] = []): Promise<Read> {
  // Anew, whatever was asked for within five seconds.
  const families = parse(await readMetrics({ ...env, DB: recordingStatements().env.DB }, now, carriers))
  return (name, labels = {}) => {
    const family = families.find((each) => each.name === name)
    if (!family) throw new Error(`there is no ${name}`)
    const wanted = Object.entries(labels)
    const found = family.metrics.filter((each) =>
      wanted.every(([label, text]) => each.labels?.[label] === text),
    )
    return found.reduce((sum, { value }) => sum + Number(value), 0)
  }
}

test('the metrics count sends by outcome, waiting work and its age, dead letters and inbound messages', async () => {
  const tenant = await newTenant()
  await quiet()
  const before = await scrape()
  await tenant.owner.post('/v1/webhooks', { url: `${peers.webhooks}/metrics`, events: ['message.sent'] })
  await tenant.owner.post('/v1/suppressions', { recipientEmail: 'no@example.com', reasonCode: 'manual_dnc' })
  const sent = await tenant.send('one@example.com', 'one')
  await tenant.settled(sent.body.requestId)
  const other = await tenant.send('two@example.com', 'two')
  await tenant.settled(other.body.requestId)
  await tenant.send('no@example.com', 'three')
  await tenant.send('no@example.com', 'four')
  await tenant.owner.patch(`/v1/agent/mailboxes/${tenant.mailboxId}/autonomy`, { autonomyLevel: 1 })
  await tenant.send('held@example.com', 'five')
  await quiet()
  const now = new Date()
  const hourAgo = now.getTime() - 3_600_000
  await sql(
    `UPDATE sends SET state = 'unknown', updated_at = ?2 WHERE id = ?1`,
    other.body.requestId,
    hourAgo,
  )
  await sql(
    `INSERT INTO dead_letters (tenant_id, id, queue, ref_id, reason, created_at) VALUES (?1, 'dlq_1', 'render', 'x', 'x', ?2)`,
    tenant.id,
    hourAgo,
  )
  await sql(
    `INSERT INTO arrivals (tenant_id, id, recipient, sha256, mailbox_id, raw_key, envelope_from, size, state, next_at, received_at)
     VALUES (?1, 'arr_1', 'x', 'x', ?2, 'x', 'x', 1, 'received', ?4, ?3)`,
    tenant.id,
    tenant.mailboxId,
    hourAgo,
    now.getTime() + 3_600_000,
  )
  await sql(
    `INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, event_id, event_type, state, next_at, created_at, updated_at)
     VALUES (?1, 'whd_1', 'x', 'x', 'ping', 'pending', ?2, ?2, ?2)`,
    tenant.id,
    hourAgo,
  )
  await sql(
    `INSERT INTO audit_entries (tenant_id, seq, id, at, actor, action, commitment) VALUES (?1, 1000, 'aud_1', ?2, 'x', 'x.y', 'x')`,
    tenant.id,
    hourAgo,
  )
  await sql(
    `INSERT INTO sends (tenant_id, id, door, mailbox_id, state, body_hash, recipients, next_at, created_at, updated_at)
     VALUES (?1, 'req_late', 'molted', ?2, 'ready', '', '[]', ?3, ?4, ?4),
       (?1, 'req_soon', 'molted', ?2, 'scheduled', '', '[]', ?3, ?4, ?4),
       (?1, 'req_due', 'molted', ?2, 'scheduled', '', '[]', ?4, ?4, ?4)`,
    tenant.id,
    tenant.mailboxId,
    now.getTime() + 30_000,
    hourAgo,
  )

  const after = await scrape(now)
  const grown: Read = (name, labels) => after(name, labels) - before(name, labels)
  expect(grown('moltpost_sends_total', { status: 'delivered', reason: '' })).toBe(2)
  expect(grown('moltpost_sends_total', { status: 'blocked', reason: 'suppressed' })).toBe(2)
  expect(grown('moltpost_sends_total', { status: 'pending_approval' })).toBe(1)
  expect(grown('moltpost_sends_total', { status: 'unknown' })).toBe(1)
  expect(grown('moltpost_inbound_total', { status: 'received' })).toBe(1)
  expect(grown('moltpost_dead_letters', { queue: 'render' })).toBe(1)
  const waiting = {
    decide: 1,
    deliver: 1,
    webhook: 1,
    inbound: 1,
    audit: 1,
    unknown: 1,
    approval: 1,
    render: 0,
  }
  for (const [work, count] of Object.entries(waiting)) {
    expect([work, grown('moltpost_waiting', { work })]).toEqual([work, count])
    const oldest = after('moltpost_waiting_oldest_seconds', { work })
    if (count > 0 && work !== 'approval') expect([work, oldest]).toEqual([work, 3_600])
  }
})

test('the metrics show a carrier circuit that opens and that lets a probe through', async () => {
  const now = Date.now()
  const carrier = env.CARRIER_HEALTH.get(env.CARRIER_HEALTH.idFromName('mailgun'))
  await carrier.report(true, now)
  for (let failure = 0; failure < 5; failure++) await carrier.report(false, now)
  const at = async (ms: number) => {
    const read = await scrape(new Date(now + ms), ['mailgun', 'resend'])
    return ['closed', 'open', 'half_open'].filter(
      (state) => read('moltpost_carrier_circuit', { carrier: 'mailgun', state }) === 1,
    )
  }
  expect(await at(1)).toEqual(['open'])
  expect(await at(29_000)).toEqual(['open'])
  expect(await at(30_000)).toEqual(['half_open'])
  const read = await scrape(new Date(now + 1), ['mailgun', 'resend'])
  expect(read('moltpost_carrier_recent_answers', { carrier: 'mailgun', outcome: 'failed' })).toBe(5)
  expect(read('moltpost_carrier_recent_answers', { carrier: 'mailgun', outcome: 'ok' })).toBe(1)
  expect(read('moltpost_carrier_circuit', { carrier: 'resend', state: 'closed' })).toBe(1)
})

test('the metrics are for the operator alone, name nobody, read no whole table, and are reused for five seconds', async () => {
  const tenant = await newTenant()
  await tenant.send('one@example.com', 'one')
  expect((await call('GET', '/admin/metrics')).status).toBe(401)
  expect((await tenant.owner.get('/admin/metrics')).status).toBe(401)
  const closed = await app.fetch(
    new Request('http://x/admin/metrics', { headers: { authorization: `Bearer ${OPERATOR}` } }),
    { ...env, OPERATOR_KEY: undefined },
  )
  expect(closed.status).toBe(503)
  // What breaks on our side is not told as if the key were wrong.
  const DB = new Proxy(env.DB, {
    get(db, name) {
      if (name === 'batch') throw new Error('no batch today')
      return Reflect.get(db, name).bind(db)
    },
  })
  const broken = await app.fetch(
    new Request('http://x/admin/metrics', { headers: { authorization: `Bearer ${OPERATOR}` } }),
    { ...env, DB },
  )
  expect(broken.status).toBe(500)

  const { status, headers, body } = await call('GET', '/admin/metrics', { key: OPERATOR })
  expect(status).toBe(200)
  expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(body).toMatch(
    /^# HELP moltpost_sends_total .*\n# TYPE moltpost_sends_total counter\nmoltpost_sends_total\{status="/,
  )
  for (const word of [tenant.id, tenant.mailboxId, tenant.address, '@', 'req_'])
    expect(body).not.toContain(word)

  const { env: watched, statements } = recordingStatements()
  const now = new Date()
  const first = await readMetrics(watched, now, [])
  expect(statements.length).toBeGreaterThan(4)
  expect(await wholeScans(statements)).toEqual([])
  const count = statements.length
  expect(await readMetrics(watched, new Date(now.getTime() + 4_999), [])).toBe(first)
  expect(statements.length).toBe(count)
  await readMetrics(watched, new Date(now.getTime() + 5_000), [])
  expect(statements.length).toBe(2 * count)
})

test('a reason given by a carrier is counted as `carrier`, whatever its words', async () => {
  const tenant = await newTenant()
  const before = await scrape()
  for (const reason of ['no_carrier', '5.7.1', 'ann@example.com "is\nunknown"']) {
    const { body } = await tenant.send(`to-${crypto.randomUUID()}@example.com`, crypto.randomUUID())
    await tenant.settled(body.requestId)
    await sql("UPDATE sends SET state = 'failed', reason = ?2 WHERE id = ?1", body.requestId, reason)
    await sql("UPDATE sends SET state = 'failed' WHERE id = ?1", body.requestId)
  }
  const after = await scrape()
  const grown = ['no_carrier', 'carrier', '5.7.1'].map((reason) => {
    const labels = { status: 'failed', reason }
    return after('moltpost_sends_total', labels) - before('moltpost_sends_total', labels)
  })
  expect(grown).toEqual([1, 2, 0])
})
