import { AwsV4Signer } from 'aws4fetch'
import type { Carrier, Outcome, OutgoingMessage } from '../core/delivery/carrier.ts'
import { CAPABILITIES } from './capability.ts'
import { type Answer, classify, post, under } from './http.ts'
import { base64, refuseUnsafe, stillToServe, unsigned } from './message.ts'

export type SesSettings = {
  region: string
  accessKeyId: string
  secretAccessKey: string
  /** Where the API is, without the path; Amazon's own address of the region when not given. */
  endpoint?: string | undefined
  configurationSet?: string | undefined
  timeoutMs?: number | undefined
}

/** Amazon SES, API version 2. It knows no idempotency key: a repeat is a second mail. */
export function ses(settings: SesSettings): Carrier {
  const endpoint = settings.endpoint ?? `https://email.${settings.region}.amazonaws.com`
  const url = under(endpoint, '/v2/email/outbound-emails')
  return {
    name: 'ses',
    idempotencyMs: CAPABILITIES.ses.idempotencyMs,
    async send(message) {
      const unsafe = refuseUnsafe(message)
      if (unsafe) return unsafe
      const body = JSON.stringify(request(message, settings.configurationSet))
      const headers = { 'content-type': 'application/json' }
      const signed = await signer({ ...settings, service: 'ses', method: 'POST', url, headers, body }).sign()
      const answer = await post(url, { headers: signed.headers, body }, settings.timeoutMs ?? 20_000)
      return 'kind' in answer ? answer : read(answer, [settings.accessKeyId, settings.secretAccessKey])
    },
  }
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
  /** `20150830T123600Z`; now when not given. */
  datetime?: string
}

/** Signature Version 4 over every header we set, so that none can be changed on the way. */
export function signer({ method, url, headers, body, ...credentials }: Signed) {
  return new AwsV4Signer({ method, url, headers, body, ...credentials, allHeaders: true })
}

function request(message: OutgoingMessage, configurationSet: string | undefined) {
  const { to, cc, bcc } = stillToServe(message)
  const emails = (parties: typeof to) => parties.map(({ email }) => email)
  return {
    FromEmailAddress: message.from.email,
    Destination: { ToAddresses: emails(to), CcAddresses: emails(cc), BccAddresses: emails(bcc) },
    // SES puts its own Message-ID and Date in place of ours, so that our signature would not hold.
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

/** Exceptions that speak of the message; every other definite refusal speaks of the account, and another may do. */
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
  // An unverified identity comes as MessageRejected, and is the account's fault, not the message's.
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
