import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { carrierPort } from '../../src/carriers/index.ts'
import { deliverSend } from '../../src/core/delivery/deliver.ts'
import { renderSend } from '../../src/core/delivery/render.ts'
import { requestSends } from '../../src/core/sending/request.ts'
import type { Env } from '../../src/env.ts'
import { doorFor, welcome } from '../support/door.ts'
import { peers } from '../support/peer-letter.ts'
import { upTo } from '../support/scale.ts'
import { newTenant, type Tenant } from '../support/tenant.ts'
import { counted } from '../support/waits.ts'

/** The six ways in which the carrier fails. */
const SENDS = upTo(84, 24)
const REST = "('accepted', 'delivered', 'bounced', 'failed', 'blocked', 'unknown')"

/** An HTTP carrier and an SMTP relay of this test; the HTTP one has nine times the weight. */
function withCarriers(carrier: string, smtpPort: number, weights = 'resend:9, smtp:1'): Env {
  const { env: muted } = counted(env, { mute: true })
  const health = env.CARRIER_HEALTH
  return {
    ...muted,
    // Circuits for this test only: in the Worker, one object watches a carrier for all sends.
    CARRIER_HEALTH: new Proxy(health, {
      get(_, name) {
        if (name === 'idFromName') return (of: string) => health.idFromName(`${carrier}:${of}`)
        return (id: DurableObjectId) => health.get(id)
      },
    }),
    CARRIERS: weights,
    CARRIER_TIMEOUT_MS: '400',
    RESEND_API_KEY: 're_test',
    RESEND_BASE_URL: `${peers.http}/${carrier}`,
    SMTP_HOST: '127.0.0.1',
    SMTP_PORT: String(smtpPort),
    SMTP_SECURITY: 'none',
  }
}

async function conduct(carrier: string, mode: string, after = 0) {
  await fetch(`${peers.http}/${carrier}`, { method: 'PUT', body: JSON.stringify({ mode, after }) })
}

async function takenBy(carrier: string): Promise<{ body: { to: string[] } }[]> {
  const { taken } = await (await fetch(`${peers.http}/${carrier}`)).json<{
    taken: { body: { to: string[] } }[]
  }>()
  return taken
}

async function relayed(recipient: string): Promise<number> {
  return (await (await fetch(`${peers.inspector}/mail?recipient=${recipient}`)).json<unknown[]>()).length
}

async function queue(tenant: Tenant, with_: Env, recipients: string[]): Promise<string[]> {
  const results = await requestSends(
    await doorFor(with_, tenant.key),
    recipients.map((to) => welcome(to, to)),
  )
  const ids = results.map((result) => String(result.requestId))
  for (const sendId of ids) await renderSend(with_, { tenantId: tenant.id, sendId }, () => new Date())
  return ids
}

/** Delivers in rounds, eight at a time, and moves the clock on between them, until no send waits. */
async function deliverAll(
  with_: Env,
  tenantId: string,
  ids: string[],
  onRound: (round: number) => Promise<void>,
) {
  const start = Date.now()
  for (let round = 0; round < 30; round++) {
    const clock = () => new Date(start + round * 120_000)
    const open = await env.DB.prepare(
      `SELECT id FROM sends WHERE tenant_id = ? AND state NOT IN ${REST} AND id IN (SELECT value FROM json_each(?))`,
    )
      .bind(tenantId, JSON.stringify(ids))
      .all<{ id: string }>()
    if (open.results.length === 0) return
    for (let at = 0; at < open.results.length; at += 8) {
      const some = open.results.slice(at, at + 8)
      await Promise.all(
        some.map(({ id }) => deliverSend(with_, { tenantId, sendId: id }, carrierPort(with_), clock)),
      )
    }
    await onRound(round)
  }
  throw new Error('some sends never came to rest')
}

const roomy = { tenant: { plan: 'enterprise' }, mailbox: { hourly_limit: 5_000, daily_limit: 5_000 } }

test('when a carrier fails in the middle of many sends, none is lost and none leaves twice', async () => {
  const figures: Record<string, unknown> = {}
  for (const mode of ['refuse', '503-taken', 'hang', 'cut', 'garbage', '429']) {
    const tenant = await newTenant(roomy)
    const carrier = `dying-${mode}-${crypto.randomUUID()}`
    const with_ = withCarriers(carrier, peers.smtp.plain)
    const recipients = Array.from({ length: SENDS }, (_, i) => `p${i}.${crypto.randomUUID()}@example.com`)
    const ids = await queue(tenant, with_, recipients)
    await conduct(carrier, mode, SENDS / 3)
    await deliverAll(with_, tenant.id, ids, async (round) => {
      if (round === 2) await conduct(carrier, 'ok')
    })

    const states = await env.DB.prepare(
      'SELECT state, count(*) AS n FROM sends WHERE tenant_id = ? GROUP BY state',
    )
      .bind(tenant.id)
      .all()
    expect(states.results, mode).toEqual([{ state: 'accepted', n: SENDS }])
    const byHttp = Map.groupBy(await takenBy(carrier), ({ body }) => String(body.to))
    const copies = await Promise.all(
      recipients.map(async (to) => (byHttp.get(to)?.length ?? 0) + (await relayed(to))),
    )
    expect(
      copies.filter((count) => count === 0),
      `${mode}: lost`,
    ).toEqual([])
    expect(
      copies.filter((count) => count > 1),
      `${mode}: twice`,
    ).toEqual([])
    figures[mode] = { http: byHttp.size, smtp: recipients.length - byHttp.size }
  }
  // biome-ignore lint/suspicious/noConsole: the figures of this proof are read by people
  console.info(`failover of 6 x ${SENDS} sends, by carrier:`, JSON.stringify(figures))
}, 240_000)

test('a relay that takes the message and cuts the connection leaves unknown sends, listed and never sent again', async () => {
  const tenant = await newTenant(roomy)
  const fault = 'dot:cut'
  const port = peers.faults[fault]
  if (port === undefined) throw new Error(`no such fault: ${Object.keys(peers.faults).join(' ')}`)
  const with_ = withCarriers('unused', port, 'smtp:1')
  const taken = async () =>
    (await (await fetch(`${peers.inspector}/faults?name=${fault}`)).json<{ taken: number }>()).taken
  const before = await taken()
  const ids = await queue(
    tenant,
    with_,
    Array.from({ length: 5 }, (_, i) => `u${i}@example.com`),
  )
  await deliverAll(with_, tenant.id, ids, async () => undefined)
  for (const sendId of ids)
    await deliverSend(
      with_,
      { tenantId: tenant.id, sendId },
      carrierPort(with_),
      () => new Date(Date.now() + 1e8),
    )
  expect((await taken()) - before).toBe(5)

  const { body } = await tenant.get('/v1/agent/sends?status=unknown')
  expect(body.items.map((item: { requestId: string }) => item.requestId).sort()).toEqual([...ids].sort())
  const trace = await tenant.get(`/v1/agent/sends/${ids[0]}`)
  expect(trace.body.attempts).toEqual([expect.objectContaining({ carrier: 'smtp', outcome: 'ambiguous' })])
  const resolved = await tenant.post(`/v1/agent/sends/${ids[0]}/resolve`, { outcome: 'delivered' })
  expect(resolved).toMatchObject({ status: 200, body: { status: 'delivered' } })
  expect(await tenant.post(`/v1/agent/sends/${ids[0]}/resolve`, { outcome: 'failed' })).toMatchObject({
    status: 409,
  })
})

test('the answer to a send does not name the carrier; its trace names it for each attempt', async () => {
  const tenant = await newTenant(roomy)
  const carrier = `refuse.${crypto.randomUUID()}`
  const with_ = withCarriers(carrier, peers.smtp.plain, 'resend:999999, smtp:1')
  const to = `n.${crypto.randomUUID()}@example.com`
  const [id = ''] = await queue(tenant, with_, [to])
  await deliverAll(with_, tenant.id, [id], async () => undefined)
  const { body } = await tenant.get(`/v1/agent/sends/${id}`)
  expect(
    body.attempts.map((each: { carrier: string; outcome: string }) => [each.carrier, each.outcome]),
  ).toEqual([
    ['resend', 'refused_retry'],
    ['smtp', 'accepted'],
  ])
  expect(await relayed(to)).toBe(1)
  expect(body.trace.map((step: { kind: string }) => step.kind)).toEqual([
    ...['decision', 'render', 'routing', 'delivery', 'routing', 'delivery'],
  ])
})

test('an accepted send is stopped before it leaves if the facts have changed', async () => {
  const changes: [reason: string, sql: string][] = [
    [
      'suppressed',
      `INSERT INTO suppressions (tenant_id, contact, scope, id, email, reason_code, created_at)
       VALUES (?1, 'ann@example.com', 'tenant', 's1', 'ann@example.com', 'manual_dnc', 0)`,
    ],
    ['standing', "UPDATE mailboxes SET status = 'paused' WHERE tenant_id = ?1"],
    ['standing', "UPDATE tenants SET status = 'frozen' WHERE id = ?1"],
    [
      'lease_conflict',
      `INSERT INTO leases (tenant_id, contact, id, agent_id, contact_email, intent, epoch, created_at, expires_at)
       SELECT ?1, 'ann@example.com', 'l1', 'other', 'ann@example.com', 'general', 1, 0, 9e15`,
    ],
  ]
  for (const [reason, sql] of changes) {
    const tenant = await newTenant(roomy)
    await env.DB.prepare(
      `INSERT INTO agents (tenant_id, id, name, status, last_heartbeat_at, registered_at)
       VALUES (?1, 'other', 'other', 'active', ?2, ?2)`,
    )
      .bind(tenant.id, Date.now())
      .run()
    const carrier = `ok.${crypto.randomUUID()}`
    const with_ = withCarriers(carrier, peers.smtp.plain, 'resend:1')
    const [id = ''] = await queue(tenant, with_, ['ann@example.com'])
    await env.DB.prepare(sql).bind(tenant.id).run()
    await deliverSend(with_, { tenantId: tenant.id, sendId: id }, carrierPort(with_), () => new Date())
    const { results } = await env.DB.prepare('SELECT state, reason, burned_key FROM sends WHERE id = ?')
      .bind(id)
      .all()
    expect(results, sql).toEqual([{ state: 'blocked', reason, burned_key: null }])
    expect(await takenBy(carrier)).toEqual([])
  }
})
