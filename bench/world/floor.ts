import { DurableObject } from 'cloudflare:workers'
import { Hono } from 'hono'
import { z } from 'zod'
import { hashSecret } from '../../src/core/accounts/keys.ts'
import { newId } from '../../src/core/ground/ids.ts'
import type { Env } from '../../src/env.ts'

export type BenchEnv = Env & { BENCH_WINDOW: DurableObjectNamespace<BenchWindow> }

/** The Durable Object of the floor: one counter for each scope, raised by one synchronous statement. */
export class BenchWindow extends DurableObject {
  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env as never)
    ctx.storage.sql.exec(
      'CREATE TABLE IF NOT EXISTS usage (scope TEXT PRIMARY KEY, used INTEGER NOT NULL) WITHOUT ROWID',
    )
  }

  take(scope: string): number {
    const [row] = this.ctx.storage.sql
      .exec(
        `INSERT INTO usage (scope, used) VALUES (?, 1)
         ON CONFLICT DO UPDATE SET used = used + 1 RETURNING used`,
        scope,
      )
      .toArray()
    return Number(row?.used)
  }
}

const Body = z.object({
  tenantId: z.string().min(1).max(200),
  mailboxId: z.string().min(1).max(200),
  recipientEmail: z.email().max(320),
  templateId: z.string().min(1).max(200),
  dedupeKey: z.string().min(1).max(500),
  payload: z.record(z.string(), z.unknown()),
  sendReason: z.string().max(1000).optional(),
})

const READS = {
  key: `SELECT id, tenant_id, permissions, scopes FROM keys WHERE hash = ?1 AND revoked_at IS NULL`,
  tenant: `SELECT status, level, plan, cooldown_ms, dedupe_window_ms FROM tenants WHERE id = ?1`,
  mailbox: `SELECT status, autonomy, reputation, cooldown_ms, hourly_limit, daily_limit, monthly_limit
    FROM mailboxes WHERE tenant_id = ?1 AND id = ?2`,
  template: `SELECT t.id, t.type, v.version, v.subject, v.html, v.text FROM templates t
    JOIN template_versions v ON v.tenant_id = t.tenant_id AND v.template_id = t.id AND v.version = t.published_version
    WHERE t.tenant_id = ?1 AND t.slug = ?2`,
  suppression: `SELECT scope, reason_code FROM suppressions WHERE tenant_id = ?1 AND contact = ?2`,
  burned: `SELECT id, state FROM sends WHERE tenant_id = ?1 AND burned_key = ?2`,
}

const WRITES = {
  send: `INSERT INTO sends (tenant_id, id, door, mailbox_id, key_id, state, dedupe_key, burned_key, burned_until,
      body_hash, template, recipients, input, next_at, created_at, updated_at)
    VALUES (?1, ?2, 'bench', ?3, ?4, 'queued', ?5, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12)`,
  recipient: `INSERT INTO send_recipients
      (tenant_id, contact, send_id, mailbox_id, email, state, created_at, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?2, 'pending', ?5, ?5)`,
  // Four rows, so that the floor writes as many rows as a send may write: eight.
  trace: `INSERT INTO traces (tenant_id, send_id, seq, kind, at, body)
    VALUES (?1, ?2, 0, 'decision', ?3, ?4), (?1, ?2, 1, 'decision', ?3, ?4),
      (?1, ?2, 2, 'decision', ?3, ?4), (?1, ?2, 3, 'decision', ?3, ?4)`,
}

const MINUTE_MS = 60_000
const TRACE = JSON.stringify({ policyVersion: 1, allow: true, rules: 6 })

/**
 * The floor: the least that a send can cost. It validates the body, reads the facts in one database call, calls one object,
 * writes in one database call and puts one message into a queue. It decides nothing.
 */
export const floor = new Hono<{ Bindings: BenchEnv }>().post('/', async (c) => {
  const body = Body.safeParse(await c.req.json())
  if (!body.success) return c.json({ error: 'invalid' }, 400)
  const { tenantId, mailboxId, recipientEmail, templateId, dedupeKey, payload, sendReason } = body.data
  const secret = c.req.header('authorization')?.replace('Bearer ', '') ?? ''
  const { DB, BENCH_WINDOW, RENDER } = c.env
  const now = Date.now()
  const sendId = newId('req', new Date(now))

  const [key, tenant, mailbox, template, suppression, burned] = await DB.batch([
    DB.prepare(READS.key).bind(await hashSecret(secret)),
    DB.prepare(READS.tenant).bind(tenantId),
    DB.prepare(READS.mailbox).bind(tenantId, mailboxId),
    DB.prepare(READS.template).bind(tenantId, templateId),
    DB.prepare(READS.suppression).bind(tenantId, recipientEmail),
    DB.prepare(READS.burned).bind(tenantId, dedupeKey),
  ])
  const present = [key, tenant, mailbox, template].every((answer) => answer?.results.length === 1)
  if (!present || suppression?.results.length !== 0 || burned?.results.length !== 0) {
    return c.json({ requestId: sendId, status: 'blocked' })
  }

  await BENCH_WINDOW.get(BENCH_WINDOW.idFromName(tenantId)).take(mailboxId)

  const recipients = JSON.stringify([{ kind: 'to', email: recipientEmail, name: null }])
  const input = JSON.stringify({ payload, sendReason })
  await DB.batch([
    DB.prepare(WRITES.send).bind(
      ...[tenantId, sendId, mailboxId, 'key_bench', dedupeKey, now + MINUTE_MS],
      ...['-', templateId, recipients, input, now + MINUTE_MS, now],
    ),
    DB.prepare(WRITES.recipient).bind(tenantId, recipientEmail, sendId, mailboxId, now),
    DB.prepare(WRITES.trace).bind(tenantId, sendId, now, TRACE),
  ])

  await RENDER.send({ tenantId, sendId })
  return c.json({ requestId: sendId, status: 'queued' })
})
