import { env } from 'cloudflare:test'
import { OpenAPIHono } from '@hono/zod-openapi'
import { expect, test, vi } from 'vitest'
import type { CarrierEvent } from '../../src/carriers/events/event.ts'
import { readReport } from '../../src/carriers/events/index.ts'
import { carrierEvents } from '../../src/surfaces/carrier-events/index.ts'
import { type App, opening } from '../../src/surfaces/http.ts'
import {
  envelopeOf,
  newCarriers,
  newReach,
  POSTMARK_LOGIN,
  postmarkWire,
  SENDGRID_SIGNATURE,
  signSendgrid,
  signSns,
  snsWire,
  type Wire,
} from '../support/carrier-events.ts'
import { POSTMARK_BOUNCE } from '../support/carrier-events-postmark.ts'
import { SENDGRID_BOUNCE } from '../support/carrier-events-sendgrid.ts'

const carriers = await newCarriers()
const UNPROVEN = {
  error: 'unauthorized',
  message: 'It is not proven that the report comes from the carrier.',
}

/** The surface as the Worker mounts it, with a network that fails and a core that may fail. */
function door(settings: Partial<typeof carriers.settings> = carriers.settings, record?: () => Promise<void>) {
  const recorded: CarrierEvent[] = []
  const far = { ...newReach(new Map()), fetch: () => Promise.reject(new Error('unreachable')) }
  const app = new OpenAPIHono<App>()
  app.use(opening)
  app.route(
    '/events',
    carrierEvents<CarrierEvent>({
      read: (carrier, request, _env, now) => readReport(carrier, request, settings, now, far),
      record: record ?? (async (_env, _now, events) => void recorded.push(...events)),
    }),
  )
  const ask = async (method: string, path: string, wire: Partial<Wire> = {}) => {
    const response = await app.request(`http://x${path}`, { method, ...wire } as RequestInit, env)
    return { status: response.status, body: await response.json<Record<string, unknown>>() }
  }
  return {
    recorded,
    app,
    ask,
    post: (carrier: string, wire: Wire) => ask('POST', `/events/${carrier}`, wire),
  }
}

const secondsNow = () => String(Math.floor(Date.now() / 1000))
const batchOf = (count: number, signer = carriers.keys.sendgrid) =>
  signSendgrid(
    JSON.stringify(Array.from({ length: count }, (_, n) => ({ ...SENDGRID_BOUNCE, sg_event_id: `e${n}` }))),
    signer,
    { seconds: secondsNow() },
  )

test('a proven report is recorded before it is answered, and is read byte by byte as it came', async () => {
  const { post, recorded } = door()
  expect(await post('postmark', postmarkWire(POSTMARK_BOUNCE))).toEqual({
    status: 200,
    body: { received: 1 },
  })
  expect(await post('sendgrid', await batchOf(3))).toEqual({ status: 200, body: { received: 3 } })
  expect(recorded.map(({ id }) => id)).toEqual(['bounce:692560173', 'e0', 'e1', 'e2'])

  // Spaces, key order and line ends that no JSON writer would reproduce, with every content type.
  const body = `[ {"timestamp":1795251600.0 ,\r\n"event":"delivered", "sg_event_id" :"odd","email":"ada@example.com"} ]\r\n`
  for (const type of [
    'application/json',
    'text/plain; charset=UTF-8',
    'application/x-www-form-urlencoded',
    '',
  ]) {
    const wire = await signSendgrid(body, carriers.keys.sendgrid, { seconds: secondsNow() })
    const headers = { ...wire.headers, 'content-type': type }
    expect(await post('sendgrid', { ...wire, headers })).toEqual({ status: 200, body: { received: 1 } })
  }
  expect(await post('postmark', postmarkWire({ ...POSTMARK_BOUNCE, RecordType: 'Open' }))).toEqual({
    status: 200,
    body: { received: 0 },
  })
})

test('an unproven report is 401 with the same text for every reason, and the log has no body and no secret', async () => {
  const log = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const { post, recorded } = door()
  const signed = await batchOf(1)
  const unproven: [string, Wire][] = [
    ['postmark', postmarkWire(POSTMARK_BOUNCE, 'postmark:guess')],
    ['postmark', { headers: {}, body: '{' }],
    ['sendgrid', await batchOf(1, carriers.keys.ec)],
    ['sendgrid', { ...signed, body: `${signed.body} ` }],
    ['sendgrid', { ...signed, headers: { ...signed.headers, [SENDGRID_SIGNATURE]: '' } }],
    ['resend', postmarkWire(POSTMARK_BOUNCE)],
    ['mailgun', { headers: { 'content-type': 'application/json' }, body: 'not JSON' }],
    ['ses', { headers: {}, body: '' }],
  ]
  for (const [carrier, wire] of unproven)
    expect(await post(carrier, wire), carrier).toEqual({ status: 401, body: UNPROVEN })
  expect(recorded).toEqual([])
  const lines = log.mock.calls.map(([line]) => String(line))
  log.mockRestore()
  expect(lines).toHaveLength(unproven.length)
  for (const line of lines) {
    expect(Object.keys(JSON.parse(line))).toEqual(['time', 'level', 'event', 'carrier', 'reason'])
    expect(line).not.toMatch(/ada@|guess|random|Basic/)
  }
  expect(lines[0]).not.toContain(POSTMARK_LOGIN)
})

test('a carrier whose secret is not set is answered 503, whatever it sends', async () => {
  const { post, recorded } = door({})
  for (const carrier of ['ses', 'resend', 'postmark', 'sendgrid', 'mailgun'])
    expect(await post(carrier, postmarkWire(POSTMARK_BOUNCE)), carrier).toEqual({
      status: 503,
      body: {
        error: 'not_configured',
        message: 'Reports of this carrier are not configured here. Set its secret in the Worker.',
      },
    })
  expect(recorded).toEqual([])
})

test('a report that cannot be checked is 503 and one that cannot be stored is 500, so the carrier repeats it', async () => {
  const log = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const failures = vi.spyOn(console, 'error').mockImplementation(() => {})
  const message = envelopeOf('{}', { Timestamp: new Date().toISOString() })
  expect(await door().post('ses', snsWire(await signSns(message, carriers.keys.signer)))).toEqual({
    status: 503,
    body: { error: 'unavailable', message: 'The report cannot be checked now. Send it again.' },
  })
  const full = door(carriers.settings, () => Promise.reject(new Error('the disk is full of ada@example.com')))
  expect(await full.post('postmark', postmarkWire(POSTMARK_BOUNCE))).toEqual({
    status: 500,
    body: { error: 'internal_error', message: expect.stringMatching(/^Something broke on our side/) },
  })
  expect(log).toHaveBeenCalledTimes(1)
  expect(failures).toHaveBeenCalledTimes(1)
  vi.restoreAllMocks()
})

test('a report of more than 1 MiB is 413, with or without Content-Length, and other requests are 404', async () => {
  const { post, ask, recorded } = door()
  const padded = (length: number) => ({ ...POSTMARK_BOUNCE, Content: 'x'.repeat(length) })
  expect(await post('postmark', postmarkWire(padded(1_000_000)))).toMatchObject({ status: 200 })
  const tooLarge = {
    status: 413,
    body: { error: 'payload_too_large', message: 'A report is at most 1 MiB.' },
  }
  const wire = postmarkWire(padded(1_048_576))
  expect(await post('postmark', wire)).toEqual(tooLarge)
  const told = { ...wire, headers: { ...wire.headers, 'content-length': String(wire.body.length) } }
  expect(await post('postmark', told)).toEqual(tooLarge)
  expect(recorded).toHaveLength(1)

  for (const [method, path] of [
    ['GET', '/events/ses'],
    ['PUT', '/events/postmark'],
    ['POST', '/events/smtp'],
    ['POST', '/events/ses/x'],
    ['POST', '/events/SES'],
    ['POST', '/events'],
  ] as const)
    expect(await ask(method, path), `${method} ${path}`).toEqual({
      status: 404,
      body: { error: 'not_found', message: `There is no ${method} ${path}.` },
    })
})

test('the routes are in the OpenAPI document under one tag', () => {
  const { paths } = door().app.getOpenAPI31Document({ openapi: '3.1.0', info: { title: 'x', version: '1' } })
  expect(Object.keys(paths ?? {}).sort()).toEqual(
    ['mailgun', 'postmark', 'resend', 'sendgrid', 'ses', 'stripe'].map((carrier) => `/events/${carrier}`),
  )
  for (const path of Object.values(paths ?? {}))
    expect(path.post).toMatchObject({
      tags: ['provider-events'],
      responses: { 200: {}, 401: {}, 413: {}, 503: {} },
    })
})
