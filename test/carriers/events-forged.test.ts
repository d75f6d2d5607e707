import { expect, test } from 'vitest'
import type { ReportingCarrier } from '../../src/carriers/events/event.ts'
import { readReport } from '../../src/carriers/events/index.ts'
import {
  CERTIFICATE,
  envelopeOf,
  mailgunWire,
  NOW,
  newCarriers,
  newReach,
  type Pages,
  signSns,
  snsWire,
  subscriptionOf,
  TOPIC,
  type Wire,
} from '../support/carrier-events.ts'
import type { Table } from '../support/carrier-events-forged.ts'
import { MAILGUN_BOUNCE, mailgunTable } from '../support/carrier-events-mailgun.ts'
import { postmarkTable } from '../support/carrier-events-postmark.ts'
import { sendgridTable } from '../support/carrier-events-sendgrid.ts'
import { SES_BOUNCE, snsTable } from '../support/carrier-events-sns.ts'
import { svixTable } from '../support/carrier-events-svix.ts'

const carriers = await newCarriers()
const tables: Record<ReportingCarrier, Table> = {
  ses: await snsTable(carriers),
  resend: svixTable(),
  postmark: postmarkTable(),
  sendgrid: await sendgridTable(carriers),
  mailgun: mailgunTable(),
}
const names = Object.keys(tables) as ReportingCarrier[]

async function read(
  carrier: ReportingCarrier,
  { headers, body }: Wire,
  pages: Pages = tables[carrier].pages,
  settings: Partial<typeof carriers.settings> = carriers.settings,
) {
  const reach = newReach(pages)
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
  const report = await readReport(
    carrier,
    { headers: new Headers(headers), body: bytes },
    settings,
    NOW,
    reach,
  )
  return { report, asked: reach.asked }
}

test.for(names)('%s: what is genuine is believed, and nothing else', async (carrier) => {
  const { genuine, forged } = tables[carrier]
  expect(forged.length).toBeGreaterThanOrEqual(30)
  expect(new Set(forged.map(({ name }) => name)).size).toBe(forged.length)
  for (const { name, wire } of genuine) {
    const { report } = await read(carrier, wire)
    expect(report, name).toMatchObject({ kind: 'events' })
    const isSubscription = name.includes('subscription')
    const events = report.kind === 'events' ? report.events : []
    expect(events, name).toMatchObject(
      isSubscription ? [] : [{ kind: 'hard_bounce', sendId: 'snd_1', tenantId: 'tenant_1' }],
    )
  }
  const believed: string[] = []
  for (const { name, wire } of forged) {
    const { report } = await read(carrier, wire)
    if (report.kind !== 'refused') believed.push(`${name}: ${report.kind}`)
    else expect(report.reason, name).toMatch(/^[\w ’]{5,60}$/)
  }
  expect(believed).toEqual([])
})

test.for(names)('%s: where no secret is set, not even the genuine is read', async (carrier) => {
  const { genuine, pages } = tables[carrier]
  const keys = Object.keys(carriers.settings) as (keyof typeof carriers.settings)[]
  const needed = keys.filter((key) => key.startsWith(carrier.toUpperCase()))
  expect(needed.length).toBeGreaterThan(0)
  for (const key of needed) {
    for (const value of [undefined, '']) {
      const settings = { ...carriers.settings, [key]: value }
      for (const { wire } of genuine) {
        const { report, asked } = await read(carrier, wire, pages, settings)
        expect(report).toEqual({ kind: 'unconfigured' })
        expect(asked).toEqual([])
      }
    }
  }
})

test('an unusable secret counts as not configured', async () => {
  const rows: [ReportingCarrier, Record<string, string>][] = [
    ['resend', { RESEND_WEBHOOK_SECRET: 'whsec_' }],
    ['resend', { RESEND_WEBHOOK_SECRET: 'whsec_*' }],
    ['postmark', { POSTMARK_WEBHOOK_SECRET: ':' }],
    ['postmark', { POSTMARK_WEBHOOK_SECRET: 'user' }],
    ['postmark', { POSTMARK_WEBHOOK_SECRET: 'user:' }],
    ['sendgrid', { SENDGRID_WEBHOOK_KEY: 'MFkw' }],
    ['sendgrid', { SENDGRID_WEBHOOK_KEY: Buffer.from(carriers.keys.p384.spki).toString('base64') }],
    ['sendgrid', { SENDGRID_WEBHOOK_KEY: Buffer.from(carriers.keys.signer.spki).toString('base64') }],
    ['ses', { SES_TOPIC_ARNS: ' , ' }],
    ['mailgun', { MAILGUN_BASE_URL: 'http://api.mailgun.net' }],
    ['mailgun', { MAILGUN_BASE_URL: 'mailgun' }],
  ]
  for (const [carrier, change] of rows) {
    const [row] = tables[carrier].genuine
    if (!row) throw new Error('no genuine report')
    const settings = { ...carriers.settings, ...change }
    expect((await read(carrier, row.wire, undefined, settings)).report, JSON.stringify(change)).toEqual({
      kind: 'unconfigured',
    })
  }
})

test('nothing is fetched for a message with a wrong topic, region, age or form, and never from another host', async () => {
  const { genuine, forged, pages } = tables.ses
  const beforehand = ['not a message', 'a topic', 'too old', 'no signature', 'a certificate from elsewhere']
  let refusedBeforehand = 0
  for (const { name, wire } of [...genuine, ...forged]) {
    const { report, asked } = await read('ses', wire)
    for (const { url, init } of asked) {
      expect(url, name).toMatch(
        /^https:\/\/sns\.eu-west-1\.amazonaws\.com\/(\?|SimpleNotificationService-[0-9a-f]+\.pem$)/,
      )
      expect(init, name).toMatchObject({ redirect: 'manual', signal: expect.any(AbortSignal) })
    }
    if (report.kind !== 'refused' || !beforehand.some((reason) => report.reason.startsWith(reason))) continue
    refusedBeforehand++
    expect(asked, name).toEqual([])
  }
  expect(refusedBeforehand).toBeGreaterThan(50)
  const subscription = genuine.find(({ name }) => name.includes('subscription'))
  if (!subscription) throw new Error('no subscription')
  const { asked } = await read('ses', subscription.wire)
  expect(asked.map(({ url }) => url)).toEqual([
    expect.stringContaining('.pem'),
    subscriptionOf().SubscribeURL,
  ])
  expect(subscriptionOf().SubscribeURL).toContain(encodeURIComponent(TOPIC))

  // A known certificate is not fetched again; its validity is checked each time.
  const reach = newReach(pages)
  const body = new TextEncoder().encode(String(genuine[0]?.wire.body))
  for (const _ of [1, 2, 3])
    expect(
      await readReport('ses', { headers: new Headers(), body }, carriers.settings, NOW, reach),
    ).toMatchObject({
      kind: 'events',
    })
  expect(reach.asked).toHaveLength(1)
})

test('topics in China and in GovCloud use their own hosts and certificates, and no others', async () => {
  const { keys, pages } = carriers
  const rows = [
    ['arn:aws-cn:sns:cn-north-1:123456789012:mail', 'https://sns.cn-north-1.amazonaws.com.cn', 'China', true],
    ['arn:aws-cn:sns:cn-north-1:123456789012:mail', 'https://sns.cn-north-1.amazonaws.com', 'China', false],
    [
      'arn:aws-cn:sns:cn-north-1:123456789012:mail',
      'https://sns.cn-north-1.amazonaws.com.cn',
      'GovCloud',
      false,
    ],
    [
      'arn:aws-us-gov:sns:us-gov-east-1:123456789012:mail',
      'https://sns.us-gov-east-1.amazonaws.com',
      'GovCloud',
      true,
    ],
    [
      'arn:aws-us-gov:sns:us-gov-east-1:123456789012:mail',
      'https://sns.us-gov-east-1.amazonaws.com',
      'China',
      false,
    ],
    [TOPIC, 'https://sns.eu-west-1.amazonaws.com', 'genuine', true],
    [TOPIC, 'https://sns.eu-west-1.amazonaws.com', 'China', false],
    [TOPIC, 'https://sns.eu-west-1.amazonaws.com', 'GovCloud', false],
    ['arn:aws:sns:eu-west-1:123456789012:mail.fifo', 'https://sns.eu-west-1.amazonaws.com', 'genuine', true],
    ['arn:aws:sqs:eu-west-1:123456789012:mail', 'https://sns.eu-west-1.amazonaws.com', 'genuine', false],
    [
      'arn:aws:sns:eu-west-1.evil.example/:123456789012:x',
      'https://sns.eu-west-1.evil.example/',
      'genuine',
      false,
    ],
  ] as const
  for (const [topic, host, page, isBelieved] of rows) {
    const url = `${host}/SimpleNotificationService-0123456789abcdef.pem`
    const envelope = await signSns(
      envelopeOf(SES_BOUNCE, { TopicArn: topic, SigningCertURL: url }),
      keys.signer,
    )
    const shown: Pages = new Map([[url, { status: 200, body: pages[page] }]])
    const { report } = await read('ses', snsWire(envelope), shown, { SES_TOPIC_ARNS: topic })
    expect(report.kind, `${topic} ${page}`).toBe(isBelieved ? 'events' : 'refused')
  }
})

test('the end of a subscription must be signed like any message, and reports no event', async () => {
  const envelope = await signSns(subscriptionOf({ Type: 'UnsubscribeConfirmation' }), carriers.keys.signer)
  const { report, asked } = await read('ses', snsWire(envelope))
  expect(report).toEqual({ kind: 'events', events: [] })
  expect(asked.map(({ url }) => url)).toEqual([CERTIFICATE])
  expect((await read('ses', snsWire({ ...envelope, Token: 'ffffff' }))).report).toMatchObject({
    kind: 'refused',
  })
})

test('if the carrier does not answer our question, it must report again', async () => {
  const failing: Record<string, () => Promise<Response>> = {
    unreachable: async () => Promise.reject(new TypeError('connection refused')),
    broken: async () => new Response('', { status: 500 }),
    busy: async () => new Response('', { status: 429 }),
    cut: async () =>
      new Response(
        new ReadableStream({
          start: (stream) => stream.error(new Error('cut')),
        }),
      ),
  }
  for (const carrier of ['ses', 'mailgun'] as const) {
    const [row] = tables[carrier].genuine
    const body = new TextEncoder().encode(String(row?.wire.body))
    for (const [name, fetch] of Object.entries(failing)) {
      const reach = { fetch, certificates: new Map() }
      const report = await readReport(
        carrier,
        { headers: new Headers(), body },
        carriers.settings,
        NOW,
        reach,
      )
      expect(report, `${carrier} ${name}`).toMatchObject({ kind: 'unavailable' })
    }
  }
  // If Mailgun refuses our key, or answers with no page of events, that says nothing about the report.
  const [row] = tables.mailgun.genuine
  const body = new TextEncoder().encode(String(row?.wire.body))
  for (const response of [new Response('Forbidden', { status: 401 }), new Response('', { status: 302 })]) {
    const reach = { fetch: async () => response, certificates: new Map() }
    const report = await readReport(
      'mailgun',
      { headers: new Headers(), body },
      carriers.settings,
      NOW,
      reach,
    )
    expect(report).toMatchObject({ kind: 'unavailable' })
  }
  const silent = {
    fetch: (_: string, { signal }: RequestInit) => unanswered(signal),
    certificates: new Map(),
  }
  const began = Date.now()
  expect(
    await readReport('mailgun', { headers: new Headers(), body }, carriers.settings, NOW, silent),
  ).toMatchObject({ kind: 'unavailable' })
  expect(Date.now() - began).toBeGreaterThan(4_000)
  expect(Date.now() - began).toBeLessThan(7_000)
})

function unanswered(signal: AbortSignal | null | undefined) {
  return new Promise<Response>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
}

test('Mailgun is not asked about an unproven report, nor with text that it would read as an expression', async () => {
  for (const { name, wire } of tables.mailgun.forged) {
    const { report, asked } = await read('mailgun', wire)
    const isProven = report.kind === 'refused' && report.reason === 'an event that Mailgun does not know'
    expect(asked, name).toHaveLength(isProven ? 1 : 0)
    for (const { url } of asked) expect(url, name).not.toMatch(/OR|\+|%20/)
  }
  // Whatever else the page has, only this event of this message counts.
  const unfiltered = { fetch: async () => Response.json({ items: known }), certificates: new Map() }
  const known = [MAILGUN_BOUNCE, { ...MAILGUN_BOUNCE, id: 'second', recipient: 'bob@example.com' }]
  const rows: [object, unknown][] = [
    [{}, { kind: 'events', events: [expect.objectContaining({ recipients: ['ada@example.com'] })] }],
    [
      { id: 'second' },
      { kind: 'events', events: [expect.objectContaining({ recipients: ['bob@example.com'] })] },
    ],
    [{ id: 'third' }, { kind: 'refused', reason: expect.any(String) }],
    [
      { message: { headers: { 'message-id': 'other@moltpost.test' } } },
      { kind: 'refused', reason: expect.any(String) },
    ],
  ]
  for (const [change, expected] of rows) {
    const body = new TextEncoder().encode(String(mailgunWire({ ...MAILGUN_BOUNCE, ...change }).body))
    expect(
      await readReport('mailgun', { headers: new Headers(), body }, carriers.settings, NOW, unfiltered),
    ).toEqual(expected)
  }
})

test('an answer of Mailgun that is no page of events proves nothing', async () => {
  const [row] = tables.mailgun.genuine
  const body = new TextEncoder().encode(String(row?.wire.body))
  for (const page of ['<html>', '{}', '[]', 'null', '{"items":[null,1,{"id":"G9Bn5sl1TC6nu79C8C0bwg"}]}']) {
    const reach = { fetch: async () => new Response(page), certificates: new Map() }
    const report = await readReport(
      'mailgun',
      { headers: new Headers(), body },
      carriers.settings,
      NOW,
      reach,
    )
    expect(report, page).toMatchObject({ kind: 'refused' })
  }
})
