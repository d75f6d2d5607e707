import fc from 'fast-check'
import { expect, test } from 'vitest'
import { email } from '../../support/email.ts'
import { newTenant } from '../../support/tenant.ts'

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.constantFrom(
    '',
    ' ',
    '\0',
    '\ud800',
    'null',
    "' OR 1=1 --",
    '%00',
    '../..',
    '[]',
    '{}',
    '<a@b.c>',
    'x'.repeat(70_000),
  ),
)
const odd = fc.oneof(
  text,
  fc.integer(),
  fc.constant(null),
  fc.boolean(),
  fc.array(text, { maxLength: 3 }),
  fc.dictionary(text, text),
)
const address = fc.constantFrom('nobody@example.com', 'self')
const addresses = fc.array(address, { minLength: 1, maxLength: 4 })
const file = fc.record({ filename: text, content_type: text, content_base64: fc.base64String() })

const good = fc.record(
  {
    to: addresses,
    cc: addresses,
    subject: fc.string({ minLength: 1, maxLength: 256 }),
    body_text: text,
    body_html: text,
    attachments: fc.option(fc.array(file, { maxLength: 2 })),
  },
  { requiredKeys: ['to', 'subject', 'body_text'] },
)
const fields = ['to', 'cc', 'bcc', 'subject', 'body_text', 'body_html', 'in_reply_to', 'attachments']
const letter = fc
  .tuple(good, fc.option(fc.tuple(fc.constantFrom(...fields), odd)))
  .map(([right, wrong]) => (wrong === null ? right : { ...right, [wrong[0]]: wrong[1] }))

test('no generated request makes this API answer with a 5xx', async () => {
  const tenant = await newTenant({
    tenant: { plan: 'enterprise' },
    mailbox: { hourly_limit: 10_000, daily_limit: 10_000 },
  })
  const me = email(tenant)
  const statuses: number[] = []
  const fine = async (answer: Promise<{ status: number; body: unknown }>) => {
    const { status, body } = await answer
    if (status >= 500) throw new Error(JSON.stringify(body))
    statuses.push(status)
  }
  await fc.assert(
    fc.asyncProperty(letter, async (body) =>
      fine(me.post('/email/send', JSON.stringify(body).replaceAll('"self"', JSON.stringify(tenant.address)))),
    ),
    { numRuns: 300 },
  )
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(20)
  for (const folder of ['inbox', 'sent']) {
    const { status, body } = await me.get(`/email/${folder}?limit=100`)
    expect(status).toBe(200)
    for (const { message_id, thread_id } of body.messages.slice(0, 20)) {
      expect(await me.get(`/email/message/${message_id}`)).toMatchObject({ status: 200 })
      expect(await me.get(`/email/thread/${thread_id}`)).toMatchObject({ status: 200 })
    }
  }
  const part = fc.tuple(text, fc.boolean()).map(([raw, isRaw]) => {
    const safe = encodeURIComponent(raw.toWellFormed()).slice(0, 5_000)
    return isRaw ? raw.replace(/[^!-~]|[#?\\]/g, '').slice(0, 500) : safe
  })
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('inbox', 'sent', 'account', 'thread/x', 'message/x'),
      fc.array(
        fc.tuple(fc.constantFrom('limit', 'cursor', 'after', 'unread_only', 'from_address', 'x'), part),
        { maxLength: 4 },
      ),
      part,
      async (path, query, id) => {
        const search = query.map(([name, value]) => `${name}=${value}`).join('&')
        await fine(me.get(`/email/${path}?${search}`))
        await fine(me.get(`/email/message/${id}`))
        await fine(me.post(`/email/message/${id}/star`))
        await fine(me.get(`/email/thread/${id}`))
      },
    ),
    { numRuns: 150 },
  )
}, 180_000)
