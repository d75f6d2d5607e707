import { createExecutionContext, createMessageBatch, getQueueResult } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { carrierPort } from '../../src/carriers/index.ts'
import { deliverSend } from '../../src/core/delivery/deliver.ts'
import { sweep } from '../../src/core/overview/sweep.ts'
import { requestSends } from '../../src/core/sending/request.ts'
import worker from '../../src/index.ts'
import { doorFor, welcome } from '../support/door.ts'
import { newTenant, type Tenant } from '../support/tenant.ts'
import { counted } from '../support/waits.ts'

async function deliverBatch(queue: string, ...bodies: unknown[]) {
  const messages = bodies.map((body, i) => ({ id: `m${i}`, timestamp: new Date(), attempts: 1, body }))
  const batch = createMessageBatch(queue, messages)
  const ctx = createExecutionContext()
  await worker.queue(batch, env)
  return await getQueueResult(batch, ctx)
}

/** A queued send whose bell was not rung. */
async function queuedSend(tenant: Tenant, to: string) {
  const { env: muted } = counted(env, { mute: true })
  const [sent] = await requestSends(await doorFor(muted, tenant.key), [welcome(to, to)])
  return { tenantId: tenant.id, sendId: String(sent?.requestId) }
}

const kindsOf = async (tenant: Tenant, sendId: string) =>
  (await tenant.get(`/v1/agent/sends/${sendId}`)).body.trace.map((step: { kind: string }) => step.kind)

test('a bell that rings twice, or for an unknown send, is acknowledged and works once', async () => {
  const tenant = await newTenant()
  const bell = await queuedSend(tenant, 'ann@example.com')
  const nobody = { tenantId: tenant.id, sendId: 'req_unknown' }
  const rendered = await deliverBatch('render', bell, bell, nobody)
  expect(rendered.explicitAcks).toHaveLength(3)
  await Promise.all([1, 2, 3].map(() => deliverBatch('deliver', bell, bell)))
  expect(await kindsOf(tenant, bell.sendId)).toEqual(['decision', 'render', 'routing', 'delivery'])
  const again = await deliverBatch('deliver', bell)
  expect(again.explicitAcks).toEqual(['m0'])
  expect(await kindsOf(tenant, bell.sendId)).toHaveLength(4)
})

test('a message that no consumer can read, or that a queue gave up on, becomes a dead letter', async () => {
  const tenant = await newTenant()
  const bell = await queuedSend(tenant, 'ann@example.com')
  for (const queue of ['render-dead', 'deliver-dead', 'webhook-dead', 'jobs-dead']) {
    expect((await deliverBatch(queue, bell)).explicitAcks).toEqual(['m0'])
  }
  expect((await deliverBatch('webhook', bell)).explicitAcks).toEqual(['m0'])
  expect((await deliverBatch('render', { nonsense: true }, 'text', null)).explicitAcks).toHaveLength(3)
  const { body } = await tenant.get('/v1/agent/dead-letters')
  expect(body.items.map((letter: { queue: string }) => letter.queue).sort()).toEqual([
    ...['deliver', 'jobs', 'render', 'webhook', 'webhook'],
  ])
  expect(body.items.every((letter: { requestId: string }) => letter.requestId === bell.sendId)).toBe(true)
})

test('a failing consumer returns its messages, and the sweep rings for those that the queue lost', async () => {
  const tenant = await newTenant()
  const bell = await queuedSend(tenant, 'ann@example.com')
  const broken = {
    ...env,
    MAIL: new Proxy(env.MAIL, { get: () => () => Promise.reject(new Error('storage is down')) }),
  }
  const healthy = { tenantId: tenant.id, sendId: 'req_unknown' }
  const messages = [bell, healthy].map((body, i) => ({
    id: `m${i}`,
    timestamp: new Date(),
    attempts: 1,
    body,
  }))
  const batch = createMessageBatch('render', messages)
  await worker.queue(batch, broken)
  const given = await getQueueResult(batch, createExecutionContext())
  expect(given).toMatchObject({ retryMessages: [{ msgId: 'm0' }], explicitAcks: ['m1'] })

  expect(await kindsOf(tenant, bell.sendId)).toEqual(['decision'])
  await sweep(env, new Date(Date.now() + 30_000))
  expect((await tenant.get(`/v1/agent/sends/${bell.sendId}`)).body.status).toBe('rendering')
  const rung: unknown[] = []
  const listening = {
    ...env,
    RENDER: {
      send: async (body: unknown) => rung.push(body),
      sendBatch: async (messages: { body: unknown }[]) => rung.push(...messages.map(({ body }) => body)),
    },
  } as unknown as typeof env
  await sweep(listening, new Date(Date.now() + 91_000))
  expect(rung).toContainEqual(bell)
})

test('the ninth lock without progress makes a dead letter, and its replay goes on where it stopped', async () => {
  const tenant = await newTenant()
  const bell = await queuedSend(tenant, 'ann@example.com')
  await deliverBatch('render', bell)
  await env.DB.prepare('UPDATE sends SET locks = 8 WHERE id = ?').bind(bell.sendId).run()
  await deliverSend(env, bell, carrierPort(env), () => new Date())
  expect((await tenant.get(`/v1/agent/sends/${bell.sendId}`)).body).toMatchObject({
    status: 'failed',
    reason: 'dead_letter',
  })
  const [letter] = (await tenant.get('/v1/agent/dead-letters')).body.items
  const replayed = await tenant.post(`/v1/agent/dead-letters/${letter.id}/replay`)
  expect(replayed).toMatchObject({ status: 200, body: { replayedAt: expect.any(String) } })
  expect((await tenant.settled(bell.sendId)).status).toBe('delivered')
  expect((await tenant.post(`/v1/agent/dead-letters/${letter.id}/replay`)).body).toEqual(replayed.body)
  expect((await tenant.get('/v1/agent/dead-letters')).body.items).toEqual([])
})
