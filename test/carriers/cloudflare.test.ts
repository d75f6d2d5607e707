import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { cloudflare } from '../../src/carriers/cloudflare.ts'
import type { Outcome } from '../../src/core/delivery/carrier.ts'
import { crowd, party } from '../support/peer-carrier.ts'
import { letter } from '../support/peer-letter.ts'

const content = new TextEncoder().encode('Grüße')
const attachments = [{ filename: 'menü.txt', contentType: 'text/plain', content }]

/** A binding that answers as Cloudflare may, and keeps its requests. */
function binding(answer: () => unknown) {
  const asked: unknown[] = []
  const send = async (message: unknown) => {
    asked.push(message)
    return answer()
  }
  return { email: { send } as SendEmail, asked }
}

function failing(code: string | undefined, message = 'no') {
  return binding(() => {
    throw Object.assign(new Error(message), code === undefined ? {} : { code })
  })
}

test("Cloudflare's local binding accepts a message with copies and files", async () => {
  const { EMAIL } = env as { EMAIL: SendEmail }
  const message = crowd(['to@example.com', 'cc@example.com', 'b1@example.com'], { attachments })
  const [first, second] = [
    await cloudflare({ email: EMAIL }).send(message),
    await cloudflare({ email: EMAIL }).send(message),
  ]
  for (const outcome of [first, second])
    expect(outcome).toMatchObject({
      kind: 'accepted',
      carrierMessageId: expect.stringMatching(/^[\w.-]+@moltpost\.test$/),
      delivered: false,
      refused: [],
    })
  expect(first).not.toEqual(second)
})

test('Cloudflare is called for the remaining recipients, and writes the Message-ID itself', async () => {
  const { email, asked } = binding(() => ({ messageId: '<id-1@example.com>' }))
  const headers = { 'Message-ID': '<x@moltpost.test>', 'X-Moltpost-Send-Id': 'snd_1', References: '<a@b.c>' }
  const replyTo = party('replies@moltpost.test')
  const message = crowd(['CC@example.com', 'b2@example.com'], { attachments, headers, replyTo })
  expect(await cloudflare({ email }).send(message)).toMatchObject({
    kind: 'accepted',
    carrierMessageId: 'id-1@example.com',
  })
  expect(await cloudflare({ email }).send(crowd(['b2@example.com'], { html: null }))).toMatchObject({
    kind: 'accepted',
  })
  expect(asked).toEqual([
    {
      from: { email: 'scout@moltpost.test', name: 'Scout, the agent' },
      to: ['cc@example.com'],
      bcc: ['b2@example.com'],
      replyTo: 'replies@moltpost.test',
      subject: message.subject,
      text: message.text,
      html: message.html,
      headers: { 'X-Moltpost-Send-Id': 'snd_1', References: '<a@b.c>' },
      attachments: [{ filename: 'menü.txt', type: 'text/plain', content, disposition: 'attachment' }],
    },
    expect.objectContaining({ to: ['b2@example.com'], text: message.text }),
  ])
  expect(asked[1]).not.toHaveProperty('bcc')
  expect(asked[1]).not.toHaveProperty('html')
})

test('every failure of Cloudflare has one outcome', async () => {
  const rows: [string | undefined, string, Outcome['kind'], string][] = [
    ['E_VALIDATION_ERROR', 'x', 'refused_permanent', 'E_VALIDATION_ERROR'],
    ['E_FIELD_MISSING', 'x', 'refused_permanent', 'E_FIELD_MISSING'],
    ['E_TOO_MANY_RECIPIENTS', 'x', 'refused_permanent', 'E_TOO_MANY_RECIPIENTS'],
    ['E_CONTENT_TOO_LARGE', 'x', 'refused_permanent', 'E_CONTENT_TOO_LARGE'],
    ['E_HEADER_NOT_ALLOWED', 'x', 'refused_permanent', 'E_HEADER_NOT_ALLOWED'],
    ['E_HEADER_USE_API_FIELD', 'x', 'refused_permanent', 'E_HEADER_USE_API_FIELD'],
    ['E_HEADER_VALUE_INVALID', 'x', 'refused_permanent', 'E_HEADER_VALUE_INVALID'],
    ['E_HEADER_VALUE_TOO_LONG', 'x', 'refused_permanent', 'E_HEADER_VALUE_TOO_LONG'],
    ['E_HEADER_NAME_INVALID', 'x', 'refused_permanent', 'E_HEADER_NAME_INVALID'],
    ['E_HEADERS_TOO_LARGE', 'x', 'refused_permanent', 'E_HEADERS_TOO_LARGE'],
    ['E_HEADERS_TOO_MANY', 'x', 'refused_permanent', 'E_HEADERS_TOO_MANY'],
    ['E_SENDER_NOT_VERIFIED', 'x', 'refused_retry', 'E_SENDER_NOT_VERIFIED'],
    ['E_SENDER_DOMAIN_NOT_AVAILABLE', 'x', 'refused_retry', 'E_SENDER_DOMAIN_NOT_AVAILABLE'],
    ['E_RECIPIENT_NOT_ALLOWED', 'x', 'refused_retry', 'E_RECIPIENT_NOT_ALLOWED'],
    ['E_RATE_LIMIT_EXCEEDED', 'x', 'throttled', 'E_RATE_LIMIT_EXCEEDED'],
    ['E_DAILY_LIMIT_EXCEEDED', 'x', 'throttled', 'E_DAILY_LIMIT_EXCEEDED'],
    // If the code is missing, it is found in the message.
    [undefined, 'E_SENDER_NOT_VERIFIED: verify the domain', 'refused_retry', 'E_SENDER_NOT_VERIFIED'],
    ['E_DELIVERY_FAILED', 'x', 'ambiguous', 'E_DELIVERY_FAILED'],
    ['E_INTERNAL_SERVER_ERROR', 'x', 'ambiguous', 'E_INTERNAL_SERVER_ERROR'],
    ['E_NEVER_HEARD_OF', 'x', 'ambiguous', 'E_NEVER_HEARD_OF'],
    ['constructor', 'x', 'ambiguous', 'failed'],
    [undefined, 'Network connection lost.', 'ambiguous', 'failed'],
  ]
  for (const [given, words, kind, code] of rows) {
    const { email } = failing(given, words)
    const outcome = await cloudflare({ email }).send(letter())
    expect(outcome, code).toMatchObject({ kind, code, detail: words })
  }
  const answers = [{}, { messageId: '' }, { messageId: 7 }, null, 'thank you']
  for (const answer of answers) {
    const { email } = binding(() => answer)
    expect(await cloudflare({ email }).send(letter()), `${answer}`).toMatchObject({ kind: 'ambiguous' })
  }
  const { email } = binding(() => new Promise(() => {}))
  const began = Date.now()
  expect(await cloudflare({ email, timeoutMs: 50 }).send(letter())).toMatchObject({
    ...{ kind: 'ambiguous', code: 'timeout' },
  })
  expect(Date.now() - began).toBeLessThan(1_000)
})

test('Cloudflare names suppressed recipients, and the others remain to be served', async () => {
  const suppressed = async (recipients: string[], words: string) => {
    const { email } = failing('E_RECIPIENT_SUPPRESSED', words)
    const outcome = await cloudflare({ email }).send(crowd(recipients))
    const named = 'recipients' in outcome ? outcome.recipients : []
    return { kind: outcome.kind, named: named.map(({ email, permanent }) => [email, permanent]) }
  }
  expect(await suppressed(['to@example.com'], 'suppressed')).toEqual({
    kind: 'refused_permanent',
    named: [['to@example.com', true]],
  })
  expect(
    await suppressed(['to@example.com', 'CC@example.com'], 'Recipient "cc@example.com" is suppressed.'),
  ).toEqual({ kind: 'refused_retry', named: [['CC@example.com', true]] })
  expect(await suppressed(['to@example.com', 'cc@example.com'], 'acc@example.com')).toEqual({
    kind: 'refused_retry',
    named: [],
  })
})
