import { expect, test } from 'vitest'
import { mailgun } from '../../src/carriers/mailgun.ts'
import type { Outcome } from '../../src/core/delivery/carrier.ts'
import { crowd, lostAnswers, seen, told } from '../support/peer-carrier.ts'
import { letter, peers } from '../support/peer-letter.ts'

const apiKey = 'mailgun-secret'
const credentials = btoa(`api:${apiKey}`)

function sendTo(name: string, message = letter(), timeoutMs?: number) {
  const baseUrl = `${peers.http}/${name}`
  return mailgun({ apiKey, domain: 'mg.moltpost.test', baseUrl, timeoutMs }).send(message)
}

test('Mailgun accepts the message as written, for the remaining recipients', async () => {
  const name = 'ok.mailgun-shape'
  const message = crowd(['CC@example.com', 'b1@example.com', 'b2@example.com', 'b1@example.com'])
  const outcome = await sendTo(`${name}/`, message)
  const { taken } = await seen(name)
  expect(outcome).toEqual({
    ...{ kind: 'accepted', carrierMessageId: taken[0]?.id, delivered: false, refused: [] },
  })
  expect(taken[0]).toMatchObject({
    path: `/${name}/v3/mg.moltpost.test/messages.mime`,
    authorization: `Basic ${credentials}`,
  })
  expect(taken[0]?.body).toEqual([
    ['to', 'CC@example.com'],
    ['to', 'b1@example.com'],
    ['to', 'b2@example.com'],
    ['message', new TextDecoder().decode(message.raw)],
    ['v:tenant_id', message.tenantId],
    ['v:send_id', message.sendId],
  ])
})

type Row = [status: number, body: unknown, kind: Outcome['kind']]

test('every answer of Mailgun has one outcome', async () => {
  const says = (words: string) => ({ message: words })
  const rows: Row[] = [
    [400, says(`key ${apiKey} or ${credentials}`), 'refused_permanent'],
    [413, null, 'refused_permanent'],
    [401, 'Forbidden', 'refused_retry'],
    [402, says('pay first'), 'refused_retry'],
    [403, says('Domain mg.moltpost.test is not allowed to send'), 'refused_retry'],
    [404, says('Domain not found'), 'refused_retry'],
    [301, null, 'refused_retry'],
    [403, says('not allowed to send: request limit exceeded, try again after Mon'), 'throttled'],
    [420, null, 'throttled'],
    [429, says('slow down'), 'throttled'],
    ...[408, 409, 425, 499, 500, 503].map((status): Row => [status, says('limit exceeded'), 'ambiguous']),
    [200, says('Queued. Thank you.'), 'ambiguous'],
    [200, { id: '' }, 'ambiguous'],
    [202, { id: '<x@y>' }, 'ambiguous'],
  ]
  for (const [status, body, kind] of rows) {
    const outcome = await told(sendTo, status, body)
    expect(outcome, `${status}`).toMatchObject({ kind, code: `http_${status}` })
    for (const secret of [apiKey, credentials]) expect(JSON.stringify(outcome)).not.toContain(secret)
  }
  expect(await told(sendTo, 400, says(`key ${apiKey}`))).toMatchObject({ detail: '400 key [secret]' })
  expect(await told(sendTo, 200, { id: '<x@y>' })).toMatchObject({ carrierMessageId: 'x@y' })
  await lostAnswers('mailgun', (name, timeoutMs) => sendTo(name, letter(), timeoutMs))
})
