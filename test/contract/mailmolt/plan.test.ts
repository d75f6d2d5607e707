import { expect, test } from 'vitest'
import { call, newTenant, type Tenant } from '../../support/tenant.ts'

const NAMES = ['', '-daily-limit', '-daily-remaining', '-monthly-limit', '-monthly-remaining']
const plan = ({ headers }: { headers: Headers }) =>
  NAMES.map((name) => {
    const text = headers.get(`x-mailmolt-plan${name}`)
    return name === '' ? text : Number(text ?? Number.NaN)
  })
const send = (from: Pick<Tenant, 'post'>, at: number, change = {}) =>
  from.post('/v1/messages', { to: `nobody-${at}@example.com`, subject: 'Hello', text: 'Hello', ...change })
/** Uses this much of the plan by sends of another API. */
const spend = async (tenant: Tenant, count: number) => {
  const sends = Array.from({ length: count }, (_, at) => ({
    ...{ recipientEmail: `spent-${at}@example.com`, dedupeKey: `spent-${at}`, payload: { firstName: 'Ann' } },
  }))
  const { body } = await tenant.post('/v1/agent/batch/request-send', { templateId: 'welcome', sends })
  expect(body.queued).toBe(count)
}
const WIDE = { hourly_limit: 10_000, daily_limit: 10_000 }
const CAPPED = {
  error: 'plan_limit_exceeded',
  message: expect.stringContaining('100'),
  upgrade_url: expect.stringMatching(/^https?:\/\//),
  plan: 'free',
}

test('"Daily or monthly send cap exceeded": of 50 concurrent sends with 17 left, 17 are sent, the others are 402, and all headers are right', async () => {
  const ann = await newTenant({ mailbox: WIDE })
  await spend(ann, 83)
  const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => send(ann, at)))
  const sent = answers.filter(({ status }) => status === 202)
  const capped = answers.filter(({ status }) => status === 402)
  expect([sent.length, capped.length]).toEqual([17, 33])
  for (const answer of capped) {
    expect(answer.body).toEqual(CAPPED)
    expect(plan(answer)).toEqual(['free', 100, 0, 3000, 2900])
    expect(answer.headers.get('retry-after')).toBeNull()
  }
  const { pathname } = new URL(capped[0]?.body.upgrade_url)
  expect((await call('GET', pathname, { headers: { accept: 'text/html' } })).status).toBe(200)
  for (const answer of sent) {
    const [name, day, dayLeft, month, monthLeft] = plan(answer)
    expect([name, day, month]).toEqual(['free', 100, 3000])
    expect(dayLeft).toBeGreaterThanOrEqual(0)
    expect(dayLeft).toBeLessThanOrEqual(16)
    expect(Number(monthLeft) - Number(dayLeft)).toBe(2900)
  }
  expect(Math.min(...sent.map((answer) => Number(plan(answer)[2])))).toBe(0)

  // Refusals for other reasons use nothing of the plan, and report its usage.
  const [one] = sent
  for (const [answer, status] of [
    [await send(ann, 0, { to: 'nobody' }), 422],
    [await send(ann, 0, { attachments: [{ filename: 'a.exe', content_base64: '' }] }), 422],
    [await ann.post(`/v1/messages/${one?.body.message.id}/reply`, { text: 'Again' }), 402],
    [await ann.post('/v1/messages/msg_nobody/reply', { text: 'Again' }), 404],
  ] as const) {
    expect(answer.status).toBe(status)
    expect(plan(answer)).toEqual(['free', 100, 0, 3000, 2900])
  }
})

test('a plan belongs to the owner: sends of all its mailboxes and APIs count, held sends and repeats do not', async () => {
  const ann = await newTenant({ mailbox: WIDE })
  await spend(ann, 98)
  const key = { 'idempotency-key': 'one' }
  const body = { to: 'a@example.com', subject: 'Hello', text: 'Hello' }
  expect(plan(await ann.post('/v1/messages', body, key))).toEqual(['free', 100, 1, 3000, 2901])
  expect(plan(await ann.post('/v1/messages', body, key))).toEqual(['free', 100, 1, 3000, 2901])
  const mailbox = await ann.owner.post('/v1/agent/mailboxes', { address: `other-${ann.agentId.slice(-8)}` })
  const other = { 'x-agent-id': mailbox.body.address.split('@')[0] }
  expect(plan(await ann.owner.post('/v1/messages', body, other))).toEqual(['free', 100, 0, 3000, 2900])
  const elsewhere = { ...body, to: 'b@example.com' }
  expect(await ann.owner.post('/v1/messages', elsewhere, other)).toMatchObject({ status: 402, body: CAPPED })
  expect(await ann.post('/v1/messages', body, key)).toMatchObject({ status: 202 })

  const held = await newTenant({ mailbox: { ...WIDE, autonomy: 'review' } })
  const waiting = await send(held, 1)
  expect(waiting).toMatchObject({ status: 202, body: { message: { status: 'pending_approval' } } })
  expect(plan(waiting)).toEqual(['free', 100, 100, 3000, 3000])
})

test('a full window of the mailbox or tier is 429 with Retry-After; if the plan is used up as well, it is 402', async () => {
  const ann = await newTenant({ mailbox: { hourly_limit: 2 } })
  expect([(await send(ann, 1)).status, (await send(ann, 2)).status]).toEqual([202, 202])
  const full = await send(ann, 3)
  expect(full).toMatchObject({ status: 429, body: { error: 'rate_limited', message: expect.any(String) } })
  const wait = Number(full.headers.get('retry-after'))
  const toTheHour = 3600 - Math.floor((Date.now() / 1000) % 3600)
  expect(Math.abs(wait - toTheHour) <= 2 || wait >= 3598).toBe(true)
  expect(plan(full)).toEqual(['free', 100, 98, 3000, 2998])

  // The standard daily limit of a mailbox equals that of the free plan.
  const bob = await newTenant({ mailbox: { hourly_limit: 1000 } })
  await spend(bob, 100)
  expect(await send(bob, 1)).toMatchObject({ status: 402, body: CAPPED })
  const eve = await newTenant({ tenant: { plan: 'starter' } })
  expect(plan(await send(eve, 1))).toEqual(['starter', 500, 499, 10_000, 9_999])
})
