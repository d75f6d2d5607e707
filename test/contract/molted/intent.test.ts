import { expect, test } from 'vitest'
import { newTenant } from '../../support/tenant.ts'

const CALL = { subject: 'Re: Partnership proposal', bodyText: "Sure, let's set up a call next week" }
const VENDOR = { subject: 'Re: Your offer', bodyText: 'We already have a vendor for this, not interested' }

test('the published batch is classified as published', async () => {
  const tenant = await newTenant()
  const { status, body } = await tenant.post('/v1/agent/batch/classify-intent', {
    tenantId: tenant.id,
    messages: [CALL, VENDOR],
  })
  expect(status).toBe(200)
  expect(body).toEqual({
    results: [
      {
        intent: 'interested',
        confidence: expect.any(Number),
        suggestedAction: 'notify_owner',
        answeredBy: 'embedded',
      },
      {
        intent: 'objection',
        confidence: expect.any(Number),
        suggestedAction: 'escalate',
        answeredBy: 'embedded',
      },
    ],
  })
  for (const { confidence } of body.results) {
    expect(confidence).toBeGreaterThan(0.6)
    expect(confidence).toBeLessThanOrEqual(1)
  }
  const single = await tenant.post('/v1/agent/classify-intent', { tenantId: tenant.id, ...VENDOR })
  expect(single).toMatchObject({ status: 200, body: body.results[1] })
})

test('every intent has its suggested action', async () => {
  const tenant = await newTenant()
  const said: [string, string, string][] = [
    ['Bad timing, please try again next quarter.', 'not_now', 'notify_owner'],
    ["I can't log in, the password reset does not work.", 'support', 'notify_owner'],
    ['You charged my credit card twice, please refund the second payment.', 'billing', 'notify_owner'],
    ['Our lawyers will send you a cease and desist letter.', 'legal', 'escalate'],
    ['I found a vulnerability in your API.', 'security', 'escalate'],
    ['I am out of the office until Monday.', 'out_of_office', 'auto_archive'],
    ['Please unsubscribe me from this list.', 'unsubscribe', 'trigger_unsubscribe'],
    ['The lake was frozen when we got there.', 'unclassified', 'require_approval'],
  ]
  const { body } = await tenant.post('/v1/agent/batch/classify-intent', {
    messages: said.map(([bodyText]) => ({ subject: 'Re: Hello', bodyText })),
  })
  expect(
    body.results.map((each: { intent: string; suggestedAction: string }) => [
      each.intent,
      each.suggestedAction,
    ]),
  ).toEqual(said.map(([, intent, action]) => [intent, action]))
})

test('a batch must have 1 to 500 messages, and every message its required fields', async () => {
  const tenant = await newTenant()
  const batch = (messages: unknown) => tenant.post('/v1/agent/batch/classify-intent', { messages })
  const full = await batch(Array.from({ length: 500 }, () => CALL))
  expect(full.status).toBe(200)
  expect(full.body.results).toHaveLength(500)
  expect(await batch(Array.from({ length: 501 }, () => CALL))).toMatchObject({
    status: 400,
    body: { error: 'batch_too_large', field: 'messages', max: 500, received: 501 },
  })
  expect(await batch(Array.from({ length: 501 }, () => null))).toMatchObject({
    status: 400,
    body: { error: 'batch_too_large' },
  })
  expect(await batch([])).toMatchObject({ status: 400, body: { error: 'invalid', field: 'messages' } })
  expect(await batch(undefined)).toMatchObject({ status: 400, body: { error: 'invalid', field: 'messages' } })
  expect(await batch([CALL, { subject: 'x' }])).toMatchObject({
    status: 400,
    body: { error: 'invalid', field: 'messages.1.bodyText' },
  })
  expect(await tenant.post('/v1/agent/classify-intent', { subject: 'x' })).toMatchObject({
    status: 400,
    body: { error: 'invalid', field: 'bodyText' },
  })
  expect(await tenant.post('/v1/agent/classify-intent', { tenantId: 'ten_other', ...CALL })).toMatchObject({
    status: 403,
    body: { error: 'tenant_mismatch' },
  })
})
