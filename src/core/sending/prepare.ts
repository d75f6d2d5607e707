import type { Env } from '../../env.ts'
import type { HumanizerStyle } from '../../schema/accounts.ts'
import type { Recipient, RecipientKind } from '../../schema/letters.ts'
import type { ContentFacts, ReplyTo, SendInput } from '../../schema/sending.ts'
import { parseAddress } from '../ground/address.ts'
import type { FaultCode } from '../ground/fault.ts'
import { sha256 } from '../ground/hash.ts'
import { newId } from '../ground/ids.ts'
import { byteLength } from '../ground/slices.ts'
import { bodyIn, sentBodyKey } from '../mail/body.ts'
import type { KeptFile } from '../mail/files.ts'
import type { Door } from './door.ts'
import { isInline } from './subject.ts'
import type { NewSend } from './take.ts'

/** One message to send, as requested, in the core's words. */
export type SendRequest = {
  to: { kind: RecipientKind; email: string; name?: string | null }[]
  mailboxId?: string | null
  template: string | null
  /** Null if the caller gave none; a key may then be derived. A blank key is an error. */
  dedupeKey: string | null
  /** The key came from the Idempotency-Key header: a repeat with another body is misuse, not a duplicate. */
  isHeaderKey?: boolean
  payload: Record<string, unknown> | null
  sendReason?: string | null
  campaignId?: string | null
  replyTo?: string | null
  headers?: Record<string, string>
  /** What became of the header fields that a mail program set. */
  fields?: { dropped: string[]; asksUnsubscribe: boolean }
  scheduledAt?: Date | null
  batchId?: string | null
  /** Given for a letter, which is stored in the Sent folder as soon as it is accepted. */
  composed?: Composition
  /** If null or undefined, the agent's setting decides, then the mailbox's. */
  humanize?: boolean | null
  humanizeStyle?: HumanizerStyle | null
}

/** The parts of a letter besides its text. Its files are in R2 already; `content` is for the content rule. */
export type Composition = { reply: ReplyTo | null; files: KeptFile[]; content: ContentFacts | null }

/** A request that could not be judged at all, and why. */
export type SendError = {
  status: 'error'
  requestId: string | null
  code: FaultCode
  message: string
  details: Record<string, unknown>
}

type Prepared = { request: SendRequest } & ({ newSend: NewSend } | { error: SendError })

/** A payload above this many bytes is kept in R2 and not in the row. */
const LARGE_INPUT = 100_000
const SCHEDULE_AT_MOST_MS = 30 * 86_400_000
const RECIPIENTS_AT_MOST = 50
/** How long a derived dedupe key stays taken, in ms: the same message within that time is a repeat. */
const DERIVED_FOR_MS = 60_000

/**
 * Turns each request into a new send, or says what is wrong with it. Order is kept. Over MCP, a send without a key gets one
 * derived from its content, for 60 s, so that a model that repeats a call sends one message.
 */
export async function prepare(door: Door, requests: SendRequest[]): Promise<Prepared[]> {
  return await Promise.all(
    requests.map(async (request): Promise<Prepared> => {
      const recipients = recipientsOf(request)
      const error = keyError(request) ?? scheduleError(request, door.now)
      if (error) return { request, error }
      if (!Array.isArray(recipients)) return { request, error: recipients }
      const isDerived = request.dedupeKey === null && door.name === 'mcp'
      const newSend: NewSend = {
        id: newId('req', door.now),
        mailboxId: request.mailboxId ?? null,
        template: request.template,
        dedupeKey: isDerived ? await derivedKey(door, request) : request.dedupeKey,
        burnForMs: isDerived ? DERIVED_FOR_MS : null,
        bodyHash: request.isHeaderKey ? await hashOf(request) : '',
        recipients,
        input: inputOf(request),
        inputKey: null,
        content: request.composed?.content ?? null,
        batchId: request.batchId ?? null,
        scheduledAt: request.scheduledAt?.getTime() ?? null,
      }
      return { request, newSend }
    }),
  )
}

/** Puts inputs too large for a row into R2, before the sends are written. */
export async function keepLargeInputs(env: Env, sends: NewSend[]): Promise<void> {
  await Promise.all(
    sends.map(async (send) => {
      const text = JSON.stringify(send.input)
      // A UTF-16 unit takes at most three bytes in UTF-8.
      if (text.length <= LARGE_INPUT / 3 || byteLength(text) <= LARGE_INPUT) return
      send.inputKey = `inputs/${send.id}.json`
      const { isComposed, inline } = send.input
      await Promise.all([
        env.MAIL.put(send.inputKey, text),
        isComposed && inline ? env.MAIL.put(sentBodyKey(send.id), JSON.stringify(bodyIn(inline))) : null,
      ])
    }),
  )
}

/** The input of a send that is kept in R2; null if it is not kept there. */
export async function largeInput(env: Env, key: string | null): Promise<SendInput | null> {
  if (key === null) return null
  const object = await env.MAIL.get(key)
  return object ? await object.json<SendInput>() : null
}

function recipientsOf({ to }: SendRequest): Recipient[] | SendError {
  const recipients: Recipient[] = []
  for (const { kind, email, name } of to) {
    const address = parseAddress(email)
    if (!address)
      return wrong('invalid', `"${email.slice(0, 100)}" is not an email address.`, 'recipientEmail')
    if (recipients.some((each) => each.contact === address.contact)) continue
    recipients.push({ kind, email: address.email, name: name ?? null, contact: address.contact })
  }
  if (recipients.length === 0) {
    return wrong('invalid', 'A message needs at least one recipient.', 'recipientEmail')
  }
  if (recipients.length > RECIPIENTS_AT_MOST) {
    return wrong('invalid', `A message has at most ${RECIPIENTS_AT_MOST} recipients.`, 'recipientEmail')
  }
  return recipients
}

function keyError({ dedupeKey }: SendRequest): SendError | null {
  if (dedupeKey === null || dedupeKey.trim() !== '') return null
  return wrong(
    'dedupe_key_required',
    'dedupeKey must not be blank: give each message a key of its own.',
    'dedupeKey',
  )
}

function scheduleError({ scheduledAt }: SendRequest, now: Date): SendError | null {
  if (!scheduledAt) return null
  if (scheduledAt <= now) return wrong('invalid', 'scheduledAt must be in the future.', 'scheduledAt')
  if (scheduledAt.getTime() <= now.getTime() + SCHEDULE_AT_MOST_MS) return null
  return wrong('invalid', 'scheduledAt must be within the next 30 days.', 'scheduledAt')
}

function wrong(code: FaultCode, message: string, field: string): SendError {
  return { status: 'error', requestId: null, code, message, details: { field } }
}

function inputOf(request: SendRequest): SendInput {
  const payload = request.payload ?? {}
  const text = (name: string) => {
    const value = payload[name]
    return typeof value === 'string' ? value : null
  }
  const inline = isInline(request.template)
    ? { subject: text('subject') ?? '', html: text('html'), text: text('text') }
    : null
  return {
    payload: inline ? {} : payload,
    inline,
    sendReason: request.sendReason ?? null,
    replyTo: request.replyTo ?? null,
    campaignId: request.campaignId ?? null,
    headers: request.headers ?? {},
    ...fieldsOf(request),
    ...compositionOf(request),
    ...wordingOf(request),
  }
}

function fieldsOf({ fields }: SendRequest): Pick<SendInput, 'droppedFields' | 'asksUnsubscribe'> {
  return {
    ...(fields && fields.dropped.length > 0 ? { droppedFields: fields.dropped } : {}),
    ...(fields?.asksUnsubscribe ? { asksUnsubscribe: true } : {}),
  }
}

function compositionOf({ composed }: SendRequest): Pick<SendInput, 'isComposed' | 'reply' | 'files'> {
  if (!composed) return {}
  const { reply } = composed
  const files = composed.files.map(({ text: _, ...file }) => file)
  return { isComposed: true, ...(reply ? { reply } : {}), ...(files.length > 0 ? { files } : {}) }
}

function wordingOf({ humanize, humanizeStyle }: SendRequest): Pick<SendInput, 'humanize' | 'humanizeStyle'> {
  return {
    ...(typeof humanize === 'boolean' ? { humanize } : {}),
    ...(humanizeStyle ? { humanizeStyle } : {}),
  }
}

/** A dedupe key from the message and its sender: the agent if the request names one, else the credential. */
async function derivedKey({ agent, credential }: Door, request: SendRequest): Promise<string> {
  const speaker = agent?.id ?? agent?.name ?? ('keyHash' in credential ? credential.keyHash : credential)
  return `derived:${await sha256(JSON.stringify([speaker, await hashOf(request)]))}`
}

/** SHA-256 of the request. It shows when one Idempotency-Key is used for two different requests. */
async function hashOf(request: SendRequest): Promise<string> {
  const { to, mailboxId, template, payload, sendReason, campaignId, replyTo, headers, scheduledAt } = request
  const { composed } = request
  const files = composed?.files.map(({ filename, contentType, size, sha256 }) => [
    ...[filename, contentType, size],
    ...(sha256 === undefined ? [] : [sha256]),
  ])
  const composition = composed ? [composed.reply?.messageId, files] : []
  const wording = Object.entries(wordingOf(request))
  return await sha256(
    JSON.stringify([
      ...[to, mailboxId, template, payload, sendReason, campaignId, replyTo, headers, scheduledAt],
      ...wording,
      ...composition,
    ]),
  )
}
