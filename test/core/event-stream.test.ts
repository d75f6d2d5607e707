import { env, exports } from 'cloudflare:workers'
import { expect, onTestFinished, test } from 'vitest'
import { followUp } from '../../src/core/arrivals/follow-up.ts'
import { eventStream } from '../../src/core/ground/event-stream.ts'
import { eventStatements, type Happening } from '../../src/core/journal/event-rows.ts'
import { publish } from '../../src/core/publishing/publish.ts'
import { call, grant, newTenant, type Tenant } from '../support/tenant.ts'

type Told = { id: string; type: string; mailbox_id: string | null }

/** Writes events of the tenant and publishes them at once. */
async function happen(tenant: Pick<Tenant, 'id'>, ...happenings: Happening[]): Promise<void> {
  await env.DB.batch(eventStatements(env, tenant.id, happenings, new Date()))
  await publish(env, new Date(), tenant.id, followUp)
}

const about = (mailboxId: string | null, type: Happening['type'] = 'message.received'): Happening => ({
  type,
  mailboxId,
  refs: { messageId: 'msg_x' },
})

async function listen(key: string, query = '', headers: Record<string, string> = {}) {
  const response = await exports.default.fetch(`http://moltpost.test/v1/agent/events/stream${query}`, {
    headers: { authorization: `Bearer ${key}`, ...headers },
  })
  if (response.status !== 200) return { status: response.status, next: async () => [], text: '' }
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  onTestFinished(() => reader.cancel().catch(() => {}))
  const decoder = new TextDecoder()
  let text = ''
  const events: Told[] = []
  /** The next `count` events, or as many as arrive within a second. */
  const next = async (count: number): Promise<Told[]> => {
    const deadline = Date.now() + 1_000
    while (events.length < count && Date.now() < deadline) {
      const read = await Promise.race([
        reader.read(),
        new Promise<null>((resolve) => setTimeout(resolve, deadline - Date.now(), null)),
      ])
      if (read === null || read.done) break
      text += decoder.decode(read.value, { stream: true })
      const frames = text.split('\n\n')
      text = frames.pop() ?? ''
      for (const frame of frames) {
        const data = /^data: (.*)$/m.exec(frame)?.[1]
        if (data !== undefined) events.push(JSON.parse(data))
        if (data !== undefined)
          expect(frame).toContain(`id: ${JSON.parse(data).id}\nevent: ${JSON.parse(data).type}\n`)
      }
    }
    return events.splice(0, count)
  }
  return { status: 200, next, text: response.headers.get('content-type') }
}

async function socket(key: string, query = '') {
  const response = await exports.default.fetch(`http://moltpost.test/v1/agent/events/stream${query}`, {
    headers: { authorization: `Bearer ${key}`, upgrade: 'websocket' },
  })
  expect(response.status).toBe(101)
  const { webSocket } = response
  if (!webSocket) throw new Error('the response has no WebSocket')
  const heard: Told[] = []
  let closed: number | null = null
  webSocket.accept()
  webSocket.addEventListener('message', ({ data }) => {
    heard.push(data === 'pong' ? { id: 'pong', type: 'pong', mailbox_id: null } : JSON.parse(String(data)))
  })
  webSocket.addEventListener('close', ({ code }) => {
    closed = code
  })
  onTestFinished(() => webSocket.close())
  const next = async (count: number) => {
    for (let left = 50; heard.length < count && left > 0; left--)
      await new Promise((resolve) => setTimeout(resolve, 20))
    return heard.splice(0, count)
  }
  return { next, say: (text: string) => webSocket.send(text), closed: () => closed }
}

async function history({ id }: Tenant): Promise<Told[]> {
  const { results } = await env.DB.prepare('SELECT payload FROM events WHERE tenant_id = ? ORDER BY seq')
    .bind(id)
    .all<{ payload: string }>()
  return results.map(({ payload }) => JSON.parse(payload) as Told)
}

const types = (events: Told[]) => events.map(({ type }) => type)

test('each listener gets the events that its key and filters allow, at once, and never those of another tenant', async () => {
  const [tenant, stranger] = await Promise.all([newTenant(), newTenant()])
  const other = await tenant.owner.post('/v1/agent/mailboxes', { address: `o-${crypto.randomUUID()}` })
  const scoped = await grant(tenant.id, ['read'], [{ mailboxId: other.body.id, permissions: ['read'] }])
  const [all, bounced, mine, foreign, ws, confined] = await Promise.all([
    listen(tenant.ownerKey),
    listen(tenant.ownerKey, '?types=message.bounced,lease.acquired'),
    listen(tenant.key, `?mailboxId=${tenant.mailboxId}`),
    listen(stranger.key),
    socket(tenant.ownerKey),
    listen(scoped),
  ])
  expect(all.text).toContain('text/event-stream')
  await happen(
    tenant,
    about(tenant.mailboxId),
    about(other.body.id, 'message.bounced'),
    about(null, 'lease.acquired'),
  )
  await happen(stranger, about(stranger.mailboxId, 'message.failed'))
  const heard = await all.next(4)
  expect(types(heard)).toEqual(['message.received', 'message.bounced', 'lease.acquired'])
  expect(await ws.next(3)).toEqual(heard)
  expect(types(await bounced.next(3))).toEqual(['message.bounced', 'lease.acquired'])
  expect(types(await mine.next(2))).toEqual(['message.received'])
  expect(types(await confined.next(3))).toEqual(['message.bounced'])
  expect(types(await foreign.next(2))).toEqual(['message.failed'])
  ws.say('ping')
  expect(types(await ws.next(1))).toEqual(['pong'])
  expect(await history(tenant)).toEqual(heard)
})

test('a listener that reconnects gets each missed event once, in order, and then the new ones', async () => {
  const tenant = await newTenant()
  await happen(tenant, about(null, 'lease.acquired'))
  const [first] = await history(tenant)
  for (let batch = 0; batch < 5; batch++) {
    await happen(tenant, ...Array.from({ length: 100 }, () => about(tenant.mailboxId)))
  }
  const sse = await listen(tenant.key, '', { 'last-event-id': first?.id ?? '' })
  const ws = await socket(tenant.key, `?lastEventId=${first?.id}`)
  await happen(tenant, about(null, 'lease.released'))
  for (const heard of [await sse.next(600), await ws.next(600)]) {
    expect(heard).toHaveLength(501)
    expect(new Set(heard.map(({ id }) => id)).size).toBe(501)
    expect(heard.at(-1)).toMatchObject({ type: 'lease.released' })
  }
  expect((await listen(tenant.key, '', { 'last-event-id': 'evt_unknown' })).status).toBe(404)
  expect((await listen(tenant.key, '', { 'last-event-id': '' })).status).toBe(200)
  expect((await listen(tenant.key, '?types=nonsense')).status).toBe(400)
  expect((await call('GET', '/v1/agent/events/stream')).status).toBe(401)
})

test('a listener that missed more than one call can carry gets all of it', async () => {
  const tenant = await newTenant()
  await happen(tenant, about(null, 'lease.acquired'))
  const [first] = await history(tenant)
  const many = 70
  await env.DB.prepare(
    `INSERT INTO events (tenant_id, seq, id, type, refs, payload, created_at)
     SELECT e.tenant_id, e.seq + j.value, 'evt_' || j.value, 'message.received', '{}',
       json_object('id', 'evt_' || j.value, 'type', 'message.received', 'data', '😀' || hex(zeroblob(130000))), e.created_at
     FROM events e, json_each(?2) j WHERE e.tenant_id = ?1`,
  )
    .bind(tenant.id, JSON.stringify(Array.from({ length: many }, (_, index) => index + 1)))
    .run()
  const ids = Array.from({ length: many }, (_, index) => `evt_${index + 1}`)
  const ws = await socket(tenant.key, `?lastEventId=${first?.id}`)
  expect((await ws.next(many)).map(({ id }) => id)).toEqual(ids)
})

test('a listener that does not read is disconnected, and nothing is buffered for it', async () => {
  const tenant = await newTenant()
  const { body } = await exports.default.fetch('http://moltpost.test/v1/agent/events/stream', {
    headers: { authorization: `Bearer ${tenant.key}` },
  })
  const reader = (body as ReadableStream<Uint8Array>).getReader()
  onTestFinished(() => reader.cancel().catch(() => {}))
  await reader.read()
  const large = { type: 'message.received', agent_id: null, mailbox_id: null, text: 'a'.repeat(500_000) }
  for (let count = 0; count < 20; count++) {
    const checked = await eventStream(env, tenant.id).rights()
    const verdict = { checked, standing: checked }
    await eventStream(env, tenant.id).announce([{ ...large, id: `evt_${count}` }], Date.now(), verdict)
  }
  const left = new Promise((resolve) => setTimeout(resolve, 3_000, 'still connected'))
  const rest = async () => {
    for (let bytes = 0; ; ) {
      const { done, value } = await reader.read()
      if (done) return bytes
      bytes += value.byteLength
    }
  }
  expect(await Promise.race([rest(), left])).toBeLessThan(5_000_000)
})

test('a stream ends when the key that opened it is revoked', async () => {
  const tenant = await newTenant()
  const made = await tenant.owner.post('/v1/agent/keys', { label: 'listener', permissions: ['read'] })
  const ws = await socket(made.body.rawKey)
  await happen(tenant, about(null, 'lease.acquired'))
  expect(await ws.next(1)).toHaveLength(1)
  await tenant.owner.del(`/v1/agent/keys/${made.body.id}`)
  await happen(tenant, about(null, 'lease.released'))
  expect(await ws.next(1)).toEqual([])
  expect(ws.closed()).toBe(4001)
})

test('a stream ends with any change of what it rests on, and no event reaches it after that', async () => {
  const run = (sql: string, ...values: unknown[]) =>
    env.DB.prepare(sql)
      .bind(...values)
      .run()
  /** Each change as it is made by another door, past every verb that could tell the stream. */
  const changes: [string, (of: { tenantId: string; keyId: string; agentId: string }) => Promise<unknown>][] =
    [
      ['expired', ({ keyId }) => run('UPDATE keys SET expires_at = 1 WHERE id = ?1', keyId)],
      ['revoked', ({ keyId }) => run('UPDATE keys SET revoked_at = 1 WHERE id = ?1', keyId)],
      ['narrowed', ({ keyId }) => run(`UPDATE keys SET permissions = '["send"]' WHERE id = ?1`, keyId)],
      ['scoped', ({ keyId }) => run(`UPDATE keys SET scopes = '[]' WHERE id = ?1`, keyId)],
      ['rotated', ({ keyId }) => run(`UPDATE keys SET hash = hash || 'x' WHERE id = ?1`, keyId)],
      ['banned', ({ agentId }) => run(`UPDATE agents SET status = 'banned' WHERE id = ?1`, agentId)],
      ['deleted', ({ agentId }) => run('DELETE FROM agents WHERE id = ?1', agentId)],
      ['frozen', ({ tenantId }) => run(`UPDATE tenants SET status = 'frozen' WHERE id = ?1`, tenantId)],
    ]
  for (const [what, change] of changes) {
    const tenant = await newTenant()
    await happen(tenant, about(null, 'lease.acquired'))
    const [first] = await history(tenant)
    const [ws, sse, other] = [
      await socket(tenant.key),
      await listen(tenant.key),
      await listen(tenant.ownerKey),
    ]
    await happen(tenant, about(tenant.mailboxId))
    expect([what, await ws.next(1), await sse.next(1), await other.next(1)]).toMatchObject([
      what,
      [{}],
      [{}],
      [{}],
    ])
    const key = await env.DB.prepare('SELECT id FROM keys WHERE tenant_id = ?1 AND agent_id = ?2')
      .bind(tenant.id, tenant.agentId)
      .first<{ id: string }>()
    await change({ tenantId: tenant.id, keyId: key?.id ?? '', agentId: tenant.agentId })
    await happen(tenant, about(tenant.mailboxId, 'message.sent'))
    expect([what, await ws.next(1), await sse.next(1)]).toEqual([what, [], []])
    expect([what, ws.closed()]).toEqual([what, 4001])
    if (what !== 'frozen') expect([what, types(await other.next(1))]).toEqual([what, ['message.sent']])
    // Connecting again with the last id shows what the changed key may read, and nothing else.
    const again = await listen(tenant.key, '?follow=false', { 'last-event-id': first?.id ?? '' })
    expect([what, again.status, types(await again.next(9))]).toEqual(
      what === 'frozen'
        ? [what, 200, ['message.received', 'message.sent']]
        : [what, what === 'scoped' ? 200 : what === 'narrowed' ? 403 : 401, []],
    )
  }
}, 60_000)

test('an event is sent while the key lives at the time of sending, and only if the event is older than its end', async () => {
  const tenant = await newTenant()
  const made = await tenant.owner.post('/v1/agent/keys', {
    ...{ label: 'short', permissions: ['read'], expiresAt: new Date(Date.now() + 3_600_000).toISOString() },
  })
  const ws = await socket(made.body.rawKey)
  const stream = eventStream(env, tenant.id)
  const event = (id: string, at: number) => ({
    ...{
      id,
      type: 'message.received',
      agent_id: null,
      mailbox_id: null,
      created_at: new Date(at).toISOString(),
    },
  })
  const say = async (id: string, { at = Date.now(), now = Date.now() } = {}) => {
    const checked = await stream.rights()
    await stream.announce([event(id, at)], now, { checked, standing: checked })
  }
  await say('before')
  // Of a publisher whose clock is behind, about an event from after the end.
  await say('late', { at: Date.now() + 3_700_000 })
  await say('again')
  expect((await ws.next(2)).map(({ id }) => id)).toEqual(['before', 'again'])
  await say('after', { now: Date.now() + 3_600_000 })
  expect(await ws.next(1)).toEqual([])
  expect(ws.closed()).toBe(1001)
})
