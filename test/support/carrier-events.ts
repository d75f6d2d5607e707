import type { X509Certificate } from 'node:crypto'
import { createHmac } from 'node:crypto'
import { certify, derSignature, type Identity } from './carrier-events-certificate.ts'

/** The time at which every report of the tests arrives. */
export const NOW = new Date('2026-11-21T09:00:00.000Z')
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** A report as it arrives by HTTP. */
export type Wire = { headers: Record<string, string>; body: string | Uint8Array }

export const SECONDS = String(NOW.getTime() / 1000)
export const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:moltpost-events'
export const SNS = 'https://sns.eu-west-1.amazonaws.com'
export const CERTIFICATE = `${SNS}/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem`
export const POSTMARK_LOGIN = 'postmark:a long and random wörd'
const RESEND_SECRET = `whsec_${btoa('twenty-four bytes secret')}`
const MAILGUN = { key: 'key-of-the-api', signingKey: 'key-that-signs', domain: 'mg.moltpost.test' }

/** The carriers of the tests: their keys, their answers to our questions, and our settings for them. */
export async function newCarriers() {
  const signer = await rsa(2048)
  const [weak, stranger, ec, p384] = [
    await rsa(1024),
    await rsa(2048),
    await ecdsa('P-256'),
    await ecdsa('P-384'),
  ]
  const sendgrid = await ecdsa('P-256')
  const valid = { from: new Date(NOW.getTime() - DAY_MS), to: new Date(NOW.getTime() + DAY_MS), by: signer }
  const issue = (change: Partial<Parameters<typeof certify>[0]>) =>
    certify({ name: 'sns.amazonaws.com', spki: signer.spki, ...valid, ...change })
  const at = (days: number) => new Date(NOW.getTime() + days * DAY_MS)
  const pages = {
    genuine: await issue({}),
    expired: await issue({ from: at(-9), to: at(-1) }),
    'not yet valid': await issue({ from: at(1), to: at(9) }),
    'elliptic curve': await issue({ spki: ec.spki }),
    '1024 bits': await issue({ spki: weak.spki }),
    'another name': await issue({ name: 'sns.amazonaws.com.evil.example' }),
    'another region': await issue({ name: 'sns-signing.ap-east-1.amazonaws.com' }),
    China: await issue({ name: 'sns-cn-north-1.amazonaws.com.cn' }),
    GovCloud: await issue({ name: 'sns-us-gov-west-1.amazonaws.com' }),
    'own region': await issue({ name: 'sns-signing.eu-west-1.amazonaws.com' }),
    'no certificate': '<html>Welcome</html>',
  }
  return {
    keys: { signer, weak, stranger, ec, p384, sendgrid },
    pages,
    settings: {
      SES_TOPIC_ARNS: `arn:aws:sns:us-east-1:123456789012:other , ${TOPIC}`,
      RESEND_WEBHOOK_SECRET: RESEND_SECRET,
      POSTMARK_WEBHOOK_SECRET: POSTMARK_LOGIN,
      SENDGRID_WEBHOOK_KEY: Buffer.from(sendgrid.spki).toString('base64'),
      MAILGUN_SIGNING_KEY: MAILGUN.signingKey,
      MAILGUN_API_KEY: MAILGUN.key,
      MAILGUN_DOMAIN: MAILGUN.domain,
    },
  }
}
export type Carriers = Awaited<ReturnType<typeof newCarriers>>

/** The answers by address; any other address is 404. */
export type Pages = Map<string, { status: number; body: string; location?: string }>

/** A network with these pages only. It remembers the requests. */
export function newReach(pages: Pages) {
  const asked: { url: string; init: RequestInit }[] = []
  return {
    asked,
    certificates: new Map<string, X509Certificate>(),
    fetch: async (url: string, init: RequestInit) => {
      asked.push({ url, init })
      const page = pages.get(url) ?? mailgunPage(pages, url, init) ?? { status: 404, body: 'nothing here' }
      return new Response(page.body, {
        status: page.status,
        headers: page.location ? { location: page.location } : {},
      })
    },
  }
}

/** Mailgun's events API as far as its filters go: `message-id` and `event` must be equal, and the key must be right. */
function mailgunPage(
  pages: Pages,
  url: string,
  { headers }: RequestInit,
): { status: number; body: string; location?: string } | null {
  const { origin, pathname, searchParams } = new URL(url)
  const store = pages.get(`${origin}${pathname}`)
  if (!store || new Headers(headers).get('authorization') !== `Basic ${btoa(`api:${MAILGUN.key}`)}`)
    return null
  const items: { event: string; message: { headers: Record<string, string> } }[] = JSON.parse(store.body)
  const found = items.filter(
    ({ event, message }) =>
      event === searchParams.get('event') && message.headers['message-id'] === searchParams.get('message-id'),
  )
  return { status: store.status, body: JSON.stringify({ items: found, paging: {} }) }
}

export const MAILGUN_EVENTS = `https://api.mailgun.net/v3/${MAILGUN.domain}/events`

export type Envelope = Record<string, unknown> & { SignatureVersion?: string }

/** A message of SNS about this SES event, not yet signed. */
export function envelopeOf(message: unknown, change: Envelope = {}): Envelope {
  return {
    Type: 'Notification',
    MessageId: '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324',
    TopicArn: TOPIC,
    Subject: 'Amazon SES Email Event Notification',
    Message: typeof message === 'string' ? message : JSON.stringify(message),
    Timestamp: '2026-11-21T08:59:58.000Z',
    SignatureVersion: '1',
    SigningCertURL: CERTIFICATE,
    UnsubscribeURL: `${SNS}/?Action=Unsubscribe&SubscriptionArn=${TOPIC}:c9135db0`,
    ...change,
  }
}

/** A message of SNS that asks to confirm a subscription. */
export function subscriptionOf(change: Envelope = {}): Envelope {
  const query = new URLSearchParams({ Action: 'ConfirmSubscription', TopicArn: TOPIC, Token: 'a1b2c3' })
  return envelopeOf('You have chosen to subscribe to the topic.', {
    Type: 'SubscriptionConfirmation',
    Subject: undefined,
    Token: 'a1b2c3',
    SubscribeURL: `${SNS}/?${query}`,
    ...change,
  })
}

/** Signs an envelope as SNS does, with any key. */
export async function signSns(envelope: Envelope, { privateKey }: Identity): Promise<Envelope> {
  const keys =
    envelope.Type === 'Notification'
      ? ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type']
      : ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type']
  const text = keys.map((key) => (envelope[key] === undefined ? '' : `${key}\n${envelope[key]}\n`)).join('')
  const bytes = new TextEncoder().encode(text)
  const hash = envelope.SignatureVersion === '2' ? 'SHA-256' : 'SHA-1'
  let signature: ArrayBuffer | Uint8Array
  if (privateKey.algorithm.name === 'ECDSA') {
    signature = derSignature(await crypto.subtle.sign({ name: 'ECDSA', hash }, privateKey, bytes))
  } else {
    const name = 'RSASSA-PKCS1-v1_5'
    const pkcs8 = await crypto.subtle.exportKey('pkcs8', privateKey)
    const key = await crypto.subtle.importKey('pkcs8', pkcs8 as ArrayBuffer, { name, hash }, false, ['sign'])
    signature = await crypto.subtle.sign(name, key, bytes)
  }
  return { ...envelope, Signature: Buffer.from(new Uint8Array(signature)).toString('base64') }
}

export function snsWire(envelope: Envelope): Wire {
  const headers = {
    'content-type': 'text/plain; charset=UTF-8',
    'x-amz-sns-message-type': String(envelope.Type),
  }
  return { headers, body: JSON.stringify(envelope) }
}

/** The signature of the Standard Webhooks scheme: `v1,` and base64 of HMAC-SHA256 over id, time and body. */
export function svixSignature(id: string, seconds: string, body: string, secret = RESEND_SECRET) {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`
}

export function resendWire(
  event: unknown,
  { id = 'msg_2KWPBgLlAfxdpx2AI54pPJ85f4W', seconds = SECONDS } = {},
): Wire {
  const body = JSON.stringify(event)
  return {
    headers: {
      'content-type': 'application/json',
      'svix-id': id,
      'svix-timestamp': seconds,
      'svix-signature': svixSignature(id, seconds, body),
    },
    body,
  }
}

export function postmarkWire(event: unknown, login = POSTMARK_LOGIN): Wire {
  const authorization = `Basic ${Buffer.from(login).toString('base64')}`
  return { headers: { 'content-type': 'application/json', authorization }, body: JSON.stringify(event) }
}

export const SENDGRID_SIGNATURE = 'x-twilio-email-event-webhook-signature'
export const SENDGRID_TIMESTAMP = 'x-twilio-email-event-webhook-timestamp'

export async function signSendgrid(
  body: string | Uint8Array,
  { privateKey }: Identity,
  { seconds = SECONDS, hash = 'SHA-256', form = derSignature as (raw: ArrayBuffer) => Uint8Array } = {},
): Promise<Wire> {
  const data = Buffer.concat([Buffer.from(seconds), Buffer.from(body)])
  const raw = await crypto.subtle.sign({ name: 'ECDSA', hash }, privateKey, data)
  const signature = Buffer.from(form(raw)).toString('base64')
  const headers = { [SENDGRID_SIGNATURE]: signature, [SENDGRID_TIMESTAMP]: seconds }
  return { headers: { 'content-type': 'application/json', ...headers }, body }
}

export const MAILGUN_TOKEN = '0123456789abcdef0123456789abcdef0123456789abcdef01'

export function mailgunSignature(seconds = SECONDS, token = MAILGUN_TOKEN, key = MAILGUN.signingKey) {
  return createHmac('sha256', key)
    .update(seconds + token)
    .digest('hex')
}

export function mailgunWire(data: unknown, signature: Record<string, unknown> = {}): Wire {
  const signed = { timestamp: SECONDS, token: MAILGUN_TOKEN, signature: mailgunSignature(), ...signature }
  return {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ signature: signed, 'event-data': data }),
  }
}

async function rsa(modulusLength: number): Promise<Identity> {
  const publicExponent = Uint8Array.of(1, 0, 1)
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength, publicExponent }
  return await identity(algorithm)
}

async function ecdsa(namedCurve: string): Promise<Identity> {
  return await identity({ name: 'ECDSA', namedCurve })
}

async function identity(algorithm: SubtleCryptoGenerateKeyAlgorithm): Promise<Identity> {
  const pair = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const { privateKey, publicKey } = pair as CryptoKeyPair
  return {
    privateKey,
    spki: new Uint8Array((await crypto.subtle.exportKey('spki', publicKey)) as ArrayBuffer),
  }
}
