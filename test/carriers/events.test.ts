import { expect, test } from 'vitest'
import { cloudflareEvents } from '../../src/carriers/events/cloudflare.ts'
import { bounceOf, type CarrierEvent, type ReportingCarrier } from '../../src/carriers/events/event.ts'
import { readReport } from '../../src/carriers/events/index.ts'
import {
  CERTIFICATE,
  envelopeOf,
  MAILGUN_EVENTS,
  mailgunWire,
  NOW,
  newCarriers,
  newReach,
  type Pages,
  postmarkWire,
  resendWire,
  signSendgrid,
  signSns,
  snsWire,
  type Wire,
} from '../support/carrier-events.ts'
import { MAILGUN_BOUNCE } from '../support/carrier-events-mailgun.ts'
import { POSTMARK_BOUNCE } from '../support/carrier-events-postmark.ts'
import { SENDGRID_BOUNCE } from '../support/carrier-events-sendgrid.ts'
import { SES_BOUNCE } from '../support/carrier-events-sns.ts'
import { RESEND_BOUNCE } from '../support/carrier-events-svix.ts'

const carriers = await newCarriers()

async function eventsOf(carrier: ReportingCarrier, { headers, body }: Wire, pages: Pages = new Map()) {
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
  const request = { headers: new Headers(headers), body: bytes }
  const report = await readReport(carrier, request, carriers.settings, NOW, newReach(pages))
  if (report.kind !== 'events') throw new Error(`${carrier}: ${JSON.stringify(report)}`)
  return report.events
}

const shown: Pages = new Map([[CERTIFICATE, { status: 200, body: carriers.pages.genuine }]])
const sesEvents = async (message: unknown) =>
  eventsOf('ses', snsWire(await signSns(envelopeOf(message), carriers.keys.signer)), shown)
const resendEvents = (event: unknown) => eventsOf('resend', resendWire(event))
const postmarkEvents = (event: unknown) => eventsOf('postmark', postmarkWire(event))
const sendgridEvents = async (events: unknown) =>
  eventsOf('sendgrid', await signSendgrid(JSON.stringify(events), carriers.keys.sendgrid))
const mailgunEvents = (item: unknown) =>
  eventsOf(
    'mailgun',
    mailgunWire(item),
    new Map([[MAILGUN_EVENTS, { status: 200, body: JSON.stringify([item]) }]]),
  )

const HAPPENED = new Date('2026-11-21T08:59:57.000Z')
const ours = { tenantId: 'tenant_1', sendId: 'snd_1', messageId: 'snd_1@moltpost.test' }
const toAda = { recipients: ['ada@example.com'], at: HAPPENED }
const unknownUser = { kind: 'hard_bounce', code: '5.1.1', detail: 'smtp; 550 5.1.1 user unknown' } as const

const SNS_ID = '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324'

test('SES: every event of its event publishing and of its notifications', async () => {
  const { mail } = SES_BOUNCE
  const base: Omit<CarrierEvent, 'kind' | 'code' | 'detail'> = {
    ...{ carrier: 'ses', id: SNS_ID, ...ours, ...toAda },
    carrierMessageId: '0102019aa5b1-ses',
  }
  const sentAt = new Date('2026-11-21T08:59:50.000Z')
  const timestamp = HAPPENED.toISOString()
  const silent = { code: null, detail: null }
  const rows: [string, unknown, Partial<CarrierEvent>[]][] = [
    ['Send', { send: {} }, [{ kind: 'accepted', at: sentAt, ...silent }]],
    [
      'Delivery',
      {
        delivery: { timestamp, recipients: ['ada@example.com'], smtpResponse: '250 2.6.0 Message received' },
      },
      [{ kind: 'delivered', code: '2.6.0', detail: '250 2.6.0 Message received' }],
    ],
    [
      'DeliveryDelay',
      {
        deliveryDelay: {
          timestamp,
          delayType: 'TransientCommunicationFailure',
          delayedRecipients: [
            { emailAddress: 'ada@example.com', status: '4.4.1', diagnosticCode: 'smtp; 421 4.4.1 later' },
          ],
        },
      },
      [{ kind: 'delayed', code: '4.4.1', detail: 'smtp; 421 4.4.1 later' }],
    ],
    ['Bounce', SES_BOUNCE, [unknownUser]],
    [
      'Bounce',
      {
        bounce: {
          ...SES_BOUNCE.bounce,
          bouncedRecipients: [
            {
              emailAddress: 'ada@example.com',
              status: '5.1.1',
              diagnosticCode: 'smtp; 550 5.1.1 user unknown',
            },
            {
              emailAddress: 'Bob <bob@example.com>',
              status: '5.7.1',
              diagnosticCode: 'smtp; 554 5.7.1 spam',
            },
          ],
        },
      },
      [
        { ...unknownUser, id: `${SNS_ID}.0` },
        {
          id: `${SNS_ID}.1`,
          kind: 'soft_bounce',
          recipients: ['bob@example.com'],
          code: '5.7.1',
          detail: 'smtp; 554 5.7.1 spam',
        },
      ],
    ],
    [
      'Complaint',
      {
        complaint: {
          timestamp,
          complaintFeedbackType: 'abuse',
          complainedRecipients: [{ emailAddress: 'ada@example.com' }],
        },
      },
      [{ kind: 'complaint', code: 'abuse', detail: null }],
    ],
    [
      'Complaint',
      {
        complaint: {
          timestamp,
          complaintSubType: null,
          complainedRecipients: [{ emailAddress: 'ada@example.com' }, { emailAddress: 'bob@example.com' }],
        },
      },
      [{ kind: 'complaint', recipients: ['ada@example.com', 'bob@example.com'], ...silent }],
    ],
    [
      'Complaint',
      {
        complaint: {
          timestamp,
          complaintSubType: 'OnAccountSuppressionList',
          complainedRecipients: [{ emailAddress: 'ada@example.com' }],
        },
      },
      [{ kind: 'rejected', code: 'OnAccountSuppressionList', detail: null }],
    ],
    [
      'Complaint',
      {
        complaint: {
          timestamp,
          complaintFeedbackType: 'not-spam',
          complainedRecipients: [{ emailAddress: 'ada@example.com' }],
        },
      },
      [],
    ],
    [
      'Reject',
      { reject: { reason: 'Bad content' } },
      [{ kind: 'rejected', at: sentAt, code: 'Reject', detail: 'Bad content' }],
    ],
    [
      'Rendering Failure',
      { failure: { templateName: 'x', errorMessage: 'Attribute is missing' } },
      [{ kind: 'rejected', at: sentAt, code: 'Rendering Failure', detail: 'Attribute is missing' }],
    ],
    ['Open', { open: { timestamp } }, []],
    ['Click', { click: { timestamp } }, []],
    ['Subscription', {}, []],
    ['Gossip', {}, []],
  ]
  for (const [type, parts, expected] of rows) {
    const events = expected.map((event) => ({ ...base, ...event }))
    const message = { mail, ...(parts as object) }
    expect(await sesEvents({ ...message, eventType: type }), type).toEqual(events)
    expect(await sesEvents({ ...message, eventType: undefined, notificationType: type }), type).toEqual(
      events,
    )
  }
  // A notification has no tags. It has the headers if they are configured; else only Amazon’s own id finds the send.
  const headers = [
    { name: 'X-Moltpost-Send-Id', value: 'snd_1' },
    { name: 'Message-ID', value: '<snd_1@moltpost.test>' },
  ]
  const bare = { ...SES_BOUNCE, mail: { timestamp, messageId: mail.messageId, headers } }
  expect(await sesEvents(bare)).toEqual([{ ...base, ...unknownUser, tenantId: null }])
  expect(await sesEvents({ ...bare, mail: { timestamp, messageId: mail.messageId } })).toEqual([
    { ...base, ...unknownUser, tenantId: null, sendId: null, messageId: null },
  ])
  for (const nothing of [
    'Successfully validated SNS topic for Amazon SES event publishing.',
    '[]',
    '{}',
    '{"mail":[]}',
  ])
    expect(await sesEvents(nothing)).toEqual([])
})

test('Amazon’s bounces, which Resend passes on, are hard only if the address is at fault', async () => {
  const rows: [string | null, string | null, string | null, CarrierEvent['kind']][] = [
    ['Permanent', 'General', '5.1.1', 'hard_bounce'],
    ['Permanent', 'General', null, 'hard_bounce'],
    ['Permanent', 'NoEmail', '5.1.1', 'hard_bounce'],
    ['Permanent', 'Suppressed', '5.1.1', 'hard_bounce'],
    ['Permanent', 'General', '5.2.1', 'hard_bounce'],
    ['Permanent', 'General', '5.7.1', 'soft_bounce'],
    ['Permanent', 'General', '5.2.2', 'soft_bounce'],
    ['Permanent', 'General', '4.4.7', 'soft_bounce'],
    ['Permanent', 'OnAccountSuppressionList', '5.1.1', 'rejected'],
    ['Permanent', 'UnsubscribedRecipient', null, 'rejected'],
    ['Permanent', 'Unheard', '5.1.1', 'soft_bounce'],
    ['Permanent', null, '5.1.1', 'soft_bounce'],
    ['Transient', 'General', '5.1.1', 'soft_bounce'],
    ['Transient', 'MailboxFull', '5.2.2', 'soft_bounce'],
    ['Transient', 'MessageTooLarge', null, 'soft_bounce'],
    ['Transient', 'ContentRejected', null, 'soft_bounce'],
    ['Transient', 'AttachmentRejected', null, 'soft_bounce'],
    ['Undetermined', 'Undetermined', '5.1.1', 'soft_bounce'],
    [null, null, null, 'soft_bounce'],
  ]
  for (const [bounceType, bounceSubType, status, kind] of rows) {
    const bouncedRecipients = [{ emailAddress: 'ada@example.com', status }]
    const bounce = { ...SES_BOUNCE.bounce, bounceType, bounceSubType, bouncedRecipients }
    const title = [bounceType, bounceSubType, status].join()
    const named = [bounceType, bounceSubType].filter(Boolean).join('/') || null
    expect(await sesEvents({ ...SES_BOUNCE, bounce }), title).toMatchObject([
      { kind, code: status ?? named, detail: named },
    ])
    const diagnosticCode = status ? [`smtp; 550 ${status} no`] : []
    const data = {
      ...RESEND_BOUNCE.data,
      bounce: { type: bounceType, subType: bounceSubType, message: 'no', diagnosticCode },
    }
    expect(await resendEvents({ ...RESEND_BOUNCE, data }), title).toMatchObject([{ kind }])
  }
})

test('Resend: every event about mail', async () => {
  const base = {
    ...{ carrier: 'resend', id: 'msg_2KWPBgLlAfxdpx2AI54pPJ85f4W', ...ours, at: HAPPENED },
    // Resend names all visible recipients, not the one that the event is about.
    recipients: [],
    carrierMessageId: '56761188-7520-42d8-8898-ff6fc54ce618',
  }
  const { bounce: _, ...data } = RESEND_BOUNCE.data
  const silent = { code: null, detail: null }
  const rows: [string, object, Partial<CarrierEvent> | null][] = [
    ['email.sent', {}, { kind: 'accepted', ...silent }],
    ['email.delivered', {}, { kind: 'delivered', ...silent }],
    ['email.delivery_delayed', {}, { kind: 'delayed', ...silent }],
    ['email.complained', {}, { kind: 'complaint', ...silent }],
    ['email.bounced', RESEND_BOUNCE.data, unknownUser],
    ['email.bounced', {}, { kind: 'soft_bounce', ...silent }],
    [
      'email.bounced',
      { bounce: { type: 'Permanent', subType: 'General', message: 'A hard bounce\u0000\r\n message' } },
      { kind: 'hard_bounce', code: 'Permanent/General', detail: 'A hard bounce message' },
    ],
    [
      'email.failed',
      { failed: { reason: 'reached_daily_quota' } },
      { kind: 'rejected', code: null, detail: 'reached_daily_quota' },
    ],
    [
      'email.suppressed',
      { suppressed: { type: 'OnAccountSuppressionList', message: 'On the list' } },
      { kind: 'rejected', code: 'OnAccountSuppressionList', detail: 'On the list' },
    ],
    ...['opened', 'clicked', 'scheduled', 'received'].map((name): [string, object, null] => [
      `email.${name}`,
      {},
      null,
    ]),
    ['contact.created', {}, null],
    ['constructor', {}, null],
  ]
  for (const [type, more, expected] of rows) {
    const events = await resendEvents({
      type,
      created_at: HAPPENED.toISOString(),
      data: { ...data, ...more },
    })
    expect(events, type).toEqual(expected === null ? [] : [{ ...base, ...expected }])
  }
  for (const nothing of [
    null,
    [],
    {},
    { type: 'email.sent' },
    { type: 'email.sent', data: 'x' },
    'email.sent',
  ])
    expect(await resendEvents(nothing)).toEqual([])
})

test('Postmark: deliveries, complaints and every type of bounce', async () => {
  const base = {
    ...{ carrier: 'postmark', ...ours, messageId: null, ...toAda },
    carrierMessageId: '00000000-0000-0000-0000-000000000001',
  }
  const { MessageID, Metadata } = POSTMARK_BOUNCE
  const delivery = {
    RecordType: 'Delivery',
    MessageID,
    Metadata,
    Recipient: 'ada@example.com',
    DeliveredAt: '2026-11-21T08:59:57Z',
    Details: '250 2.0.0 OK',
  }
  expect(await postmarkEvents(delivery)).toEqual([
    {
      ...base,
      id: `delivery:${MessageID}:ada@example.com`,
      kind: 'delivered',
      code: '2.0.0',
      detail: '250 2.0.0 OK',
    },
  ])
  const bounced = { ...base, id: 'bounce:692560173', code: '5.1.1', detail: 'smtp;550 5.1.1 user unknown' }
  expect(await postmarkEvents(POSTMARK_BOUNCE)).toEqual([{ ...bounced, kind: 'hard_bounce' }])
  expect(
    await postmarkEvents({
      ...POSTMARK_BOUNCE,
      RecordType: 'SpamComplaint',
      Type: 'SpamComplaint',
      Details: undefined,
    }),
  ).toEqual([{ ...bounced, kind: 'complaint', code: 'SpamComplaint', detail: POSTMARK_BOUNCE.Description }])
  const kinds: Record<string, CarrierEvent['kind'] | null> = {
    HardBounce: 'hard_bounce',
    BadEmailAddress: 'hard_bounce',
    Transient: 'delayed',
    SoftBounce: 'soft_bounce',
    DnsError: 'soft_bounce',
    SpamNotification: 'soft_bounce',
    Blocked: 'soft_bounce',
    DMARCPolicy: 'soft_bounce',
    VirusNotification: 'soft_bounce',
    Unknown: 'soft_bounce',
    Unheard: 'soft_bounce',
    SpamComplaint: 'complaint',
    ManuallyDeactivated: 'rejected',
    Unconfirmed: 'rejected',
    SMTPApiError: 'rejected',
    InboundError: 'rejected',
    TemplateRenderingFailed: 'rejected',
    AutoResponder: null,
    AddressChange: null,
    ChallengeVerification: null,
    Subscribe: null,
    Unsubscribe: null,
    OpenRelayTest: null,
  }
  for (const [Type, kind] of Object.entries(kinds))
    expect(await postmarkEvents({ ...POSTMARK_BOUNCE, Type }), Type).toEqual(
      kind ? [{ ...bounced, kind }] : [],
    )
  expect(await postmarkEvents({ ...POSTMARK_BOUNCE, Details: '554 5.7.1 spam' })).toMatchObject([
    { kind: 'soft_bounce' },
  ])
  expect(await postmarkEvents({ ...POSTMARK_BOUNCE, Type: 'toString' })).toEqual([
    { ...bounced, kind: 'soft_bounce' },
  ])
  expect(await postmarkEvents({ ...POSTMARK_BOUNCE, Metadata: undefined })).toMatchObject([
    { tenantId: null, sendId: null },
  ])
  for (const RecordType of ['Open', 'Click', 'SubscriptionChange', 'Inbound', 'constructor'])
    expect(await postmarkEvents({ ...POSTMARK_BOUNCE, RecordType })).toEqual([])
})

test('SendGrid: every event about delivery, many in one report, unreadable ones skipped', async () => {
  const base = {
    ...{ carrier: 'sendgrid', id: 'Ym91bmNlLTAtMTk5NDIxMTI', ...ours, ...toAda },
    carrierMessageId: 'qNwBLgPQQjW6DJvKQwSAbw',
  }
  const { type: _type, status: _status, reason: _reason, ...plain } = SENDGRID_BOUNCE
  const rows: [object, Partial<CarrierEvent> | null][] = [
    [{ event: 'processed' }, { kind: 'accepted', code: null, detail: null }],
    [
      { event: 'delivered', response: '250 2.0.0 OK' },
      { kind: 'delivered', code: '2.0.0', detail: '250 2.0.0 OK' },
    ],
    [
      { event: 'deferred', response: '400 try again later', attempt: '5' },
      { kind: 'delayed', code: null, detail: '400 try again later' },
    ],
    [SENDGRID_BOUNCE, { kind: 'hard_bounce', code: '5.1.1', detail: '550 5.1.1 user unknown' }],
    [
      { event: 'bounce', type: 'bounce', status: '5.0.0', reason: 'no' },
      { kind: 'hard_bounce', code: '5.0.0', detail: 'no' },
    ],
    [
      { event: 'bounce', type: 'bounce', status: '4.2.2', reason: 'full' },
      { kind: 'soft_bounce', code: '4.2.2', detail: 'full' },
    ],
    [
      { event: 'bounce', type: 'bounce', status: '5.2.2', reason: 'full' },
      { kind: 'soft_bounce', code: '5.2.2', detail: 'full' },
    ],
    [
      { event: 'bounce', type: 'bounce', status: '', reason: 'no' },
      { kind: 'soft_bounce', code: 'bounce', detail: 'no' },
    ],
    [
      { event: 'bounce', type: 'blocked', status: '5.1.1', reason: 'no' },
      { kind: 'soft_bounce', code: '5.1.1', detail: 'no' },
    ],
    [
      { event: 'dropped', reason: 'Bounced Address' },
      { kind: 'rejected', code: null, detail: 'Bounced Address' },
    ],
    [{ event: 'spamreport' }, { kind: 'complaint', code: null, detail: null }],
    ...['open', 'click', 'unsubscribe', 'group_unsubscribe', 'group_resubscribe', 'valueOf'].map(
      (event): [object, null] => [{ event }, null],
    ),
  ]
  const batch = rows.map(([event], n) => ({ ...plain, ...event, sg_event_id: `event-${n}` }))
  const unreadable = [
    null,
    1,
    'x',
    [],
    {},
    { ...plain, event: 7 },
    { ...plain, timestamp: 'soon' },
    { ...plain, sg_event_id: undefined },
  ]
  const events = await sendgridEvents([...unreadable, ...batch, ...unreadable])
  const expected = rows.flatMap(([, event], n) => (event ? [{ ...base, ...event, id: `event-${n}` }] : []))
  expect(events).toEqual(expected)
  expect(await sendgridEvents([])).toEqual([])
})

test('Mailgun: every event about delivery, as its API has it and not as the report says', async () => {
  const base = {
    ...{
      carrier: 'mailgun',
      id: '2026-11-21:G9Bn5sl1TC6nu79C8C0bwg',
      ...ours,
      recipients: ['ada@example.com'],
    },
    at: new Date('2026-11-21T08:59:56.750Z'),
    carrierMessageId: 'snd_1@moltpost.test',
  }
  const { severity: _s, reason: _r, 'delivery-status': _d, ...plain } = MAILGUN_BOUNCE
  const status = { code: 550, 'enhanced-code': '5.1.1', message: '550 5.1.1 user unknown' }
  const said = { code: '5.1.1', detail: '550 5.1.1 user unknown' }
  const rows: [object, Partial<CarrierEvent> | null][] = [
    [{ event: 'accepted' }, { kind: 'accepted', code: null, detail: null }],
    [
      { event: 'delivered', 'delivery-status': { code: 250, message: 'OK' } },
      { kind: 'delivered', code: '250', detail: 'OK' },
    ],
    [MAILGUN_BOUNCE, { kind: 'hard_bounce', ...said }],
    [
      { event: 'failed', severity: 'temporary', reason: 'bounce', 'delivery-status': status },
      { kind: 'delayed', ...said },
    ],
    [
      {
        event: 'failed',
        severity: 'permanent',
        reason: 'suppress-bounce',
        'delivery-status': { code: 605, description: 'Not delivering' },
      },
      { kind: 'rejected', code: '605', detail: 'Not delivering' },
    ],
    [
      { event: 'failed', severity: 'permanent', reason: 'suppress-complaint' },
      { kind: 'rejected', code: 'suppress-complaint', detail: 'suppress-complaint' },
    ],
    [
      { event: 'failed', severity: 'permanent', reason: 'espblock', 'delivery-status': status },
      { kind: 'soft_bounce', ...said },
    ],
    [
      {
        event: 'failed',
        severity: 'permanent',
        reason: 'old',
        'delivery-status': { code: 602, message: 'Too old' },
      },
      { kind: 'soft_bounce', code: '602', detail: 'Too old' },
    ],
    [
      { event: 'failed', severity: 'permanent', reason: 'generic', 'delivery-status': status },
      { kind: 'soft_bounce', ...said },
    ],
    [
      {
        event: 'failed',
        severity: 'permanent',
        reason: 'bounce',
        'delivery-status': { code: 550, message: '550 no' },
      },
      { kind: 'hard_bounce', code: '550', detail: '550 no' },
    ],
    [
      {
        event: 'failed',
        severity: 'permanent',
        reason: 'bounce',
        'delivery-status': { code: 554, message: '554 5.7.1 spam' },
      },
      { kind: 'soft_bounce', code: '5.7.1', detail: '554 5.7.1 spam' },
    ],
    [
      { event: 'rejected', reject: { reason: 'Sandbox' } },
      { kind: 'rejected', code: null, detail: 'Sandbox' },
    ],
    [{ event: 'complained' }, { kind: 'complaint', code: null, detail: null }],
    ...['opened', 'clicked', 'unsubscribed', 'stored', 'constructor'].map((event): [object, null] => [
      { event },
      null,
    ]),
  ]
  for (const [item, expected] of rows)
    expect(await mailgunEvents({ ...plain, ...item }), JSON.stringify(item)).toEqual(
      expected ? [{ ...base, ...expected }] : [],
    )
  expect(
    await mailgunEvents({ ...MAILGUN_BOUNCE, 'user-variables': { tenant_id: 7 }, recipient: 'x' }),
  ).toMatchObject([{ tenantId: null, sendId: null, recipients: [] }])

  const lie = {
    ...MAILGUN_BOUNCE,
    recipient: 'eve@example.com',
    severity: 'temporary',
    'user-variables': { tenant_id: 't', send_id: 's' },
  }
  const pages: Pages = new Map([[MAILGUN_EVENTS, { status: 200, body: JSON.stringify([MAILGUN_BOUNCE]) }]])
  expect(await eventsOf('mailgun', mailgunWire(lie), pages)).toEqual([
    { ...base, kind: 'hard_bounce', ...said },
  ])

  // The operator’s own region is asked, with the key, for this message and event only.
  const reach = newReach(
    new Map([
      [
        'https://api.eu.mailgun.net/v3/mg.moltpost.test/events',
        { status: 200, body: JSON.stringify([MAILGUN_BOUNCE]) },
      ],
    ]),
  )
  const request = { headers: new Headers(), body: new TextEncoder().encode(String(mailgunWire(lie).body)) }
  const settings = { ...carriers.settings, MAILGUN_BASE_URL: 'https://api.eu.mailgun.net/' }
  expect(await readReport('mailgun', request, settings, NOW, reach)).toMatchObject({ kind: 'events' })
  expect(reach.asked.map(({ url }) => url)).toEqual([
    'https://api.eu.mailgun.net/v3/mg.moltpost.test/events?message-id=snd_1%40moltpost.test&event=failed&limit=300',
  ])
})

test('Cloudflare: every event of its queue', () => {
  const delivery = {
    smtpStatusCode: '550',
    smtpEnhancedStatusCode: '5.1.1',
    smtpResponse: '550 5.1.1 user unknown',
  }
  const payload = {
    eventId: '0190d0c4-7ea1',
    messageId: '0101018f-msg',
    sender: 'scout@moltpost.test',
    recipient: 'ada@example.com',
    terminal: true,
  }
  const message = (name: string, more: object) => ({
    type: `cf.email.sending.message.${name}`,
    source: { type: 'email.sending', domain: 'moltpost.test' },
    payload: { ...payload, ...more },
    metadata: { eventTimestamp: HAPPENED.toISOString() },
  })
  const base = {
    ...{
      carrier: 'cloudflare',
      id: '0190d0c4-7ea1',
      tenantId: null,
      sendId: null,
      messageId: null,
      ...toAda,
    },
    carrierMessageId: '0101018f-msg',
  }
  const said = { code: '5.1.1', detail: '550 5.1.1 user unknown' }
  const rows: [string, object, Partial<CarrierEvent>][] = [
    [
      'delivered',
      { delivery: { smtpEnhancedStatusCode: '2.0.0', smtpResponse: '250 2.0.0 OK' } },
      { kind: 'delivered', code: '2.0.0', detail: '250 2.0.0 OK' },
    ],
    [
      'deferred',
      { delivery: { smtpEnhancedStatusCode: '4.2.0' }, bounce: { type: 'soft', reason: 'later' } },
      { kind: 'delayed', code: '4.2.0', detail: 'later' },
    ],
    [
      'bounced',
      { delivery, bounce: { type: 'hard', classification: 'permanent_failure' } },
      { kind: 'hard_bounce', ...said },
    ],
    ['bounced', { delivery, bounce: { type: 'soft' } }, { kind: 'soft_bounce', ...said }],
    [
      'bounced',
      { delivery: { smtpEnhancedStatusCode: '5.7.1' }, bounce: { type: 'hard', reason: 'policy' } },
      { kind: 'soft_bounce', code: '5.7.1', detail: 'policy' },
    ],
    [
      'bounced',
      { bounce: { type: 'hard', classification: 'permanent_failure' } },
      { kind: 'hard_bounce', code: 'permanent_failure', detail: null },
    ],
    ['bounced', {}, { kind: 'soft_bounce', code: null, detail: null }],
    [
      'failed',
      { failure: { reason: 'delivery_failed' } },
      { kind: 'rejected', code: 'delivery_failed', detail: null },
    ],
    [
      'rejected',
      { rejection: { reason: 'suppressed', party: 'recipient', detail: 'Recipient is suppressed' } },
      { kind: 'rejected', code: 'suppressed', detail: 'Recipient is suppressed' },
    ],
    ['complained', { complaint: { type: 'abuse' } }, { kind: 'complaint', code: 'abuse', detail: null }],
  ]
  for (const [name, more, expected] of rows)
    expect(cloudflareEvents(message(name, more)), name).toEqual([{ ...base, ...expected }])
  const bounced = message('bounced', {})
  for (const nothing of [
    ...[null, undefined, 1, 'x', [], {}, { type: 'cf.email.sending.message.bounced' }],
    message('opened', {}),
    message('constructor', {}),
    { ...bounced, type: 'cf.r2.bucket.created' },
    { ...bounced, type: 'x.cf.email.sending.message.bounced' },
    { ...bounced, metadata: {} },
    { ...bounced, metadata: { eventTimestamp: 'soon' } },
    message('bounced', { eventId: undefined }),
    message('bounced', { eventId: 'a\nb' }),
  ])
    expect(cloudflareEvents(nothing)).toEqual([])
})

test("a carrier's words are kept short, printable and in a known form, or not at all", () => {
  const [event] = cloudflareEvents({
    type: 'cf.email.sending.message.bounced',
    payload: {
      eventId: 'e',
      messageId: 'two words',
      recipient: 'a@b@c',
      bounce: {
        type: 'hard',
        classification: 'x'.repeat(999),
        reason: `\u001b[31m550\u202e\r\n${'🙂'.repeat(300)}`,
      },
    },
    metadata: { eventTimestamp: HAPPENED.toISOString() },
  })
  expect(event).toEqual({
    ...{ carrier: 'cloudflare', id: 'e', kind: 'hard_bounce', tenantId: null, sendId: null },
    ...{ messageId: null, carrierMessageId: null, recipients: [], at: HAPPENED },
    code: 'x'.repeat(64),
    detail: `[31m550 ${'🙂'.repeat(192)}`,
  })
})

test('a status that is not about the address prevents a hard bounce', () => {
  const hard = [
    '5.0.0',
    '5.1.0',
    '5.1.1',
    '5.1.2',
    '5.1.3',
    '5.1.6',
    '5.1.10',
    '5.2.0',
    '5.2.1',
    '5.4.1',
    '5.4.4',
    '5.5.0',
    '550',
    null,
    '',
  ]
  const soft = [
    '5.1.7',
    '5.1.8',
    '5.2.2',
    '5.2.3',
    '5.2.4',
    '5.3.0',
    '5.3.4',
    '5.4.6',
    '5.4.7',
    '5.6.0',
    '5.7.0',
    '5.7.1',
    '5.7.26',
    '4.1.1',
    '4.4.7',
    '450',
    '2.0.0',
    '602',
  ]
  for (const status of hard) expect(bounceOf(true, status), String(status)).toBe('hard_bounce')
  for (const status of soft) expect(bounceOf(true, status), String(status)).toBe('soft_bounce')
  for (const status of [...hard, ...soft]) expect(bounceOf(false, status), String(status)).toBe('soft_bounce')
})
