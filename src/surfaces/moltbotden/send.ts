import { parseAddress, safeHeaderText } from '../../core/ground/address.ts'
import { mustBeAllowed } from '../../core/ground/ctx.ts'
import { Fault } from '../../core/ground/fault.ts'
import { threadIdOf } from '../../core/mail/store.ts'
import { areOurs, barOf, type LetterResult, recipientsFrom, sendLetter } from '../../core/sending/letter.ts'
import { findReplied } from '../../core/sending/reply.ts'
import { letterDoor } from '../door.ts'
import { createRoute, headerKey, json, publishedBody, z } from '../http.ts'
import { attachments, bodyText, filesOf } from '../letter-fields.ts'
import { me } from '../me.ts'
import { STATUS, type Status } from './message.ts'
import { refusalAnswer } from './refusals.ts'
import { ERRORS, ErrorView, RATE_HEADERS, routes } from './words.ts'

const RECIPIENTS_AT_MOST = 10
const URLS_AT_MOST = 10

/** The parser's limit. More than ten recipients are refused with a message that names that limit. */
const Addresses = z
  .array(
    z
      .string()
      .max(320)
      .refine((text) => parseAddress(text) !== null, 'is not an email address'),
  )
  .max(1_000)

const Body = bodyText(256)

const SendBody = z
  .object({
    to: Addresses.min(1),
    subject: z
      .string()
      .refine((text) => [...text].length <= 256, 'is longer than 256 characters')
      .refine((text) => safeHeaderText(text) === null, 'holds characters that no header may hold')
      .openapi({ description: 'At most 256 characters.' }),
    body_text: Body.nullish(),
    body_html: Body.nullish().openapi({ description: 'Sanitised before it is kept or sent.' }),
    cc: Addresses.nullish(),
    bcc: Addresses.nullish(),
    in_reply_to: z.string().min(1).max(1_000).nullish().openapi({
      description: 'The message_id or the RFC 5322 Message-ID of a message in the caller’s mailbox.',
    }),
    attachments: attachments(10).nullish(),
  })
  .refine(({ body_text, body_html }) => body_text || body_html, {
    message: 'At least one of body_text or body_html is required.',
    path: ['body_text'],
  })
  .openapi('EmailSend')

const SentView = z
  .object({
    message_id: z.string().openapi({ example: 'msg_abc123' }),
    status: z.enum(STATUS),
    delivery_type: z.enum(['internal', 'external']),
    thread_id: z.string().openapi({ example: 'thread_xyz789' }),
    message: z.string(),
  })
  .openapi('EmailSendAnswer')

type Wanted = z.infer<typeof SendBody>

export const send = routes()

send.openapi(
  createRoute({
    method: 'post',
    path: '/email/send',
    tags: ['email'],
    summary: 'Send an email from the caller’s address',
    description: `A message to addresses of this service only is delivered at once; if no such address exists, its status is
\`bounced\`. \`sending\` means that it is on its way. \`queued\` means that it waits for a person's approval or for its
scheduled time. \`message\` says which. With an Idempotency-Key a repeat is safe: it gets the first answer again.`,
    security: [{ bearer: [] }],
    request: publishedBody(SendBody, {
      to: ['bob@example.com'],
      subject: 'Hello from my agent',
      body_text: 'Plain text email body.',
      body_html: '<p>HTML email body.</p>',
      cc: ['carol@example.com'],
      bcc: ['dave@example.com'],
      in_reply_to: null,
    }),
    responses: {
      200: { ...json(SentView), headers: RATE_HEADERS },
      400: json(ErrorView, 'Too many recipients or URLs, no subject, a blocked attachment'),
      403: json(
        ErrorView,
        'Suspended, frozen or provisional, or a rule refused the send. The code is the reason',
      ),
      429: json(ErrorView, 'The hour or the day is used up. Retry-After says when to try again'),
      ...ERRORS,
    },
  }),
  async (c) => {
    const wanted = c.req.valid('json')
    const { ctx } = c.var
    const own = await me(c)
    mustBeAllowed(ctx, 'send', own.mailbox.id)
    const door = await letterDoor(c, 'moltbotden', own)
    const given = wanted.in_reply_to
    const reply = given ? await findReplied(ctx, own.mailbox.id, given) : null

    const wrong = breachOf(wanted) ?? (given && reply === null ? noSuchMessage() : null)
    if (wrong) {
      const bar = await barOf(door, own.mailbox.id)
      if (bar) return await refusalAnswer(c, own, bar)
      if (wrong instanceof Fault) throw wrong
      return await refusalAnswer(c, own, wrong)
    }

    const recipients = { to: wanted.to, cc: wanted.cc ?? [], bcc: wanted.bcc ?? [] }
    const letter = {
      ...{ mailboxId: own.mailbox.id, to: recipientsFrom(recipients), subject: wanted.subject, reply },
      ...{ text: wanted.body_text || null, html: wanted.body_html || null, key: headerKey(c) },
    }
    const files = { files: filesOf(wanted), urlsAtMost: URLS_AT_MOST }
    const { refusal, status, requestId, messageId } = await sendLetter(ctx, door, letter, files)
    if (refusal) return await refusalAnswer(c, own, refusal)
    const isInternal = areOurs(ctx, Object.values(recipients).flat())
    return c.json(
      {
        message_id: messageId,
        ...outcomeOf(status),
        delivery_type: isInternal ? ('internal' as const) : ('external' as const),
        thread_id: reply?.threadId ?? threadIdOf(requestId),
      },
      200,
    )
  },
)

const SENT = 'Email sent successfully'

/** The status in the answer to a send. A repeat gets the status of the first answer. */
function outcomeOf(status: LetterResult['status']): {
  status: Status
  message: string
} {
  switch (status) {
    case 'delivered':
      return { status: 'delivered', message: SENT }
    case 'bounced':
      return { status: 'bounced', message: 'Email bounced: no such address' }
    case 'queued':
      return { status: 'sending', message: SENT }
    case 'pending_approval':
      return { status: 'queued', message: 'Email held for approval' }
    case 'scheduled':
      return { status: 'queued', message: 'Email scheduled' }
    case 'blocked':
      return { status: 'failed', message: 'Email not sent' }
  }
}

/** A breach of this API's own rules. It is reported only if the account itself may send. */
function breachOf({ to, cc, bcc, subject }: Wanted) {
  const recipients = to.length + (cc?.length ?? 0) + (bcc?.length ?? 0)
  if (recipients > RECIPIENTS_AT_MOST) {
    const detail = `${recipients} of at most ${RECIPIENTS_AT_MOST} in to, cc and bcc together`
    return { reason: 'too_many_recipients', detail }
  }
  return subject.trim() === '' ? { reason: 'subject_required', detail: 'the subject is empty' } : null
}

const noSuchMessage = () =>
  new Fault('not_found', 'in_reply_to: Message not found.', { field: 'in_reply_to' })
