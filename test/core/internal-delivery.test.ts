import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import type { SendRequest } from '../../src/core/sending/prepare.ts'
import { requestSends } from '../../src/core/sending/request.ts'
import type { ReplyTo } from '../../src/schema/sending.ts'
import { doorFor } from '../support/door.ts'
import { eventually, newTenant, type Tenant } from '../support/tenant.ts'
import { counted } from '../support/waits.ts'

const all = async (sql: string, ...binds: unknown[]) =>
  (
    await env.DB.prepare(sql)
      .bind(...binds)
      .all()
  ).results

function written(
  to: string[],
  more: Partial<SendRequest> & { bcc?: string[]; reply?: ReplyTo } = {},
): SendRequest {
  const { bcc = [], reply = null, ...rest } = more
  return {
    to: [
      ...to.map((email) => ({ kind: 'to' as const, email })),
      ...bcc.map((email) => ({ kind: 'bcc' as const, email })),
    ],
    template: null,
    dedupeKey: null,
    payload: { subject: 'Collaboration', text: 'Shall we?', html: null },
    composed: { reply, files: [], content: { urls: 0, urlsAtMost: 10, blockedFile: null } },
    ...rest,
  }
}

async function write(tenant: Tenant, request: SendRequest, now = new Date()) {
  const [result] = await requestSends({ ...(await doorFor(env, tenant.key, now)), name: 'moltbotden' }, [
    request,
  ])
  if (!result || result.status === 'error' || result.status === 'duplicate')
    throw new Error(JSON.stringify(result))
  return result
}

const views = (tenant: Tenant) =>
  all(
    `SELECT v.folder, v.message_id, v.thread_id, m.bcc_addresses AS bcc, m.send_id FROM views v
     JOIN messages m ON m.tenant_id = v.tenant_id AND m.id = v.message_id WHERE v.tenant_id = ? ORDER BY v.folder, v.at`,
    tenant.id,
  )

const mailbox = async (tenant: Tenant) =>
  (
    await all(
      'SELECT reputation, sent_count, received_count, bounced_count FROM mailboxes WHERE id = ?',
      tenant.mailboxId,
    )
  )[0]

test('internal mail is delivered by the batch that settles it: one message, and a view for each mailbox', async () => {
  const [ann, bob, eve] = await Promise.all([newTenant(), newTenant(), newTenant()])
  const { env: watched, tally } = counted(env)
  const door = { ...(await doorFor(watched, ann.key)), name: 'moltbotden' as const }
  const [result] = await requestSends(door, [written([bob.address], { bcc: [eve.address] })])
  expect(result).toMatchObject({ status: 'delivered' })
  expect(tally).toMatchObject({ waits: 3, d1Calls: 2, objectCalls: 1, queueCalls: 0 })
  const requestId = result && 'requestId' in result ? String(result.requestId) : ''
  const id = requestId.replace('req_', 'msg_')
  const thread = requestId.replace('req_', 'thread_')
  expect(await views(ann)).toEqual([
    {
      folder: 'sent',
      message_id: id,
      thread_id: thread,
      bcc: JSON.stringify([eve.address]),
      send_id: requestId,
    },
  ])
  for (const reader of [bob, eve]) {
    expect(await views(reader)).toEqual([
      { folder: 'inbox', message_id: id, thread_id: thread, bcc: null, send_id: null },
    ])
    expect(await mailbox(reader)).toMatchObject({ received_count: 1 })
  }
  expect(await mailbox(ann)).toEqual({ reputation: 802, sent_count: 1, received_count: 0, bounced_count: 0 })
  const { body } = await ann.get(`/v1/agent/sends/${requestId}`)
  expect(body).toMatchObject({
    status: 'delivered',
    recipients: [{ status: 'delivered' }, { status: 'delivered' }],
  })
  const told = async (tenant: Tenant) =>
    (await all('SELECT type FROM events WHERE tenant_id = ? ORDER BY seq', tenant.id)).map(({ type }) => type)
  expect(await told(ann)).toEqual(['message.sent', 'message.delivered', 'message.delivered'])
  expect(await told(eve)).toEqual(['message.received'])
  expect(await all('SELECT kind FROM traces WHERE send_id = ? ORDER BY seq', requestId)).toEqual([
    { kind: 'decision' },
    { kind: 'delivery' },
  ])
})

test('mail to unknown mailboxes bounces, to some known ones is delivered, to oneself is two views, to others goes to a carrier', async () => {
  const [ann, bob] = await Promise.all([newTenant(), newTenant()])
  const nobody = `nobody-${crypto.randomUUID()}@moltpost.test`
  expect(await write(ann, written([nobody]))).toMatchObject({ status: 'bounced' })
  expect(await mailbox(ann)).toMatchObject({ reputation: 750, bounced_count: 1 })
  expect(await write(ann, written([nobody]))).toMatchObject({ status: 'blocked' })
  const also = `also-${nobody}`
  expect(await write(ann, written([bob.address, also]))).toMatchObject({ status: 'delivered' })
  expect(await mailbox(ann)).toMatchObject({ reputation: 701, bounced_count: 2 })

  expect(await write(bob, written([bob.address]))).toMatchObject({ status: 'delivered' })
  expect((await views(bob)).map(({ folder }) => folder)).toEqual(['inbox', 'inbox', 'sent'])
  expect(await mailbox(bob)).toMatchObject({ reputation: 800 })

  const mixed = await write(ann, written([bob.address, 'out@example.com']))
  expect(mixed).toMatchObject({ status: 'queued' })
  const id = mixed.requestId.replace('req_', 'msg_')
  expect((await views(ann)).at(-1)).toMatchObject({ folder: 'sent', message_id: id })
  await ann.settled(mixed.requestId)
  await eventually(async () => ((await views(bob)).some((view) => view.message_id === id) ? true : undefined))
})

test('mail that is held, stopped at the last moment, or large still arrives through the queue, once', async () => {
  const [ann, bob] = await Promise.all([newTenant({ mailbox: { autonomy: 'review' } }), newTenant()])
  const held = await write(ann, written([bob.address]))
  expect(held).toMatchObject({ status: 'pending_approval' })
  expect(await views(ann)).toHaveLength(1)
  expect(await views(bob)).toEqual([])
  await eventually(async () => {
    const { status } = await ann.owner.patch(`/v1/send/approvals/${held.approvalId}`, {
      decision: 'approved',
    })
    return status === 200 ? true : undefined
  })
  await eventually(async () => ((await views(bob)).length === 1 ? true : undefined))
  expect(await views(ann)).toHaveLength(1)

  const large = await write(
    bob,
    written([ann.address], { payload: { subject: 'Large', text: 'x'.repeat(250_000), html: null } }),
  )
  expect(large).toMatchObject({ status: 'queued' })
  await eventually(async () => ((await views(ann)).length === 2 ? true : undefined))
  const [row] = await all(
    'SELECT text, body_key FROM messages WHERE tenant_id = ? AND subject = ?',
    ann.id,
    'Large',
  )
  expect(row?.text).toBeNull()
  expect(await (await env.MAIL.get(String(row?.body_key)))?.json()).toMatchObject({
    text: 'x'.repeat(250_000),
  })

  // A lease taken between reading the facts and settling stops a message that would have been delivered at once.
  await bob.owner.post('/v1/agent/register', { agentName: 'other' })
  const { env: watched } = counted(env)
  const racing = {
    ...watched,
    RATE_WINDOW: new Proxy(env.RATE_WINDOW, {
      get(windows, name) {
        const value: unknown = Reflect.get(windows, name)
        if (name !== 'get') return typeof value === 'function' ? value.bind(windows) : value
        return (...args: [DurableObjectId]) => {
          const object = windows.get(...args)
          return {
            reserve: async (...asked: Parameters<typeof object.reserve>) => {
              await bob.owner.post('/v1/agent/coordination/lease', {
                agentName: 'other',
                contactEmail: ann.address,
              })
              return await object.reserve(...asked)
            },
            refund: (...given: Parameters<typeof object.refund>) => object.refund(...given),
          }
        }
      },
    }),
  } as unknown as typeof env
  const [raced] = await requestSends({ ...(await doorFor(racing, bob.key)), name: 'moltbotden' }, [
    written([ann.address]),
  ])
  expect(raced).toMatchObject({ status: 'queued' })
  const stopped = await bob.settled(raced && 'requestId' in raced ? String(raced.requestId) : '')
  expect(stopped).toMatchObject({ status: 'blocked', reason: 'lease_conflict' })
  expect(await views(ann)).toHaveLength(2)
})

test('two agents that answer every message are stopped within twenty, and may go on after an hour', async () => {
  const [ann, bob] = await Promise.all([newTenant(), newTenant()])
  await env.DB.prepare('UPDATE mailboxes SET hourly_limit = 1000, daily_limit = 1000 WHERE id IN (?, ?)')
    .bind(ann.mailboxId, bob.mailboxId)
    .run()
  let now = new Date()
  let letters = 0
  let last = await write(ann, written([bob.address]), now)
  for (; last.status === 'delivered' && letters < 100; letters++) {
    now = new Date(now.getTime() + 30_000)
    const [from, to] = letters % 2 === 0 ? [bob, ann] : [ann, bob]
    const messageId = last.requestId.replace('req_', 'msg_')
    const reply = {
      messageId,
      threadId: 'thread_loop',
      rfcId: `${last.requestId}@moltpost.test`,
      references: [],
    }
    last = await write(from, written([to.address], { reply }), now)
  }
  expect(letters).toBeLessThanOrEqual(20)
  expect(letters).toBeGreaterThan(10)
  expect(last).toMatchObject({ status: 'blocked', verdict: { refusal: { reason: 'reply_loop' } } })
  const retryAt = last.verdict?.refusal?.retryAt ?? 0
  expect(retryAt).toBeGreaterThan(now.getTime())
  expect(await write(bob, written([ann.address]), new Date(retryAt + 1))).toMatchObject({
    status: 'delivered',
  })

  // Messages that are not answered are no loop.
  const carol = await newTenant({ mailbox: { hourly_limit: 1000, daily_limit: 1000 } })
  for (let nth = 0; nth < 15; nth++) {
    expect(await write(carol, written([ann.address]))).toMatchObject({ status: 'delivered' })
  }
})
