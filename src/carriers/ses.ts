import { AwsV4Signer } from 'aws4fetch'
import type { Carrier, Outcome, OutgoingMessage } from '../core/delivery/carrier.ts'
import { type Answer, classify, httpCarrier, under } from './http.ts'
import { base64, stillToServe, unsigned } from './message.ts'

type SesSettings = {
  region: string
  accessKeyId: string
  secretAccessKey: string
  /** The address of the API without its path; Amazon's own for the region if not given. */
  endpoint?: string | undefined
  configurationSet?: string | undefined
  timeoutMs?: number | undefined
}

/** Amazon SES, API version 2. It knows no idempotency key: a repeat is a second mail. */
export function ses(settings: SesSettings): Carrier {
  const endpoint = settings.endpoint ?? `https://email.${settings.region}.amazonaws.com`
  const url = under(endpoint, '/v2/email/outbound-emails')
  return httpCarrier('ses', settings.timeoutMs, async (message) => {
    const body = JSON.stringify(request(message, settings.configurationSet))
    const headers = { 'content-type': 'application/json' }
    const signed = await signer({ ...settings, service: 'ses', method: 'POST', url, headers, body }).sign()
    const secrets = [settings.accessKeyId, settings.secretAccessKey]
    return { url, headers: signed.headers, body, read: (answer) => read(answer, secrets) }
  })
}

type Signed = {
  method: string
  url: string
  headers: Record<string, string>
  body: string
  region: string
  service: string
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
  /** As in `20150830T123600Z`; now if not given. */
  datetime?: string
}

/** Signs every header we set (AWS Signature Version 4), so that none can be changed on the way. */
export function signer({ method, url, headers, body, ...credentials }: Signed) {
  return new AwsV4Signer({ method, url, headers, body, ...credentials, allHeaders: true })
}

function request(message: OutgoingMessage, configurationSet: string | undefined) {
  const { to, cc, bcc } = stillToServe(message)
  const emails = (parties: typeof to) => parties.map(({ email }) => email)
  return {
    FromEmailAddress: message.from.email,
    Destination: { ToAddresses: emails(to), CcAddresses: emails(cc), BccAddresses: emails(bcc) },
    // SES replaces our Message-ID and Date with its own, so our signature would not match.
    Content: { Raw: { Data: base64(unsigned(message.raw)) } },
    EmailTags: [
      { Name: 'tenant_id', Value: tag(message.tenantId) },
      { Name: 'send_id', Value: tag(message.sendId) },
    ],
    ...(configurationSet ? { ConfigurationSetName: configurationSet } : {}),
  }
}

function tag(id: string) {
  return id.replace(/[^\w.@-]/g, '-')
}

/** Exceptions about the message. Every other definite refusal is about our account, so another carrier may do. */
const MESSAGE_FAULTS = [
  'MessageRejected',
  'BadRequestException',
  'InvalidParameterValue',
  'ValidationException',
]
const THROTTLES = /^(TooManyRequests|LimitExceeded|Throttling|RequestLimitExceeded|SlowDown)/

function read(answer: Answer, secrets: string[]): Outcome {
  const { status, body } = answer
  if (status === 200 && typeof body.MessageId === 'string' && body.MessageId)
    return { kind: 'accepted', carrierMessageId: body.MessageId, delivered: false, refused: [] }
  const name = exception(answer)
  // An unverified identity is a MessageRejected, too, but about the account, not the message.
  const isVerified = !(typeof body.message === 'string' && /not verified/i.test(body.message))
  return classify(answer, {
    code: name ?? `http_${status}`,
    isPermanent: status === 413 || (status === 400 && MESSAGE_FAULTS.includes(name ?? '') && isVerified),
    isThrottled: THROTTLES.test(name ?? ''),
    secrets,
  })
}

/** `aws.protocol#MessageRejected:http://…` is MessageRejected. */
function exception({ headers, body }: Answer) {
  const given = headers.get('x-amzn-errortype') ?? body.__type ?? body.code ?? body.type
  if (typeof given !== 'string') return null
  return (
    given
      .split(':')[0]
      ?.split('#')
      .at(-1)
      ?.match(/^\w{1,64}$/)?.[0] ?? null
  )
}
