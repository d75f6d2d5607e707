import { Webhook } from 'standardwebhooks'
import { z } from 'zod'
import { type CarrierEvent, type EventKind, eventOf, statusIn } from './event.ts'
import { isRecent, isSame, parse, textOf } from './proof.ts'
import { type Reader, refused, reported, unconfigured } from './report.ts'
import { sesBounce } from './ses.ts'

/** Reports of Resend, signed as Standard Webhooks: over id, time and the raw body. */
export const readResend: Reader = ({ headers, body }, { RESEND_WEBHOOK_SECRET: secret }, now) => {
  const webhook = webhookOf(secret)
  if (!webhook) return unconfigured
  const family = headers.has('svix-id') ? 'svix' : 'webhook'
  const header = (name: string) => headers.get(`${family}-${name}`) ?? ''
  const [id, seconds, payload] = [header('id'), header('timestamp'), textOf(body)]
  // The signed text joins its parts by dots, so an id must not contain one.
  if (!/^[\w-]{1,128}$/.test(id) || payload === null) return refused('not a report of Resend')
  if (!isRecent(seconds, now)) return refused('too old or too new')
  const expected = webhook.sign(id, new Date(Number(seconds) * 1000), payload)
  const matches = header('signature')
    .split(' ')
    .map((signature) => isSame(signature, expected))
  return matches.includes(true) ? reported(eventsIn(id, payload)) : refused('the signature does not match')
}

function webhookOf(secret: string | undefined) {
  try {
    return secret ? new Webhook(secret) : null
  } catch {
    return null
  }
}

const text = z.string().nullish().catch(null)
const Body = z.object({
  type: z.string(),
  created_at: text,
  data: z.object({
    email_id: text,
    message_id: text,
    tags: z.record(z.string(), z.string()).catch({}),
    bounce: z
      .object({ type: text, subType: text, message: text, diagnosticCode: z.array(z.string()).catch([]) })
      .optional()
      .catch(undefined),
    failed: z.object({ reason: text }).optional().catch(undefined),
    suppressed: z.object({ type: text, message: text }).optional().catch(undefined),
  }),
})
type Body = z.infer<typeof Body>

/** https://resend.com/docs/webhooks/event-types */
const KINDS: Record<string, (body: Body['data']) => EventKind> = {
  'email.sent': () => 'accepted',
  'email.delivered': () => 'delivered',
  'email.delivery_delayed': () => 'delayed',
  'email.complained': () => 'complaint',
  'email.failed': () => 'rejected',
  'email.suppressed': () => 'rejected',
  'email.bounced': ({ bounce }) =>
    sesBounce(bounce?.type, bounce?.subType, statusIn(bounce?.diagnosticCode.join(' '))),
}

function eventsIn(id: string, payload: string): CarrierEvent[] {
  const { data: body } = Body.safeParse(parse(payload))
  if (!body || !Object.hasOwn(KINDS, body.type)) return []
  const { data } = body
  const { bounce, failed, suppressed } = data
  const diagnosis = bounce?.diagnosticCode.join(' ')
  return eventOf('resend', {
    id,
    kind: KINDS[body.type]?.(data) ?? null,
    tenantId: data.tags.tenant_id,
    sendId: data.tags.send_id,
    messageId: data.message_id,
    carrierMessageId: data.email_id,
    // `to` lists all visible recipients, not the one that the event is about.
    recipients: [],
    at: body.created_at,
    code:
      statusIn(diagnosis) ??
      (bounce ? [bounce.type, bounce.subType].filter(Boolean).join('/') : suppressed?.type),
    detail: diagnosis || bounce?.message || failed?.reason || suppressed?.message,
  })
}
