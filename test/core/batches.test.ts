import { env } from 'cloudflare:workers'
import { OpenAPIHono } from '@hono/zod-openapi'
import { expect, test } from 'vitest'
import { newCtx } from '../../src/core/ground/ctx.ts'
import { sweep } from '../../src/core/overview/sweep.ts'
import { nextActions, recommend } from '../../src/core/sending/next-action.ts'
import type { Env } from '../../src/env.ts'
import { type App, opening } from '../../src/surfaces/http.ts'
import { molted } from '../../src/surfaces/molted/index.ts'
import { eventually, newTenant, type Tenant } from '../support/tenant.ts'
import { counted } from '../support/waits.ts'

const ROOMY = {
  tenant: { plan: 'enterprise' },
  mailbox: { cooldown_ms: 600_000, hourly_limit: 5_000, daily_limit: 50_000 },
}

/** One request to the surface alone, in the test's own environment. */
async function post(within: Env, { key }: Tenant, path: string, body: unknown) {
  const door = new OpenAPIHono<App>().use(opening).route('/v1', molted)
  const init = {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }
  const response = await door.request(`/v1/agent/${path}`, init, within)
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the wire brings
  return (await response.json()) as any
}

const list = (count: number, name: string) =>
  Array.from({ length: count }, (_, i) => ({
    recipientEmail: `${name}${i}@example.com`,
    dedupeKey: `${name}-${i}`,
    payload: { firstName: 'Ann' },
  }))

test('a batch that is killed after any wait is completed by its retry or the sweep, and no item is sent twice', async () => {
  for (const dieBefore of [2, 3, 4]) {
    const tenant = await newTenant(ROOMY)
    const asked = { templateId: 'welcome', sends: list(12, `d${dieBefore}-`) }
    await post(counted(env, { dieBefore }).env, tenant, 'batch/request-send', asked)
    if (dieBefore === 4) await sweep(env, new Date(Date.now() + 61_000))
    const retry = await post(env, tenant, 'batch/request-send', asked)
    expect(retry).toMatchObject({ total: 12, [dieBefore === 4 ? 'duplicates' : 'queued']: 12 })
    await eventually(async () => {
      const row = await env.DB.prepare(
        `SELECT count(*) AS mails, count(DISTINCT c.recipient) AS people FROM captured_mail c
         JOIN sends s ON s.id = c.send_id WHERE s.tenant_id = ?1`,
      )
        .bind(tenant.id)
        .first<{ mails: number; people: number }>()
      return row?.people === 12 && row.mails === 12 ? true : undefined
    })
    const row = await env.DB.prepare('SELECT count(*) AS n FROM sends WHERE tenant_id = ?1')
      .bind(tenant.id)
      .first()
    expect(row).toEqual({ n: 12 })
  }
})

test('a batch takes as many waits as a single send: four, with two database calls and one object call', async () => {
  const tenant = await newTenant(ROOMY)
  for (const count of [1, 2, 100, 101, 500]) {
    const { env: within, tally } = counted(env, { mute: true })
    const sends = list(count, `n${count}-`)
    const body = await post(within, tenant, 'batch/request-send', { templateId: 'welcome', sends })
    expect(body).toMatchObject({ total: count, queued: count })
    expect(tally).toMatchObject({
      waits: 4,
      d1Calls: 2,
      objectCalls: 1,
      queueCalls: Math.ceil(count / 100),
    })

    const again = counted(env, { mute: true })
    const repeat = await post(again.env, tenant, 'batch/request-send', { templateId: 'welcome', sends })
    expect(repeat).toMatchObject({ batchId: body.batchId, queued: 0, blocked: count, duplicates: count })
    expect(again.tally).toMatchObject({ waits: 1, d1Calls: 1, objectCalls: 0, queueCalls: 0, rowsWritten: 0 })

    for (const view of ['simulate-batch', 'simulate-batch?sequential=true']) {
      const simulated = counted(env)
      const recipientEmails = list(count, 's').map(({ recipientEmail }) => recipientEmail)
      const foreseen = await post(simulated.env, tenant, view, { templateId: 'welcome', recipientEmails })
      expect(foreseen).toMatchObject({ total: count, wouldAllow: count })
      expect(simulated.tally).toMatchObject({ waits: 2, d1Calls: 1, objectCalls: 1, rowsWritten: 0 })
    }
  }
})

test('the next actions for 500 contacts take one database call with one statement', async () => {
  const tenant = await newTenant()
  const asked: [sql: string, binds: unknown[]][] = []
  const DB = new Proxy(env.DB, {
    get(db, name) {
      if (name !== 'prepare') throw new Error(`the database was asked to ${String(name)}`)
      return (sql: string) => ({
        bind: (...binds: unknown[]) => {
          asked.push([sql, binds])
          return db.prepare(sql).bind(...binds)
        },
      })
    },
  })
  const ctx = newCtx({ ...env, DB }, new Date(), tenant.id, { kind: 'system', name: 'test' })
  const emails = list(500, 'c').map(({ recipientEmail }) => recipientEmail)
  const answers = await nextActions(ctx, { id: null, name: null }, emails)
  expect(answers.map(({ contactEmail }) => contactEmail)).toEqual(emails)
  expect(asked).toHaveLength(1)
  for (const [sql, binds] of asked) {
    const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .bind(...binds)
      .all<{ detail: string }>()
    const details = results.map(({ detail }) => detail)
    expect(details.filter((detail) => /^SCAN (?!i\b|r\b|CONSTANT|.*VIRTUAL)/.test(detail))).toEqual([])
    expect(details.filter((detail) => /PRIMARY KEY \(tenant_id=\?\)$/.test(detail))).toEqual([])
  }
})

test('a recommendation changes exactly at its limits, and the stronger fact wins', () => {
  const now = Date.UTC(2026, 0, 31)
  const nothing = {
    ...{ name: null, lastSendAt: null, lastInboundAt: null, lastIntent: null, suppression: null },
    ...{ lease: null, waiting: null, fatigue: null, openIncidents: 0 },
  }
  const says = (known: Partial<typeof nothing | Record<string, unknown>>) =>
    Object.values(recommend({ ...nothing, ...known }, { id: 'agent_me', name: null }, now)).join(': ')
  const [hour, day] = [3_600_000, 86_400_000]
  expect(says({})).toBe('nudge: No earlier send or reply')
  const unanswered = (lastIntent: string) =>
    says({ lastSendAt: now - 2 * hour, lastInboundAt: now - hour, lastIntent })
  expect(unanswered('interested')).toBe('reply: Unanswered message from 1 hour ago')
  expect(unanswered('legal')).toBe('escalate: Unanswered legal message from 1 hour ago')
  expect(unanswered('security')).toBe('escalate: Unanswered security message from 1 hour ago')
  expect(unanswered('unsubscribe')).toBe('stop: Asked to be left alone 1 hour ago')
  expect(says({ lastSendAt: now })).toBe('wait: Recent send less than a minute ago')
  expect(says({ lastSendAt: now - hour })).toBe('wait: Recent send 1 hour ago')
  expect(says({ lastSendAt: now - 3 * day + 1 })).toBe('wait: Recent send 2 days ago')
  expect(says({ lastSendAt: now - 3 * day })).toBe('nudge: No reply in 3 days')
  const fatigue = { count: 3, limit: 3, days: 7 }
  expect(says({ lastSendAt: now - 3 * day, fatigue })).toContain('wait: Fatigue limit reached: 3 sends')
  expect(says({ lastSendAt: now - 5, lastInboundAt: now - 5, fatigue })).toContain('wait: Recent send')
  expect(says({ lastSendAt: now - 5, lastInboundAt: now - 4, fatigue })).toContain('reply: ')
  const lease = { agentId: 'agent_you', agentName: null, expiresAt: now + hour }
  expect(says({ lastInboundAt: now, lease })).toBe('wait: Leased to agent_you until 2026-01-31T01:00:00.000Z')
  expect(says({ lastInboundAt: now, lease: { ...lease, agentId: 'agent_me' } })).toContain('reply: ')
  expect(says({ lease, suppression: { scope: 'global', reasonCode: 'bounce' } })).toContain('stop: ')
  const waiting = { state: 'pending_approval', at: now - 2 * hour }
  expect(says({ waiting })).toBe('wait: Send waiting for approval for 2 hours')
})
