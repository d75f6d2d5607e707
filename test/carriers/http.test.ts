import { env } from 'cloudflare:test'
import { expect, test } from 'vitest'
import { capture } from '../../src/carriers/capture.ts'
import { cloudflare } from '../../src/carriers/cloudflare.ts'
import { internal } from '../../src/carriers/internal.ts'
import { mailgun } from '../../src/carriers/mailgun.ts'
import { postmark } from '../../src/carriers/postmark.ts'
import { resend } from '../../src/carriers/resend.ts'
import { sendgrid } from '../../src/carriers/sendgrid.ts'
import { ses } from '../../src/carriers/ses.ts'
import { keepCaptured } from '../../src/core/delivery/captured.ts'
import type { Outcome, OutgoingMessage, RefusedRecipient } from '../../src/core/delivery/carrier.ts'
import { conduct, crowd, lostAnswers, party, seen } from '../support/peer-carrier.ts'
import { letter, peers } from '../support/peer-letter.ts'

const keys = { region: 'eu-west-1', accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'amazon-secret' }
const apiKey = 're_resend_secret'

test('SES accepts the message as written, in Amazon’s own request format', async () => {
  const message = letter({ subject: 'Über SES' })
  const outcome = await ses({ ...keys, endpoint: `${peers.ses}/` }).send(message)
  expect(outcome).toEqual({
    kind: 'accepted',
    carrierMessageId: expect.stringMatching(/.+/),
    delivered: false,
    refused: [],
  })
  const store: { emails: { messageId: string }[] } = await (await fetch(`${peers.ses}/store`)).json()
  const id = outcome.kind === 'accepted' ? outcome.carrierMessageId : null
  expect(store.emails.find(({ messageId }) => messageId === id)).toMatchObject({
    subject: 'Über SES',
    from: '"Scout, the agent" <scout@moltpost.test>',
    destination: { to: [message.recipient], cc: [], bcc: [] },
    body: { text: expect.stringContaining('Tuesday at eight.'), html: expect.stringContaining('<p>Tuesday') },
  })
})

test("SES is called for the remaining recipients, with the send's tags and a signature", async () => {
  const message = crowd(['b2@example.com', 'CC@example.com', 'list@example.com'], {
    sendId: 'snd:1/x',
  })
  const carrier = ses({ ...keys, endpoint: `${peers.http}/ok.ses-shape`, configurationSet: 'events' })
  expect(await carrier.send(message)).toMatchObject({ kind: 'accepted' })
  const { taken } = await seen('ok.ses-shape')
  expect(taken).toHaveLength(1)
  expect(taken[0]?.body).toEqual({
    FromEmailAddress: 'scout@moltpost.test',
    Destination: {
      ToAddresses: [],
      CcAddresses: ['cc@example.com'],
      BccAddresses: ['b2@example.com', 'list@example.com'],
    },
    Content: { Raw: { Data: btoa(String.fromCharCode(...message.raw)) } },
    EmailTags: [
      { Name: 'tenant_id', Value: 'tenant_test' },
      { Name: 'send_id', Value: 'snd-1-x' },
    ],
    ConfigurationSetName: 'events',
  })
  expect(taken[0]?.authorization).toMatch(
    /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-west-1\/ses\/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=[0-9a-f]{64}$/,
  )
  const large = letter({ raw: new Uint8Array(2_000_000).fill(65) })
  expect(await carrier.send(large)).toMatchObject({ kind: 'accepted' })
})

test('every answer of SES has one outcome', async () => {
  const send = (name: string, timeoutMs?: number) =>
    ses({ ...keys, endpoint: `${peers.http}/${name}`, timeoutMs }).send(letter())
  const told = async (
    status: number,
    type: string | null,
    body: unknown = { message: 'amazon-secret says no' },
  ) => {
    const name = `ses-${crypto.randomUUID()}`
    await conduct(name, { mode: 'say', status, body, headers: type ? { 'x-amzn-errortype': type } : {} })
    return send(name)
  }
  const rows: [number, string | null, unknown, Outcome['kind'], string][] = [
    [400, 'MessageRejected', undefined, 'refused_permanent', 'MessageRejected'],
    [400, 'MessageRejected:http://internal.amazon.com/x', undefined, 'refused_permanent', 'MessageRejected'],
    [
      400,
      null,
      { __type: 'com.amazonaws.ses#BadRequestException' },
      'refused_permanent',
      'BadRequestException',
    ],
    [
      400,
      'MessageRejected',
      { message: 'Email address is not verified.' },
      'refused_retry',
      'MessageRejected',
    ],
    [
      400,
      'MailFromDomainNotVerifiedException',
      undefined,
      'refused_retry',
      'MailFromDomainNotVerifiedException',
    ],
    [400, 'AccountSuspendedException', undefined, 'refused_retry', 'AccountSuspendedException'],
    [400, 'SendingPausedException', undefined, 'refused_retry', 'SendingPausedException'],
    [403, 'SignatureDoesNotMatch', undefined, 'refused_retry', 'SignatureDoesNotMatch'],
    [404, 'NotFoundException', undefined, 'refused_retry', 'NotFoundException'],
    [400, null, 'not even JSON', 'refused_retry', 'http_400'],
    [413, null, undefined, 'refused_permanent', 'http_413'],
    [400, 'LimitExceededException', undefined, 'throttled', 'LimitExceededException'],
    [400, 'ThrottlingException', undefined, 'throttled', 'ThrottlingException'],
    [429, 'TooManyRequestsException', undefined, 'throttled', 'TooManyRequestsException'],
    [408, null, undefined, 'ambiguous', 'http_408'],
    [500, 'InternalFailure', undefined, 'ambiguous', 'InternalFailure'],
    [503, null, undefined, 'ambiguous', 'http_503'],
    [200, null, { message: 'thank you' }, 'ambiguous', 'http_200'],
    [200, null, { MessageId: '' }, 'ambiguous', 'http_200'],
    [202, null, { MessageId: 'x' }, 'ambiguous', 'http_202'],
    [301, null, undefined, 'refused_retry', 'http_301'],
  ]
  for (const [status, type, body, kind, code] of rows) {
    const outcome = await told(status, type, body)
    expect(outcome, `${status} ${type}`).toMatchObject({ kind, code })
    expect(JSON.stringify(outcome)).not.toContain('amazon-secret')
  }
  expect(await told(400, 'MessageRejected')).toMatchObject({ detail: '400 [secret] says no' })
  await lostAnswers('ses', send)
})

test('Resend accepts a message once however often it is called, and a changed repeat is ambiguous', async () => {
  const message = letter({
    replyTo: party('replies@moltpost.test'),
    cc: [party('cc@example.com', 'C')],
    subject: 'Grüße',
  })
  message.recipients.push('cc@example.com')
  const carrier = resend({ apiKey, baseUrl: peers.resend })
  const [first, again] = [await carrier.send(message), await carrier.send(message)]
  expect(first).toMatchObject({ kind: 'accepted', delivered: false, refused: [] })
  expect(again).toEqual(first)
  expect(await carrier.send({ ...message, subject: 'Other' })).toMatchObject({
    kind: 'ambiguous',
    code: 'invalid_idempotent_request',
  })
  const id = first.kind === 'accepted' ? first.carrierMessageId : null
  const kept = await (
    await fetch(`${peers.resend}/emails/${id}`, { headers: { authorization: 'Bearer x' } })
  ).json()
  expect(kept).toMatchObject({
    from: '"Scout, the agent" <scout@moltpost.test>',
    to: [`"Ada" <${message.recipient}>`],
    cc: ['"C" <cc@example.com>'],
    bcc: [],
    reply_to: ['replies@moltpost.test'],
    subject: 'Grüße',
    text: message.text,
    html: message.html,
    headers: message.headers,
    tags: [
      { name: 'tenant_id', value: message.tenantId },
      { name: 'send_id', value: message.sendId },
    ],
  })
  expect(await carrier.send({ ...letter(), subject: '' })).toMatchObject({
    kind: 'refused_permanent',
    code: 'validation_error',
    detail: '422 Missing required field: subject',
  })
})

test('for Resend, Cc recipients become To when no To recipient is left', async () => {
  const sent = async (recipients: string[]) => {
    const name = `ok.${crypto.randomUUID()}`
    await resend({ apiKey, baseUrl: `${peers.http}/${name}` }).send(crowd(recipients))
    const { to, cc, bcc } = Object((await seen(name)).taken[0]?.body)
    return { to, cc, bcc }
  }
  const to = ['"To \\"T\\" \\\\ T" <to@example.com>']
  expect(await sent(['to@example.com', 'cc@example.com', 'b1@example.com', 'b2@example.com'])).toEqual({
    ...{ to, cc: ['cc@example.com'], bcc: ['b1@example.com', 'b2@example.com'] },
  })
  expect(await sent(['TO@example.com', 'b2@example.com'])).toEqual({ to, bcc: ['b2@example.com'] })
  expect(await sent(['cc@example.com', 'b1@example.com'])).toEqual({
    ...{ to: ['cc@example.com'], bcc: ['b1@example.com'] },
  })
  expect(await sent(['b1@example.com'])).toEqual({ to: ['b1@example.com'] })
})

test('Resend gets the files, and no field for files if there are none', async () => {
  const carrier = resend({ apiKey, baseUrl: `${peers.http}/ok.files` })
  const content = new TextEncoder().encode('Grüße')
  const attachments = [{ filename: 'menü.txt', contentType: 'text/plain', content }]
  expect(await carrier.send(letter({ attachments }))).toMatchObject({ kind: 'accepted' })
  expect(await carrier.send(letter())).toMatchObject({ kind: 'accepted' })
  const { taken } = await seen('ok.files')
  expect(taken[0]?.body).toMatchObject({
    attachments: [{ filename: 'menü.txt', content_type: 'text/plain', content: 'R3LDvMOfZQ==' }],
  })
  expect(taken[1]?.body).not.toHaveProperty('attachments')
  expect(taken[0]?.authorization).toBe(`Bearer ${apiKey}`)
})

test('every answer of Resend has one outcome, and a lost answer is recovered by the same key', async () => {
  const send = (name: string, message = letter(), timeoutMs?: number) =>
    resend({ apiKey, baseUrl: `${peers.http}/${name}`, timeoutMs }).send(message)
  const told = async (status: number, body: unknown) => {
    const name = `resend-${crypto.randomUUID()}`
    await conduct(name, { mode: 'say', status, body })
    return send(name)
  }
  const rows: [number, unknown, Outcome['kind'], string][] = [
    [400, { name: 'validation_error' }, 'refused_permanent', 'validation_error'],
    [422, { name: 'invalid_parameter' }, 'refused_permanent', 'invalid_parameter'],
    [413, null, 'refused_permanent', 'http_413'],
    [401, { name: 'missing_api_key' }, 'refused_retry', 'missing_api_key'],
    [403, { name: 'invalid_api_key', message: `${apiKey} is unknown` }, 'refused_retry', 'invalid_api_key'],
    [404, null, 'refused_retry', 'http_404'],
    [405, { name: 'evil\nname' }, 'refused_retry', 'http_405'],
    [409, { name: 'concurrent_idempotent_requests' }, 'ambiguous', 'concurrent_idempotent_requests'],
    [429, { name: 'daily_quota_exceeded' }, 'throttled', 'daily_quota_exceeded'],
    [500, { name: 'application_error' }, 'ambiguous', 'application_error'],
    [200, { id: 7 }, 'ambiguous', 'http_200'],
    [200, ['x'], 'ambiguous', 'http_200'],
    [204, null, 'ambiguous', 'http_204'],
  ]
  for (const [status, body, kind, code] of rows) {
    const outcome = await told(status, body)
    expect(outcome, `${status}`).toMatchObject({ kind, code })
    expect(JSON.stringify(outcome)).not.toContain(apiKey)
  }
  const chatty = await told(422, { name: 'x', message: `a\u0000b\r\nc\u202e ${'long '.repeat(100)}` })
  expect(chatty.kind === 'refused_permanent' && chatty.detail).toMatch(/^422 a b c long [ long]{100,190}$/)
  await lostAnswers('resend', (name, timeoutMs) => send(name, letter(), timeoutMs))

  for (const way of ['cut', '503-taken', 'garbage', 'stall']) {
    const message = letter()
    const name = `${way}.replay`
    const timeoutMs = way === 'stall' ? 500 : undefined
    expect(await send(name, message, timeoutMs)).toMatchObject({ kind: 'ambiguous' })
    await conduct(name, { mode: 'ok' })
    const { taken } = await seen(name)
    expect(await send(name, message)).toMatchObject({ kind: 'accepted', carrierMessageId: taken[0]?.id })
    expect((await seen(name)).taken).toHaveLength(1)
  }
  expect(await resend({ apiKey, baseUrl: 'http://127.0.0.1:1' }).send(letter())).toMatchObject({
    kind: 'ambiguous',
  })
})

test('no field brings a line end or a NUL into a request', async () => {
  const changes: Partial<OutgoingMessage>[] = ['\r\nX-Evil: 1', '\n', '\0'].flatMap((poison) => [
    { recipients: [`a${poison}@example.com`] },
    { subject: `x${poison}` },
    { from: party('a@example.com', `x${poison}`) },
    { replyTo: party(`a${poison}@example.com`) },
    { headers: { 'X-A': `x${poison}` } },
    { headers: { [`X-A${poison}`]: 'x' } },
    { attachments: [{ filename: `x${poison}`, contentType: 'text/plain', content: new Uint8Array(1) }] },
    { idempotencyKey: `key${poison}` },
    { sendId: `snd${poison}` },
  ])
  const carriers = [
    ses({ ...keys, endpoint: `${peers.http}/ok.poison` }),
    resend({ apiKey, baseUrl: `${peers.http}/ok.poison` }),
    postmark({ serverToken: 'x', baseUrl: `${peers.http}/ok.poison` }),
    sendgrid({ apiKey, baseUrl: `${peers.http}/ok.poison` }),
    mailgun({ apiKey, domain: 'x.test', baseUrl: `${peers.http}/ok.poison` }),
    cloudflare({ email: { send: () => Promise.reject(new Error('asked all the same')) } }),
    capture({ keep: async () => {} }),
    internal({ receive: async () => [] }),
  ]
  for (const carrier of carriers)
    for (const change of changes)
      expect(await carrier.send(letter(change)), `${carrier.name} ${JSON.stringify(change)}`).toMatchObject({
        kind: 'refused_permanent',
        code: 'unsafe_field',
      })
  expect((await seen('ok.poison')).requests).toBe(0)
})

test('capture keeps one row for each recipient, and a repeat changes nothing', async () => {
  await env.DB.prepare(
    `CREATE TABLE IF NOT EXISTS captured_mail (send_id TEXT, recipient TEXT, message_id TEXT, envelope_from TEXT,
     subject TEXT, text TEXT, html TEXT, raw TEXT, captured_at INTEGER, PRIMARY KEY (send_id, recipient))`,
  ).run()
  const message = letter()
  message.recipients = [message.recipient, 'b@example.com', "o'brien@example.com"]
  const keep = (now: number, change = {}) =>
    capture({ keep: (kept) => keepCaptured(env, new Date(now), kept) }).send({ ...message, ...change })
  const accepted = { kind: 'accepted', carrierMessageId: message.messageId, delivered: true, refused: [] }
  expect(await keep(1_000)).toEqual(accepted)
  expect(
    await keep(2_000, { subject: 'changed', recipients: [...message.recipients, 'late@example.com'] }),
  ).toEqual(accepted)

  const rows = await env.DB.prepare(
    'SELECT * FROM captured_mail WHERE send_id = ? ORDER BY captured_at, recipient',
  )
    .bind(message.sendId)
    .all<{ recipient: string; captured_at: number; subject: string }>()
  expect(
    rows.results.map(({ recipient, captured_at, subject }) => [recipient, captured_at, subject]),
  ).toEqual([
    ...[...message.recipients].sort().map((recipient) => [recipient, 1_000, message.subject]),
    ['late@example.com', 2_000, 'changed'],
  ])
  expect(rows.results[0]).toMatchObject({
    message_id: message.messageId,
    envelope_from: message.envelopeFrom,
    text: message.text,
    html: message.html,
    raw: new TextDecoder().decode(message.raw),
  })
  const closed = capture({ keep: () => Promise.reject(new Error('D1_ERROR')) })
  expect(await closed.send(message)).toMatchObject({ kind: 'ambiguous' })
})

test('internal delivery reports the recipients it could not serve, and an exception is ambiguous', async () => {
  const refusal = (email: string, permanent: boolean): RefusedRecipient => ({
    email,
    permanent,
    code: 'x',
    detail: 'y',
  })
  const message = letter({ recipients: ['a@moltpost.test', 'b@moltpost.test'] })
  const send = (refused: RefusedRecipient[]) => internal({ receive: async () => refused }).send(message)
  const [a, b] = [refusal('a@moltpost.test', true), refusal('b@moltpost.test', false)]
  expect(await send([])).toMatchObject({ kind: 'accepted', delivered: true, refused: [] })
  expect(await send([a])).toMatchObject({ kind: 'accepted', refused: [a] })
  expect(await send([a, b])).toMatchObject({ kind: 'refused_retry', recipients: [a, b] })
  expect(await send([a, refusal('b@moltpost.test', true)])).toMatchObject({ kind: 'refused_permanent' })
  const broken = internal({ receive: () => Promise.reject(new Error('no')) })
  expect(await broken.send(message)).toMatchObject({ kind: 'ambiguous' })
})
