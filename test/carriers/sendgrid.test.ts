import { expect, test } from 'vitest'
import { sendgrid } from '../../src/carriers/sendgrid.ts'
import type { Outcome } from '../../src/core/delivery/carrier.ts'
import { conduct, crowd, lostAnswers, party, seen, told } from '../support/peer-carrier.ts'
import { letter, peers } from '../support/peer-letter.ts'

const apiKey = 'SG.sendgrid-secret'

function sendTo(name: string, message = letter(), timeoutMs?: number) {
  return sendgrid({ apiKey, baseUrl: `${peers.http}/${name}`, timeoutMs }).send(message)
}

test('SendGrid is called for the remaining recipients, with all that its events must return', async () => {
  const content = new TextEncoder().encode('Grüße')
  const attachments = [{ filename: 'menü.txt', contentType: 'text/plain', content }]
  const message = crowd(['TO@example.com', 'cc@example.com', 'b2@example.com'], {
    attachments,
    replyTo: party('replies@moltpost.test', 'Replies'),
  })
  const name = 'ok.sendgrid-shape'
  const outcome = await sendTo(name, message)
  const { taken } = await seen(name)
  expect(outcome).toEqual({
    ...{ kind: 'accepted', carrierMessageId: taken[0]?.id, delivered: false, refused: [] },
  })
  expect(taken[0]).toMatchObject({ path: `/${name}/v3/mail/send`, authorization: `Bearer ${apiKey}` })
  expect(taken[0]?.body).toEqual({
    personalizations: [
      {
        to: [{ email: 'to@example.com', name: 'To "T" \\ T' }],
        cc: [{ email: 'cc@example.com' }],
        bcc: [{ email: 'b2@example.com' }],
        custom_args: { tenant_id: message.tenantId, send_id: message.sendId },
      },
    ],
    from: { email: 'scout@moltpost.test', name: 'Scout, the agent' },
    reply_to: { email: 'replies@moltpost.test', name: 'Replies' },
    subject: message.subject,
    content: [
      { type: 'text/plain', value: message.text },
      { type: 'text/html', value: message.html },
    ],
    headers: { 'X-Moltpost-Send-Id': message.sendId },
    attachments: [
      { filename: 'menü.txt', type: 'text/plain', content: 'R3LDvMOfZQ==', disposition: 'attachment' },
    ],
  })
  const copies = 'ok.sendgrid-copies/'
  await sendTo(copies, crowd(['cc@example.com', 'b1@example.com'], { html: '' }))
  await sendTo(copies, crowd(['b1@example.com'], { text: null }))
  const bodies = (await seen('ok.sendgrid-copies')).taken.map(({ body }) => Object(body))
  expect(bodies.map(({ personalizations }) => personalizations)).toEqual([
    [expect.objectContaining({ to: [{ email: 'cc@example.com' }], bcc: [{ email: 'b1@example.com' }] })],
    [expect.objectContaining({ to: [{ email: 'b1@example.com' }] })],
  ])
  expect(bodies.map(({ content }) => content.map(({ type }: { type: string }) => type))).toEqual([
    ['text/plain'],
    ['text/html'],
  ])
  expect(bodies[0].personalizations[0]).not.toHaveProperty('cc')
  expect(bodies[1].personalizations[0]).not.toHaveProperty('bcc')
  expect(bodies[1]).not.toHaveProperty('attachments')
})

type Row = [status: number, body: unknown, headers: Record<string, string>, kind: Outcome['kind']]

test('every answer of SendGrid has one outcome', async () => {
  const errors = { errors: [{ message: `${apiKey} may not`, field: 'from', help: null }] }
  const rows: Row[] = [
    [400, errors, {}, 'refused_permanent'],
    [413, null, {}, 'refused_permanent'],
    [401, errors, {}, 'refused_retry'],
    [403, errors, {}, 'refused_retry'],
    [404, { errors: 'none' }, {}, 'refused_retry'],
    [405, { errors: [null] }, {}, 'refused_retry'],
    [406, { errors: [] }, {}, 'refused_retry'],
    [301, null, {}, 'refused_retry'],
    [429, errors, {}, 'throttled'],
    ...[408, 409, 425, 499, 500, 503].map(
      (status): Row => [status, errors, { 'x-message-id': 'x' }, 'ambiguous'],
    ),
    // 202 with an id is an acceptance; in SendGrid's sandbox mode it is 200, and nothing is sent.
    [202, null, {}, 'ambiguous'],
    [200, null, { 'x-message-id': 'x' }, 'ambiguous'],
  ]
  for (const [status, body, headers, kind] of rows) {
    const outcome = await told(sendTo, status, body, headers)
    expect(outcome, `${status}`).toMatchObject({ kind, code: `http_${status}` })
    expect(JSON.stringify(outcome)).not.toContain(apiKey)
  }
  expect(await told(sendTo, 400, errors)).toMatchObject({ detail: '400 [secret] may not' })
  const accepted = await told(sendTo, 202, 'whatever', { 'x-message-id': 'id-1' })
  expect(accepted).toMatchObject({ kind: 'accepted', carrierMessageId: 'id-1' })
  await lostAnswers('sendgrid', (name, timeoutMs) => sendTo(name, letter(), timeoutMs))
})

test("SendGrid's rate limit header tells when it may be called again", async () => {
  const waits = async (headers: Record<string, string>) => {
    await conduct('sendgrid-waits', { mode: 'say', status: 429, headers })
    const outcome = await sendTo('sendgrid-waits')
    return outcome.kind === 'throttled' ? outcome.retryAfterMs : 'not throttled'
  }
  const inOneMinute = Math.floor(Date.now() / 1000) + 60
  const wait = await waits({ 'x-ratelimit-reset': String(inOneMinute) })
  expect(wait).toBeGreaterThan(50_000)
  expect(wait).toBeLessThanOrEqual(60_000)
  expect(await waits({ 'x-ratelimit-reset': '1' })).toBe(0)
  expect(await waits({ 'x-ratelimit-reset': 'soon' })).toBeNull()
  expect(await waits({ 'x-ratelimit-reset': String(inOneMinute), 'retry-after': '3' })).toBe(3_000)
})
