import { expect, test } from 'vitest'
import { postmark } from '../../src/carriers/postmark.ts'
import type { Outcome } from '../../src/core/delivery/carrier.ts'
import { crowd, lostAnswers, party, seen, told } from '../support/peer-carrier.ts'
import { letter, peers } from '../support/peer-letter.ts'

const serverToken = 'postmark-secret-token'

function sendTo(name: string, message = letter(), timeoutMs?: number) {
  return postmark({ serverToken, baseUrl: `${peers.http}/${name}`, timeoutMs }).send(message)
}

test('Postmark is called for the remaining recipients, with all that its events must return', async () => {
  const content = new TextEncoder().encode('Grüße')
  const attachments = [{ filename: 'menü.txt', contentType: 'text/plain', content }]
  const message = crowd(['TO@example.com', 'cc@example.com', 'b2@example.com'], {
    attachments,
    replyTo: party('replies@moltpost.test', 'Replies'),
  })
  const name = 'ok.postmark-shape'
  const outcome = await sendTo(name, message)
  const { taken } = await seen(name)
  expect(outcome).toEqual({
    ...{ kind: 'accepted', carrierMessageId: taken[0]?.id, delivered: false, refused: [] },
  })
  expect(taken[0]).toMatchObject({ path: `/${name}/email`, authorization: serverToken })
  expect(taken[0]?.body).toEqual({
    From: '"Scout, the agent" <scout@moltpost.test>',
    To: '"To \\"T\\" \\\\ T" <to@example.com>',
    Cc: 'cc@example.com',
    Bcc: 'b2@example.com',
    ReplyTo: '"Replies" <replies@moltpost.test>',
    Subject: message.subject,
    TextBody: message.text,
    HtmlBody: message.html,
    Headers: [
      { Name: 'X-Moltpost-Send-Id', Value: message.sendId },
      { Name: 'X-PM-KeepID', Value: 'true' },
    ],
    Attachments: [{ Name: 'menü.txt', ContentType: 'text/plain', Content: 'R3LDvMOfZQ==' }],
    Metadata: { tenant_id: message.tenantId, send_id: message.sendId },
    MessageStream: 'outbound',
  })
  const baseUrl = `${peers.http}/ok.postmark-copies/`
  const bulk = postmark({ serverToken, baseUrl, stream: 'news' })
  await bulk.send(crowd(['cc@example.com', 'b1@example.com'], { html: null }))
  await bulk.send(crowd(['b1@example.com'], { text: null }))
  const copies = (await seen('ok.postmark-copies')).taken.map(({ body }) => Object(body))
  expect(copies.map(({ To, Cc, Bcc, MessageStream }) => [To, Cc, Bcc, MessageStream])).toEqual([
    ['cc@example.com', undefined, 'b1@example.com', 'news'],
    ['b1@example.com', undefined, undefined, 'news'],
  ])
  expect(copies[0]).not.toHaveProperty('HtmlBody')
  expect(copies[1]).not.toHaveProperty('TextBody')
  expect(copies[1]).not.toHaveProperty('Attachments')
})

type Row = [status: number, body: unknown, kind: Outcome['kind'], code: string]

test('every answer of Postmark has one outcome', async () => {
  const error = (ErrorCode: number) => ({ ErrorCode, Message: `${serverToken} says no` })
  const rows: Row[] = [
    ...[300, 402, 403, 411].map((code): Row => [422, error(code), 'refused_permanent', `error_${code}`]),
    ...[400, 401, 405, 412, 413, 1235].map(
      (code): Row => [422, error(code), 'refused_retry', `error_${code}`],
    ),
    [413, null, 'refused_permanent', 'http_413'],
    [401, error(10), 'refused_retry', 'error_10'],
    [403, error(403), 'refused_retry', 'error_403'],
    [404, 'not even JSON', 'refused_retry', 'http_404'],
    [422, null, 'refused_retry', 'http_422'],
    [422, error(429), 'throttled', 'error_429'],
    [429, null, 'throttled', 'http_429'],
    [301, null, 'refused_retry', 'http_301'],
    ...[408, 409, 425, 499, 500, 502].map((status): Row => [status, null, 'ambiguous', `http_${status}`]),
    [503, error(100), 'ambiguous', 'error_100'],
    [500, error(300), 'ambiguous', 'error_300'],
    [200, { ErrorCode: 0, Message: 'OK' }, 'ambiguous', 'error_0'],
    [200, { ErrorCode: 0, MessageID: '' }, 'ambiguous', 'error_0'],
    [200, { MessageID: 'x' }, 'ambiguous', 'http_200'],
    [200, { ...error(406), MessageID: 'x' }, 'ambiguous', 'error_406'],
    [202, { ErrorCode: 0, MessageID: 'x' }, 'ambiguous', 'error_0'],
  ]
  for (const [status, body, kind, code] of rows) {
    const outcome = await told(sendTo, status, body)
    expect(outcome, `${status} ${code}`).toMatchObject({ kind, code })
    expect(JSON.stringify(outcome)).not.toContain(serverToken)
  }
  expect(await told(sendTo, 422, error(300))).toMatchObject({ detail: '422 [secret] says no' })
  await lostAnswers('postmark', (name, timeoutMs) => sendTo(name, letter(), timeoutMs))
})

test('Postmark names suppressed recipients, and the others are served', async () => {
  const answered = async (status: number, ErrorCode: number, Message: string, recipients: string[]) => {
    const send = (name: string) => sendTo(name, crowd(recipients))
    const outcome = await told(send, status, { ErrorCode, Message, MessageID: 'id-1' })
    const named =
      outcome.kind === 'accepted' ? outcome.refused : 'recipients' in outcome ? outcome.recipients : []
    return {
      kind: outcome.kind,
      named: named.map((each) => [each.email, each.permanent, each.code]),
    }
  }
  const three = ['TO@example.com', 'cc@example.com', 'b1@example.com']
  const gone = 'Message OK, but will not deliver to these inactive addresses: to@example.com, b1@example.com.'
  expect(await answered(200, 0, gone, three)).toEqual({
    kind: 'accepted',
    named: [
      ['TO@example.com', true, 'error_406'],
      ['b1@example.com', true, 'error_406'],
    ],
  })
  const all =
    'You tried to send to recipient(s) that have been marked as inactive. Found inactive addresses: ' +
    'cc@example.com, to@example.com. Inactive recipients are ones that have generated a hard bounce.'
  expect(await answered(422, 406, all, ['TO@example.com', 'cc@example.com'])).toEqual({
    kind: 'refused_permanent',
    named: [
      ['TO@example.com', true, 'error_406'],
      ['cc@example.com', true, 'error_406'],
    ],
  })
  expect(await answered(422, 406, all, three)).toMatchObject({ kind: 'refused_retry', named: [{}, {}] })
  expect(await answered(422, 406, 'Inactive.', ['cc@example.com'])).toEqual({
    kind: 'refused_permanent',
    named: [['cc@example.com', true, 'error_406']],
  })
})
