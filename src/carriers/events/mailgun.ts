import { createHmac } from 'node:crypto'
import { z } from 'zod'
import { isSafeUrl, under } from '../http.ts'
import { bounceOf, type CarrierEvent, type EventKind, eventOf, statusIn } from './event.ts'
import { lookUp } from './lookup.ts'
import { isRecent, isSame, parse, textOf } from './proof.ts'
import { type EventSettings, type Reader, refused, reported, unavailable, unconfigured } from './report.ts'

/**
 * Reports of Mailgun. Its signature covers a time and a token but not the event, so a report is only a hint: the event is
 * looked up in Mailgun's API, and only the API's answer counts. A repeated token can only report the same event again.
 */
export const readMailgun: Reader = async ({ body }, settings, now, reach) => {
  const account = accountOf(settings)
  if (!account) return unconfigured
  const { data: hint } = Hint.safeParse(parse(textOf(body)))
  if (!hint) return refused('not a report of Mailgun')
  const { timestamp, token, signature } = hint.signature
  if (!isRecent(timestamp, now)) return refused('too old or too new')
  const expected = createHmac('sha256', account.signingKey)
    .update(timestamp + token)
    .digest('hex')
  if (!isSame(signature, expected)) return refused('the signature does not match')

  const { id, event, message } = hint['event-data']
  const messageId = message.headers['message-id']
  const query = new URLSearchParams({ 'message-id': messageId, event, limit: '300' })
  const authorization = `Basic ${Buffer.from(`api:${account.apiKey}`).toString('base64')}`
  const answer = await lookUp(reach, `${account.url}?${query}`, {
    atMost: 4_000_000,
    headers: { authorization },
  })
  if (answer?.status !== 200) return unavailable('Mailgun does not answer questions about its events')
  const { data: page } = Page.safeParse(parse(answer.text))
  const found = page?.items.find((item) => item.id === id && item.message.headers['message-id'] === messageId)
  return found ? reported(eventsIn(found)) : refused('an event that Mailgun does not know')
}

function accountOf(settings: EventSettings) {
  const { MAILGUN_SIGNING_KEY: signingKey, MAILGUN_API_KEY: apiKey, MAILGUN_DOMAIN: domain } = settings
  const base = settings.MAILGUN_BASE_URL || 'https://api.mailgun.net'
  if (!signingKey || !apiKey || !domain || !isSafeUrl(base)) return null
  return { signingKey, apiKey, url: under(base, `/v3/${encodeURIComponent(domain)}/events`) }
}

const text = z.string().nullish().catch(null)
/** A filter field of Mailgun's API understands operators such as `OR` between words, so an id must be one word. */
const id = z.string().regex(/^[\w.!#$%&'*+/=?^`{|}~@-]{1,512}$/)
const headers = z.object({ 'message-id': id })
const Hint = z.object({
  // Both have a fixed length, because they are signed as one text.
  signature: z.object({
    timestamp: z.string(),
    token: z.string().regex(/^[\da-z]{50}$/i),
    signature: z.string(),
  }),
  'event-data': z.object({ id, event: z.string().regex(/^[a-z_]{1,32}$/), message: z.object({ headers }) }),
})

const Item = z.object({
  id: z.string(),
  event: z.string(),
  timestamp: z.number(),
  recipient: text,
  severity: text,
  reason: text,
  message: z.object({ headers: z.object({ 'message-id': text }).catch({ 'message-id': null }) }).catch({
    headers: { 'message-id': null },
  }),
  'delivery-status': z
    .object({
      code: z.union([z.number(), z.string()]).nullish(),
      'enhanced-code': text,
      message: text,
      description: text,
    })
    .nullish()
    .catch(null),
  reject: z.object({ reason: text }).nullish().catch(null),
  'user-variables': z.record(z.string(), z.unknown()).catch({}),
})
type Item = z.infer<typeof Item>
const Page = z.object({ items: z.array(z.unknown()) }).transform(({ items }) => ({
  items: items.flatMap((item) => Item.safeParse(item).data ?? []),
}))

/** https://documentation.mailgun.com/docs/mailgun/user-manual/events/events */
const KINDS: Record<string, (item: Item) => EventKind> = {
  accepted: () => 'accepted',
  delivered: () => 'delivered',
  failed: failureOf,
  rejected: () => 'rejected',
  complained: () => 'complaint',
}

/**
 * Mailgun retries after a temporary failure. Of the permanent ones, `suppress-…` was not tried, because the address is on
 * Mailgun's own list; `bounce` is the answer of the recipient's server; the others (`old`, `espblock`, `generic` …) say
 * nothing about the address.
 */
function failureOf(item: Item): EventKind {
  if (item.severity !== 'permanent') return 'delayed'
  if (item.reason?.startsWith('suppress-')) return 'rejected'
  return bounceOf(item.reason === 'bounce', statusOf(item))
}

function statusOf({ 'delivery-status': status }: Item) {
  return status?.['enhanced-code'] || statusIn(status?.message) || (status?.code ? String(status.code) : null)
}

function eventsIn(item: Item): CarrierEvent[] {
  const { 'delivery-status': status, 'user-variables': variables } = item
  const ours = (name: string) => (typeof variables[name] === 'string' ? variables[name] : null)
  const day = new Date(item.timestamp * 1000)
  return eventOf('mailgun', {
    // Mailgun promises ids that are unique within a day.
    id: Number.isNaN(day.getTime()) ? null : `${day.toISOString().slice(0, 10)}:${item.id}`,
    kind: Object.hasOwn(KINDS, item.event) ? (KINDS[item.event]?.(item) ?? null) : null,
    tenantId: ours('tenant_id'),
    sendId: ours('send_id'),
    messageId: item.message.headers['message-id'],
    // Mailgun identifies a message by its Message-ID.
    carrierMessageId: item.message.headers['message-id'],
    recipients: [item.recipient],
    at: item.timestamp,
    code: statusOf(item) ?? item.reason,
    detail: status?.message || status?.description || item.reject?.reason || item.reason,
  })
}
