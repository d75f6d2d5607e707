import { verify, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { lookUp } from './lookup.ts'
import { decode, isWithin, parse, textOf } from './proof.ts'
import { type Reach, type Report, refused, reported, unavailable } from './report.ts'

/** SNS signs a message once and may repeat it for hours. Repeated events change nothing. */
const OLDEST_MS = 6 * 3_600_000
const CERTIFICATES_AT_MOST = 16

/** No signed field but Message may contain a line end, so a signature matches one reading of the fields only. */
const line = z.string().regex(/^[^\r\n]*$/)
const Envelope = z.object({
  Type: z.enum(['Notification', 'SubscriptionConfirmation', 'UnsubscribeConfirmation']),
  MessageId: z.string().regex(/^[\da-f-]{36}$/),
  TopicArn: z.string(),
  Subject: line.optional(),
  Message: z.string(),
  Timestamp: z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
  Token: line.optional(),
  SubscribeURL: line.optional(),
  SignatureVersion: z.enum(['1', '2']),
  Signature: z.string(),
  SigningCertURL: z.string(),
})
type Envelope = z.infer<typeof Envelope>

type Notification = { kind: 'notification'; id: string; message: string }

/**
 * Reads a message that SNS signed for one of these topics, or returns what to answer instead. Confirms a subscription to one
 * of them. Fetches nothing before topic, region and age have been checked.
 * https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
 */
export async function readSns(
  body: Uint8Array,
  topicArns: string[],
  now: Date,
  reach: Reach,
): Promise<Notification | Report> {
  const { data: envelope } = Envelope.safeParse(parse(textOf(body)))
  if (!envelope) return refused('not a message of SNS')
  const region = regionOf(envelope.TopicArn)
  if (region === null || !topicArns.includes(envelope.TopicArn)) return refused('a topic that is not ours')
  if (!isWithin(new Date(envelope.Timestamp), now, OLDEST_MS)) return refused('too old or too new')
  const signature = decode(envelope.Signature)
  if (!signature) return refused('no signature')

  const certificate = await certificateOf(envelope.SigningCertURL, region, reach)
  if (!(certificate instanceof X509Certificate)) return certificate
  if (!speaksForSns(certificate, region, now)) return refused('a certificate that does not speak for SNS')
  const digest = envelope.SignatureVersion === '1' ? 'RSA-SHA1' : 'RSA-SHA256'
  if (!verify(digest, Buffer.from(signedText(envelope)), certificate.publicKey, signature))
    return refused('the signature does not match')

  if (envelope.Type === 'Notification')
    return { kind: 'notification', id: envelope.MessageId, message: envelope.Message }
  return envelope.Type === 'SubscriptionConfirmation' ? confirm(envelope, region, reach) : reported([])
}

function regionOf(topicArn: string) {
  return (
    /^arn:aws(?:-cn|-us-gov)?:sns:([a-z0-9-]+):\d{12}:[\w-]{1,256}(?:\.fifo)?$/.exec(topicArn)?.[1] ?? null
  )
}

function originOf(region: string) {
  return `https://sns.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`
}

function signedText(envelope: Envelope) {
  const isNotification = envelope.Type === 'Notification'
  const keys = isNotification
    ? (['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'] as const)
    : (['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'] as const)
  return keys.map((key) => (envelope[key] === undefined ? '' : `${key}\n${envelope[key]}\n`)).join('')
}

async function certificateOf(url: string, region: string, reach: Reach): Promise<X509Certificate | Report> {
  const path = url.startsWith(originOf(region)) ? url.slice(originOf(region).length) : ''
  if (!/^\/SimpleNotificationService-[\da-f]{16,64}\.pem$/.test(path))
    return refused('a certificate from elsewhere')
  const known = reach.certificates.get(url)
  if (known) return known
  const answer = await lookUp(reach, url, { atMost: 16_384 })
  if (answer === null) return unavailable('SNS does not answer with its certificate')
  try {
    if (answer.status !== 200) return refused('no such certificate')
    const certificate = new X509Certificate(answer.text)
    if (reach.certificates.size >= CERTIFICATES_AT_MOST) reach.certificates.clear()
    reach.certificates.set(url, certificate)
    return certificate
  } catch {
    return refused('no certificate at its address')
  }
}

/**
 * Whether a certificate is valid now, RSA of 2048 bits or more, and issued for SNS. Workers cannot check a chain, so we rely
 * on the https address it was fetched from. The names are those of Amazon's own verifier: `CertificateUrlValidator` and
 * `SnsHostProvider` of aws-sdk-java-v2.
 */
function speaksForSns(certificate: X509Certificate, region: string, now: Date) {
  const { validFrom, validTo, publicKey } = certificate
  const names = [
    'sns.amazonaws.com',
    `sns-signing.${region}.amazonaws.com`,
    ...(region.startsWith('cn-') ? [`sns-${region}.amazonaws.com.cn`] : []),
    ...(region.startsWith('us-gov-') ? ['sns-us-gov-west-1.amazonaws.com'] : []),
  ]
  return (
    Date.parse(validFrom) <= now.getTime() &&
    now.getTime() <= Date.parse(validTo) &&
    publicKey.asymmetricKeyType === 'rsa' &&
    (publicKey.asymmetricKeyDetails?.modulusLength ?? 0) >= 2048 &&
    names.some((name) => certificate.checkHost(name, { wildcards: false }) !== undefined)
  )
}

async function confirm(
  { SubscribeURL: given = '', Token: token, TopicArn: topicArn }: Envelope,
  region: string,
  reach: Reach,
) {
  const url = URL.canParse(given) ? new URL(given) : null
  const asked = url && JSON.stringify([...url.searchParams].sort())
  const expected = JSON.stringify([
    ['Action', 'ConfirmSubscription'],
    ['Token', token],
    ['TopicArn', topicArn],
  ])
  if (!token || !given.startsWith(`${originOf(region)}/?`) || asked !== expected)
    return refused('a confirmation that leads elsewhere')
  const answer = await lookUp(reach, given, { atMost: 16_384 })
  if (answer === null) return unavailable('SNS does not answer the confirmation')
  return answer.status === 200 ? reported([]) : refused('SNS refuses the confirmation')
}
