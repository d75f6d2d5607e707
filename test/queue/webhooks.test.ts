import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { expect, test } from 'vitest'
import { followUp } from '../../src/core/arrivals/follow-up.ts'
import { newCtx } from '../../src/core/ground/ctx.ts'
import { eventStatements, type Happening } from '../../src/core/journal/event-rows.ts'
import { publish } from '../../src/core/publishing/publish.ts'
import { sweepEvents } from '../../src/core/publishing/sweep.ts'
import { attemptDelivery } from '../../src/core/publishing/webhooks/attempt.ts'
import {
  getDelivery,
  listDeliveries,
  replayDead,
  replayDelivery,
} from '../../src/core/publishing/webhooks/deliveries.ts'
import { lockDeliveries } from '../../src/core/publishing/webhooks/lock.ts'
import { newWebhookSecret, signatureHeaders } from '../../src/core/publishing/webhooks/secret.ts'
import { sweepWebhooks } from '../../src/core/publishing/webhooks/sweep.ts'
import {
  createWebhook,
  getWebhook,
  updateWebhook,
  type WebhookRequest,
} from '../../src/core/publishing/webhooks/webhooks.ts'
import type { Env } from '../../src/env.ts'
import { letters, newPerson } from '../support/portal.ts'
import { eventually, newTenant } from '../support/tenant.ts'
import { BELIEVED, NOT_BELIEVED, newEndpoint } from '../support/webhooks.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** So far in the future that no sweep of the Worker looks at it: only the test moves the clock. */
const LATER = new Date(Date.now() + 400 * DAY)
const at = (ms: number) => new Date(LATER.getTime() + ms)

const deaf = { send: async () => undefined, sendBatch: async () => undefined } as unknown
/** The environment without bells, so that nothing happens except what the test does. */
const quiet = { ...env, JOBS: deaf, WEBHOOK: deaf } as Env

const SUPPRESSED: Happening = {
  type: 'suppression.created',
  refs: { suppressionId: 'sup_gone', contact: 'a@example.com' },
}

type Bell = { tenantId: string; deliveryId: string }

/** The bells of a tenant are recorded for the test and not delivered. */
function recording(tenantId: string) {
  const bells: Bell[] = []
  const outboxes: unknown[] = []
  const env = {
    ...quiet,
    WEBHOOK: {
      sendBatch: async (all: Iterable<{ body: Bell }>) =>
        void bells.push(...[...all].map(({ body }) => body).filter((bell) => bell.tenantId === tenantId)),
    },
    JOBS: { send: async (body: unknown) => void outboxes.push(body) },
  } as unknown as Env
  return { env, bells, outboxes }
}

/** A tenant with a webhook, as rows of the core. */
async function newHook(url: string, request: Partial<WebhookRequest> = {}, when = LATER) {
  const tenant = await newTenant()
  const ctx = newCtx(quiet, when, tenant.id, { kind: 'system', name: 'test' })
  const wanted = { url, eventTypes: [], description: null, isActive: true, agentId: null }
  const webhook = await createWebhook(ctx, { ...wanted, ...request })
  return { tenant, ctx, webhook }
}

/** Publishes this many events and returns the bells of their deliveries, oldest first. */
async function happen(tenantId: string, count: number, when: Date) {
  const happenings = Array.from({ length: count }, () => SUPPRESSED)
  await env.DB.batch(eventStatements(env, tenantId, happenings, when))
  while ((await publish(quiet, when, tenantId, followUp)) > 0);
  const { results } = await env.DB.prepare(
    `SELECT d.id FROM webhook_deliveries d JOIN events e ON e.tenant_id = d.tenant_id AND e.id = d.event_id
     WHERE d.tenant_id = ?1 AND d.created_at = ?2 ORDER BY e.seq`,
  )
    .bind(tenantId, when.getTime())
    .all<{ id: string }>()
  return results.map(({ id }) => ({ tenantId, deliveryId: id }))
}

/** One turn of the consumer at a given time. */
async function work(bells: Bell[], when: Date, with_ = quiet) {
  const claimed = await lockDeliveries(with_, bells, when)
  return await Promise.all(
    claimed.map((each) => attemptDelivery(with_, each, { clock: () => when, random: () => 0.5 })),
  )
}

type Row = {
  state: string
  attempts: number
  next_at: number | null
  error: string | null
  status_code: number | null
}

async function rowOf({ tenantId, deliveryId }: Bell) {
  const row = await env.DB.prepare('SELECT * FROM webhook_deliveries WHERE tenant_id = ?1 AND id = ?2')
    .bind(tenantId, deliveryId)
    .first<Row>()
  if (!row) throw new Error('no such delivery')
  return row
}

test("an event reaches a webhook at once, with a signature that two receivers' libraries accept", async () => {
  const tenant = await newTenant()
  const endpoint = await newEndpoint()
  const { body: hook } = await tenant.post('/v1/webhooks', {
    url: endpoint.url,
    event_types: ['suppression.created'],
  })
  await tenant.post('/v1/suppressions', {
    recipientEmail: 'ann@example.com',
    reasonCode: 'manual_dnc',
    source: '“a\u2028b”\\"🦞',
  })
  const heard = await eventually(async () => {
    const all = await endpoint.heard()
    return all.length > 0 ? all : undefined
  })
  const [first] = heard
  if (!first) throw new Error('nothing was heard')
  expect(await endpoint.believed(hook.secret, first)).toEqual(BELIEVED)
  expect(await endpoint.believed(newWebhookSecret(), first)).toEqual(NOT_BELIEVED)
  expect(await endpoint.believed(hook.secret, { ...first, body: `${first.body} ` })).toEqual(NOT_BELIEVED)
  expect(first.headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'Moltpost' })
  const event = JSON.parse(first.body)
  expect(event).toMatchObject({
    id: first.headers['webhook-id'],
    type: 'suppression.created',
    tenant_id: tenant.id,
    data: { suppression: { recipient_email: 'ann@example.com', scope: 'tenant', source: '“a\u2028b”\\"🦞' } },
  })
  const history = await tenant.get('/v1/agent/events?type=suppression.created')
  expect(history.body.items[0]).toEqual(event)
  // Asked again, the address is already on the list, so there is no new event.
  await tenant.post('/v1/suppressions', { recipientEmail: 'ann@example.com', reasonCode: 'manual_dnc' })
  expect((await tenant.get('/v1/agent/events?type=suppression.created')).body.items).toHaveLength(
    history.body.items.length,
  )
})

test('every body has a signature that two independent verifiers accept, and a changed body does not', () => {
  const secrets = { secret: newWebhookSecret(), replacedSecrets: [] }
  expect(atob(secrets.secret.slice('whsec_'.length))).toHaveLength(32)
  fc.assert(
    fc.property(fc.jsonValue(), fc.string({ unit: 'binary' }), (value, text) => {
      const body = JSON.stringify({ value, text })
      const headers = signatureHeaders(secrets, 'evt_1', new Date(), body)
      for (const Library of [StandardWebhook, SvixWebhook]) {
        expect(() => new Library(secrets.secret).verify(body, headers)).not.toThrow()
        expect(() => new Library(secrets.secret).verify(`${body}\n`, headers)).toThrow()
      }
    }),
    { numRuns: 1_000 },
  )
})

test('ten concurrent publishers publish each event once, to the webhooks that want it', async () => {
  const { tenant, ctx, webhook } = await newHook((await newEndpoint()).url)
  const hook = async (request: Partial<WebhookRequest>) => {
    const url = (await newEndpoint()).url
    return await createWebhook(ctx, {
      url,
      eventTypes: [],
      description: null,
      isActive: true,
      agentId: null,
      ...request,
    })
  }
  const bounces = await hook({ eventTypes: ['message.bounced', 'message.bounced'] })
  const off = await hook({ isActive: false })
  const ofAgent = await hook({ agentId: tenant.agentId })
  const { body: other } = await tenant.owner.post('/v1/agent/register', { agentName: 'other' })
  const ofOther = await hook({ agentId: other.id })
  const young = await createWebhook(newCtx(quiet, at(1), tenant.id, ctx.actor), {
    ...{ url: webhook.url, eventTypes: [], description: null, isActive: true, agentId: null },
  })
  const bounced: Happening = {
    type: 'message.bounced',
    mailboxId: tenant.mailboxId,
    refs: { recipient: 'b@example.com', code: '5.1.1' },
  }
  const happenings = Array.from({ length: 250 }, (_, index) => (index % 5 === 0 ? bounced : SUPPRESSED))
  await env.DB.batch(eventStatements(env, tenant.id, happenings, LATER))
  let published = 0
  for (let round = 0; round < 4; round++) {
    const counts = await Promise.all(
      Array.from({ length: 10 }, () => publish(quiet, LATER, tenant.id, followUp)),
    )
    published += counts.reduce((sum, count) => sum + count, 0)
  }
  expect(published).toBe(250)
  const { results } = await env.DB.prepare(
    'SELECT webhook_id, count(*) AS n, count(DISTINCT event_id) AS events FROM webhook_deliveries WHERE tenant_id = ?1 GROUP BY 1',
  )
    .bind(tenant.id)
    .all<{ webhook_id: string; n: number; events: number }>()
  const counts = Object.fromEntries(results.map(({ webhook_id, n, events }) => [webhook_id, [n, events]]))
  expect(counts).toEqual({ [webhook.id]: [250, 250], [bounces.id]: [50, 50], [ofAgent.id]: [50, 50] })
  expect([off, ofOther, young].map(({ id }) => counts[id])).toEqual([undefined, undefined, undefined])
})

test('a failed delivery is repeated by the schedule, with the same id and bytes, until it arrives', async () => {
  const endpoint = await newEndpoint([500, 404, 302, 204], {
    headers: { location: `${(await newEndpoint()).url}` },
  })
  const { tenant, ctx, webhook } = await newHook(endpoint.url)
  const [bell] = await happen(tenant.id, 1, LATER)
  if (!bell) throw new Error('no delivery')
  let now = LATER
  for (const wait of [5 * SECOND, 5 * MINUTE, 30 * MINUTE]) {
    expect(await work([bell], now)).toMatchObject([{ delivered: false }])
    const { next_at } = await rowOf(bell)
    expect(next_at).toBe(now.getTime() + wait)
    expect(await work([bell], new Date((next_at ?? 0) - 1))).toEqual([])
    now = new Date(next_at ?? 0)
  }
  expect(await work([bell], now)).toEqual([{ delivered: true, statusCode: 204, error: null }])
  expect(await work([bell], at(30 * DAY))).toEqual([])
  const heard = await endpoint.heard()
  expect(heard).toHaveLength(4)
  expect(new Set(heard.map(({ body }) => body)).size).toBe(1)
  expect(new Set(heard.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
  expect(new Set(heard.map(({ headers }) => headers['webhook-timestamp'])).size).toBe(4)
  const { delivery, attempts } = await getDelivery(ctx, webhook.id, bell.deliveryId)
  expect(delivery).toMatchObject({
    state: 'delivered',
    attempts: 4,
    statusCode: 204,
    error: null,
    nextAt: null,
  })
  expect(attempts.map(({ statusCode, error }) => [statusCode, error])).toEqual([
    [500, 'http_500'],
    [404, 'http_404'],
    [302, 'http_302'],
    [204, null],
  ])
  expect(attempts[0]).toMatchObject({ response: 'thank you', request: heard[0]?.body.slice(0, 1_024) })
  expect((await getWebhook(ctx, webhook.id)).webhook.failingSince).toBeNull()
})

test('after ten attempts in three days a delivery is dead and listed, and its replay starts again with the same id', async () => {
  const endpoint = await newEndpoint([503])
  const { tenant, ctx, webhook } = await newHook(endpoint.url)
  const [bell] = await happen(tenant.id, 1, LATER)
  if (!bell) throw new Error('no delivery')
  let now = LATER
  for (let attempt = 1; attempt <= 10; attempt++) {
    expect(await work([bell], now)).toHaveLength(1)
    const { next_at } = await rowOf(bell)
    now = new Date(next_at ?? now)
  }
  expect(now.getTime() - LATER.getTime()).toBe(5 * SECOND + 35 * MINUTE + (2 + 5 + 10 + 14 + 20 + 24) * HOUR)
  expect(await listDeliveries(ctx, webhook.id, { state: 'dead', limit: 10 })).toMatchObject([
    { id: bell.deliveryId, attempts: 10, statusCode: 503, error: 'http_503' },
  ])
  await endpoint.answer([200])
  const after = newCtx(quiet, new Date(now.getTime() + DAY), tenant.id, ctx.actor)
  expect(await replayDead(after, webhook.id, new Date(now.getTime() + 1))).toBe(0)
  expect(await replayDead(after, webhook.id, LATER)).toBe(1)
  expect(await work([bell], after.now)).toMatchObject([{ delivered: true }])
  expect(await replayDelivery(after, webhook.id, bell.deliveryId)).toMatchObject({
    state: 'pending',
    attempts: 0,
  })
  expect(await work([bell], after.now)).toMatchObject([{ delivered: true }])
  const heard = await endpoint.heard()
  expect(heard).toHaveLength(12)
  expect(new Set(heard.map(({ headers, body }) => `${headers['webhook-id']} ${body}`)).size).toBe(1)
  const { attempts } = await getDelivery(ctx, webhook.id, bell.deliveryId)
  expect(attempts.map(({ attempt }) => attempt)).toEqual(Array.from({ length: 12 }, (_, index) => index + 1))
})

test('410 or five days of only failures switch a webhook off; switched on again, it starts afresh', async () => {
  const gone = await newEndpoint([410])
  const { tenant, ctx, webhook } = await newHook(gone.url)
  const [first, second] = await happen(tenant.id, 2, LATER)
  if (!first || !second) throw new Error('no deliveries')
  await work([first], LATER)
  expect((await getWebhook(ctx, webhook.id)).webhook).toMatchObject({
    isActive: false,
    disabledReason: 'gone',
  })
  expect(await work([first, second], at(MINUTE))).toEqual([])
  expect(await rowOf(second)).toMatchObject({ state: 'dead', error: 'webhook_disabled', attempts: 0 })
  expect(await happen(tenant.id, 1, at(2 * MINUTE))).toEqual([])
  expect(await gone.heard()).toHaveLength(1)
  await expect(replayDelivery(ctx, webhook.id, second.deliveryId)).rejects.toMatchObject({ code: 'conflict' })
  expect(await updateWebhook(ctx, webhook.id, { isActive: true })).toMatchObject({
    ...{ isActive: true, disabledReason: null, failingSince: null },
  })

  const failing = await newHook((await newEndpoint([500])).url)
  for (const [ms, isActive] of [
    [0, true],
    [4 * DAY, true],
    [5 * DAY - 1, true],
    [5 * DAY, false],
  ] as const) {
    await work(await happen(failing.tenant.id, 1, at(ms)), at(ms))
    const { webhook: now } = await getWebhook(failing.ctx, failing.webhook.id)
    expect([ms, now.isActive, now.disabledReason]).toEqual([ms, isActive, isActive ? null : 'failing'])
    expect(now.failingSince).toEqual(LATER)
  }
  await publish(quiet, at(5 * DAY), failing.tenant.id, followUp)
  const { body: history } = await failing.tenant.owner.get('/v1/agent/events?type=webhook.disabled')
  expect(history.items).toMatchObject([{ data: { webhook_id: failing.webhook.id, reason: 'failing' } }])
})

test('when a webhook is switched off, the others get an event and the owners a mail, once a day', async () => {
  const tenant = await newTenant()
  const { email } = await newPerson(tenant.id, 'owner')
  const { email: viewer } = await newPerson(tenant.id, 'viewer')
  const [gone, other] = [await newEndpoint([410]), await newEndpoint()]
  const { body: hook } = await tenant.post('/v1/webhooks', {
    url: gone.url,
    event_types: ['suppression.created'],
  })
  await tenant.post('/v1/webhooks', { url: other.url, event_types: ['webhook.disabled'] })
  const suppress = (name: string) =>
    tenant.post('/v1/suppressions', { recipientEmail: `${name}@example.com`, reasonCode: 'manual_dnc' })
  const heard = async (many: number) =>
    await eventually(async () => ((await other.heard()).length === many ? await other.heard() : undefined))
  await suppress('ann')
  const [first] = await heard(1)
  expect(JSON.parse(first?.body ?? '')).toMatchObject({
    type: 'webhook.disabled',
    data: { webhook_id: hook.id, reason: 'gone' },
  })
  const [letter] = await letters(email, 'A webhook was switched off')
  expect(letter?.text).toContain('answered 410')
  expect(letter?.text).toContain(`/portal/webhooks/${hook.id}`)
  expect(letter?.text).toContain(`| ${new URL(gone.url).host}`)
  expect(letter?.text).not.toContain(new URL(gone.url).pathname)

  await tenant.patch(`/v1/webhooks/${hook.id}`, { is_active: true })
  await suppress('eve')
  await heard(2)
  const { results } = await env.DB.prepare('SELECT email FROM send_recipients WHERE email IN (?1, ?2)')
    .bind(email, viewer)
    .all()
  expect(results).toEqual([{ email }])
})

/** Makes one replaced secret of a webhook expire. */
async function endDayOf(webhookId: string, secret: string) {
  const { meta } = await env.DB.prepare(
    `UPDATE webhooks SET replaced_secrets = (SELECT json_group_array(json(
       iif(value ->> 'secret' = ?2, json_set(value, '$.until', ?3), value))) FROM json_each(replaced_secrets))
     WHERE id = ?1 AND instr(replaced_secrets, ?2) > 0`,
  )
    .bind(webhookId, secret, Date.now() - 1)
    .run()
  expect(meta.changes).toBe(1)
}

test('for a day after a rotation both secrets sign, and then the new one alone', async () => {
  const tenant = await newTenant()
  const endpoint = await newEndpoint()
  const { body: hook } = await tenant.post('/v1/webhooks', { url: endpoint.url, event_types: ['ping'] })
  const { body: rotated } = await tenant.post(`/v1/webhooks/${hook.id}/rotate-secret`)
  expect(rotated.secret).not.toBe(hook.secret)
  await tenant.post(`/v1/webhooks/${hook.id}/test`)
  await endDayOf(hook.id, hook.secret)
  await tenant.post(`/v1/webhooks/${hook.id}/test`)
  const [during, after] = await endpoint.heard()
  if (!during || !after) throw new Error('nothing was heard')
  expect(during.headers['webhook-signature']?.split(' ')).toHaveLength(2)
  expect(await endpoint.believed(hook.secret, during)).toEqual(BELIEVED)
  expect(await endpoint.believed(rotated.secret, during)).toEqual(BELIEVED)
  expect(await endpoint.believed(hook.secret, after)).toEqual(NOT_BELIEVED)
  expect(await endpoint.believed(rotated.secret, after)).toEqual(BELIEVED)
})

test('several rotations, in a row or at once, leave each old secret valid for its day', async () => {
  const tenant = await newTenant()
  const endpoint = await newEndpoint()
  const { body: hook } = await tenant.post('/v1/webhooks', { url: endpoint.url, event_types: ['ping'] })
  const rotate = async () =>
    (await tenant.post(`/v1/webhooks/${hook.id}/rotate-secret`)).body.secret as string
  const lost = await rotate()
  const newer = await Promise.all([rotate(), rotate()])
  const judged = async () => {
    await tenant.post(`/v1/webhooks/${hook.id}/test`)
    const last = (await endpoint.heard()).at(-1)
    if (!last) throw new Error('nothing was heard')
    const believed = await Promise.all(
      [hook.secret, lost, ...newer].map((each) => endpoint.believed(each, last)),
    )
    return { believed, signatures: last.headers['webhook-signature']?.split(' ').length }
  }
  expect(await judged()).toEqual({ believed: Array(4).fill(BELIEVED), signatures: 4 })
  // Only the first secret has expired.
  await endDayOf(hook.id, hook.secret)
  expect(await judged()).toMatchObject({ believed: [NOT_BELIEVED, BELIEVED, BELIEVED, BELIEVED] })
  for (let count = 0; count < 5; count++) await rotate()
  expect((await judged()).signatures).toBe(5)
})

test('a redirect is an answer and not followed, and a forbidden URL is a failed attempt without a call', async () => {
  const target = await newEndpoint()
  const redirecting = await newEndpoint([307], { headers: { location: target.url } })
  const { tenant, ctx, webhook } = await newHook(redirecting.url)
  const [bell] = await happen(tenant.id, 1, LATER)
  if (!bell) throw new Error('no delivery')
  expect(await work([bell], LATER)).toEqual([{ delivered: false, statusCode: 307, error: 'http_307' }])
  expect(await target.heard()).toEqual([])

  const [refused] = await work([bell], at(MINUTE), { ...quiet, EGRESS_ALLOW: '' })
  expect(refused).toMatchObject({ delivered: false, statusCode: null })
  expect(refused?.error).toMatch(/^egress_refused: must /)
  expect(await redirecting.heard()).toHaveLength(1)
  const { attempts } = await getDelivery(ctx, webhook.id, bell.deliveryId)
  expect(attempts[1]).toMatchObject({ statusCode: null, error: refused?.error, response: null })
})

test('of ten consumers one gets a delivery; an answer that comes too late changes nothing', async () => {
  const endpoint = await newEndpoint([500, 200])
  const { tenant, ctx, webhook } = await newHook(endpoint.url)
  const [bell] = await happen(tenant.id, 1, LATER)
  if (!bell) throw new Error('no delivery')
  const claims = await Promise.all(Array.from({ length: 10 }, () => lockDeliveries(quiet, [bell], LATER)))
  const [slow, ...others] = claims.flat()
  if (!slow) throw new Error('nobody got it')
  expect(others).toEqual([])
  expect(await lockDeliveries(quiet, [bell], at(29 * SECOND))).toEqual([])
  const [next] = await lockDeliveries(quiet, [bell], at(31 * SECOND))
  if (!next) throw new Error('nobody took it over')
  await attemptDelivery(quiet, slow, { clock: () => at(32 * SECOND) })
  expect(await rowOf(bell)).toMatchObject({ state: 'pending', attempts: 2, status_code: null, error: null })
  expect((await getWebhook(ctx, webhook.id)).webhook.failingSince).toBeNull()
  await attemptDelivery(quiet, next, { clock: () => at(33 * SECOND) })
  await attemptDelivery(quiet, { ...next, token: '' }, { clock: () => at(34 * SECOND) })
  const { delivery, attempts } = await getDelivery(ctx, webhook.id, bell.deliveryId)
  expect(delivery).toMatchObject({ state: 'delivered', statusCode: 200 })
  expect(attempts).toMatchObject([{ attempt: 1, statusCode: 200 }])
})

/** How many deliveries of a tenant wait for their webhook, and how many attempts were made in all. */
async function crowdOf(tenantId: string) {
  return await env.DB.prepare(
    `SELECT coalesce(sum(is_waiting), 0) AS waiting, coalesce(sum(attempts), 0) AS attempts,
       coalesce(sum(state = 'delivered'), 0) AS delivered, coalesce(sum(state = 'dead'), 0) AS dead
     FROM webhook_deliveries WHERE tenant_id = ?1`,
  )
    .bind(tenantId)
    .first()
}

test('at most twenty attempts of a webhook run at once; the others wait, and each that ends starts the next, oldest first', async () => {
  const endpoint = await newEndpoint()
  const { tenant } = await newHook(endpoint.url)
  const bells = await happen(tenant.id, 60, LATER)
  const { env: heard, bells: rung } = recording(tenant.id)
  const open = await lockDeliveries(heard, bells, LATER)
  expect(open).toHaveLength(20)
  expect(await crowdOf(tenant.id)).toMatchObject({ waiting: 40 })
  // The webhook is full, so a new delivery waits from the start.
  expect(await happen(tenant.id, 1, at(1))).toHaveLength(1)
  expect(await crowdOf(tenant.id)).toMatchObject({ waiting: 41 })
  expect(rung).toEqual([])
  const ended: string[] = []
  for (let next = open.shift(); next; next = open.shift()) {
    await attemptDelivery(heard, next, { clock: () => at(2) })
    ended.push(next.id)
    open.push(...(await lockDeliveries(heard, rung.splice(0), at(2))))
    expect(open.length).toBeLessThanOrEqual(20)
  }
  expect(ended.slice(20)).toEqual(ended.slice(20).toSorted())
  expect(await crowdOf(tenant.id)).toEqual({ waiting: 0, attempts: 61, delivered: 61, dead: 0 })
})

test('a failing webhook gets one attempt at a time while its other deliveries wait, and once it answers it soon gets all', async () => {
  const endpoint = await newEndpoint([500])
  const { tenant } = await newHook(endpoint.url)
  const { env: heard, bells: rung } = recording(tenant.id)
  const healthy = await lockDeliveries(heard, await happen(tenant.id, 20, LATER), LATER)
  await Promise.all(healthy.map((each) => attemptDelivery(heard, each, { clock: () => LATER })))
  expect(rung.splice(0)).toHaveLength(20)
  // After ten seconds of failures one is running, the others wait, and its failure releases none.
  const bells = await happen(tenant.id, 30, at(11 * SECOND))
  const alone = await lockDeliveries(heard, bells, at(11 * SECOND))
  expect(alone).toHaveLength(1)
  expect(await crowdOf(tenant.id)).toMatchObject({ waiting: 29 })
  await Promise.all(alone.map((each) => attemptDelivery(heard, each, { clock: () => at(12 * SECOND) })))
  expect(rung.splice(0)).toEqual(alone.map(({ tenantId, id }) => ({ tenantId, deliveryId: id })))
  expect(await lockDeliveries(heard, bells, at(13 * SECOND))).toEqual([])

  // A minute after the first began to wait, the sweep releases one.
  const isFresh = ({ deliveryId }: Bell) =>
    bells.some((bell) => bell.deliveryId === deliveryId) && deliveryId !== alone[0]?.id
  await sweepWebhooks(heard, at(70 * SECOND))
  expect(rung.splice(0).filter(isFresh)).toEqual([])
  await sweepWebhooks(heard, at(71 * SECOND))
  const released = rung.splice(0).filter(isFresh)
  expect(released).toHaveLength(1)
  await endpoint.answer([200])
  const together: number[] = []
  for (let turn = released; turn.length > 0; ) {
    const claimed = await lockDeliveries(heard, turn, at(72 * SECOND))
    together.push(claimed.length)
    await Promise.all(claimed.map((each) => attemptDelivery(heard, each, { clock: () => at(72 * SECOND) })))
    turn = rung.splice(0)
  }
  expect(together.slice(0, 4)).toEqual([1, 2, 4, 8])
  expect(together.reduce((sum, count) => sum + count)).toBe(29)
  expect(await crowdOf(tenant.id)).toMatchObject({ waiting: 0, delivered: 29 })
})

test('waiting deliveries survive dying consumers, end when the webhook is switched off, and a replay of many works the same', async () => {
  const endpoint = await newEndpoint()
  const { tenant, ctx, webhook } = await newHook(endpoint.url)
  const { env: heard, bells: rung } = recording(tenant.id)
  const bells = await happen(tenant.id, 50, LATER)
  expect(await lockDeliveries(heard, bells, LATER)).toHaveLength(20)
  // No consumer comes back: the locks expire, and one attempt starts all others.
  const drain = async (when: Date) => {
    let made = 0
    for (let turn = rung.splice(0); turn.length > 0; turn = rung.splice(0)) {
      made += (await work(turn, when, heard)).length
    }
    return made
  }
  await sweepWebhooks(heard, at(2 * MINUTE))
  expect(await drain(at(2 * MINUTE))).toBe(50)
  expect(await crowdOf(tenant.id)).toEqual({ waiting: 0, attempts: 70, delivered: 50, dead: 0 })

  const later = await happen(tenant.id, 40, at(3 * MINUTE))
  expect(await lockDeliveries(heard, later, at(3 * MINUTE))).toHaveLength(20)
  const when = (ms: number) => newCtx(heard, at(ms), tenant.id, ctx.actor)
  await updateWebhook(when(4 * MINUTE), webhook.id, { isActive: false })
  await sweepWebhooks(heard, at(4 * MINUTE))
  expect(await crowdOf(tenant.id)).toMatchObject({ waiting: 0, dead: 20 })
  await updateWebhook(when(5 * MINUTE), webhook.id, { isActive: true })
  await sweepWebhooks(heard, at(6 * MINUTE))
  await drain(at(6 * MINUTE))
  expect(await crowdOf(tenant.id)).toMatchObject({ waiting: 0, delivered: 70, dead: 20 })

  expect(await replayDead(when(7 * MINUTE), webhook.id, LATER)).toBe(20)
  expect(await drain(at(7 * MINUTE))).toBe(20)
  expect(await crowdOf(tenant.id)).toMatchObject({ waiting: 0, delivered: 90, dead: 0 })
  await sweepWebhooks(heard, at(HOUR))
  expect(await getWebhook(ctx, webhook.id)).toMatchObject({ webhook: { releaseAt: null } })
})

test('an endpoint that hangs delays no other, neither in its batch nor after it', async () => {
  const [hanging, healthy] = [await newEndpoint(['hang']), await newEndpoint()]
  const tenant = await newTenant()
  for (const { url } of [hanging, healthy]) {
    await tenant.post('/v1/webhooks', { url, event_types: ['suppression.created'] })
  }
  const begun = Date.now()
  for (let count = 0; count < 12; count++) {
    await tenant.post('/v1/suppressions', {
      recipientEmail: `hang.${count}@example.com`,
      reasonCode: 'manual_dnc',
    })
  }
  const heard = await eventually(async () => {
    const all = await healthy.heard()
    return all.length === 12 ? all : undefined
  })
  expect((await hanging.heard()).length).toBeGreaterThan(0)
  expect(Date.now() - begun).toBeLessThan(12_000)
  expect(new Set(heard.map(({ headers }) => headers['webhook-id'])).size).toBe(12)
})

test('the sweep rings for due deliveries, many waiting for one webhook leave room for others, and old events are deleted', async () => {
  const { tenant, ctx, webhook } = await newHook((await newEndpoint()).url, {}, at(-40 * DAY))
  const { env: heard, bells, outboxes } = recording(tenant.id)
  await happen(tenant.id, 70, at(-31 * DAY))
  await env.DB.batch(eventStatements(env, tenant.id, [SUPPRESSED], at(-MINUTE)))
  await sweepWebhooks(heard, LATER)
  await sweepEvents(heard, LATER)
  expect(bells.filter(({ tenantId }) => tenantId === tenant.id)).toHaveLength(50)
  expect(outboxes.filter((body) => JSON.stringify(body).includes(tenant.id))).toHaveLength(1)
  expect(await listDeliveries(ctx, webhook.id, { limit: 100 })).toEqual([])
  const left = await env.DB.prepare('SELECT count(*) AS n FROM events WHERE tenant_id = ?1')
    .bind(tenant.id)
    .first()
  expect(left).toEqual({ n: 1 })
})
