import { type Hook, OpenAPIHono } from '@hono/zod-openapi'
import type { Sender } from '../../core/accounts/sender.ts'
import { Fault } from '../../core/ground/fault.ts'
import { threadIdOf } from '../../core/mail/store.ts'
import { barOf, type Letter, recipientsFrom, sendLetter } from '../../core/sending/letter.ts'
import { findOriginal, findReplied, foreignReferences, replySubject } from '../../core/sending/reply.ts'
import { letterDoor } from '../door.ts'
import {
  type App,
  createRoute,
  type HttpContext,
  headerKey,
  invalid,
  json,
  publishedBody,
  z,
} from '../http.ts'
import { filesOf } from '../letter-fields.ts'
import { me } from '../me.ts'
import { listOf, MessageBody, ReplyBody } from './draft.ts'
import { MessageParams, STATUS, statusOf } from './messages.ts'
import { PLAN_HEADERS, quota } from './plan.ts'
import { ErrorView, refusalAnswer } from './refusals.ts'
import { ERRORS, jsonOnly, stamp } from './words.ts'

const NO_SUBJECT = '(no subject)'

const SentView = z
  .object({
    message: z.object({
      id: z.string().openapi({ example: 'msg_abc123' }),
      thread_id: z.string(),
      status: z.enum(STATUS),
      to: z.array(z.string()),
      subject: z.string(),
      created_at: z.string(),
    }),
    request_id: z
      .string()
      .openapi({ description: 'For GET /v1/agent/sends/{requestId}, which shows the state of the send.' }),
    approval_queue_id: z.string().nullable().openapi({
      description: 'For GET /v1/send/approvals/{approvalId}, if a person must decide first.',
    }),
    dedupe: z.enum(['derived']).optional().openapi({
      description:
        'For a call over MCP without a key. The key was derived from the message, and stays taken for 60 s.',
    }),
    duplicate: z.literal(true).optional().openapi({
      description: 'The same message was sent within those 60 s. This is that send; nothing new was sent.',
    }),
  })
  .openapi('Sent')

const common = {
  tags: ['messages'],
  security: [{ bearer: [] }],
  middleware: [quota, jsonOnly],
  'x-mailmolt-trust-required': 'supervised',
}

const responses = {
  202: { ...json(SentView, 'Queued for delivery'), headers: PLAN_HEADERS },
  402: { ...json(ErrorView, 'Daily or monthly send cap exceeded'), headers: PLAN_HEADERS },
  403: {
    ...json(ErrorView, 'The account may not send, or a rule refused the send. The code is the reason'),
    headers: PLAN_HEADERS,
  },
  422: { ...json(ErrorView, 'The body does not fit, or its content was refused'), headers: PLAN_HEADERS },
  429: {
    ...json(ErrorView, 'Another window is used up. Retry-After says when to try again'),
    headers: PLAN_HEADERS,
  },
  ...ERRORS,
}

const SENDING = `A message to addresses of this service only is \`delivered\` at once, or \`bounced\` if no such address exists.
Any other message is \`queued\`, or \`pending_approval\` until a person has decided. With an Idempotency-Key a repeat is safe:
it gets the first answer again.`

/** If the account may not send at all, that is reported before errors in the body. */
const refuseAccountFirst: Hook<unknown, App, string, unknown> = async (result, c) => {
  if (result.success) return
  const own = await me(c as HttpContext)
  const bar = await barOf(await doorOf(c as HttpContext, own), own.mailbox.id)
  if (bar) return await refusalAnswer(c as HttpContext, own, bar)
  throw invalid(result.error)
}

/** A field of the published schema that no caller sets. */
const SET_BY_SERVER = ['id']

export const send = new OpenAPIHono<App>({ defaultHook: refuseAccountFirst })

send.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/messages',
    summary: 'Send an email',
    description: SENDING,
    request: publishedBody(MessageBody, undefined, SET_BY_SERVER),
    responses,
  }),
  async (c) => {
    const wanted = c.req.valid('json')
    const own = await me(c)
    const named = [...(wanted.references ?? []), ...(wanted.in_reply_to ? [wanted.in_reply_to] : [])]
    const reply = named.length > 0 ? await findReplied(c.var.ctx, own.mailbox.id, ...named) : null
    return await sent(c, own, wanted, {
      to: listOf(wanted.to),
      subject: wanted.subject,
      reply,
      ...(reply ? {} : { headers: foreignReferences(wanted.in_reply_to ?? null, wanted.references ?? []) }),
    })
  },
)

send.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/messages/{id}/reply',
    summary: 'Reply to a message',
    description: `By default \`to\` is the sender of the message (its Reply-To), or its recipients if the mailbox sent it itself.
The default \`subject\` is that of the message, with \`Re:\`. ${SENDING}`,
    request: { params: MessageParams, ...publishedBody(ReplyBody, undefined, SET_BY_SERVER) },
    responses,
  }),
  async (c) => {
    const wanted = c.req.valid('json')
    const own = await me(c)
    const original = await findOriginal(c.var.ctx, own.mailbox.id, c.req.valid('param').id)
    const to = wanted.to ? listOf(wanted.to) : (original?.answerTo ?? [])
    if (original === null || to.length === 0) {
      const bar = await barOf(await doorOf(c, own), own.mailbox.id)
      if (bar) return await refusalAnswer(c, own, bar)
      if (original === null) throw new Fault('not_found', 'Message not found.')
      throw new Fault('invalid', 'to: the message does not tell whom to answer.', { field: 'to' })
    }
    const subject = wanted.subject ?? replySubject(original.subject)
    return await sent(c, own, wanted, { to, subject, reply: original.reply })
  },
)

type Wanted = Omit<z.infer<typeof ReplyBody>, 'to' | 'subject'>

/** Sends the letter and answers with its message, or with the refusal. */
async function sent(
  c: HttpContext,
  own: Sender,
  wanted: Wanted,
  given: Pick<Letter, 'subject' | 'reply' | 'headers'> & { to: string[] },
) {
  const html = wanted.html || null
  const letter = {
    ...given,
    mailboxId: own.mailbox.id,
    to: recipientsFrom({ to: given.to, cc: wanted.cc ?? [], bcc: wanted.bcc ?? [] }),
    subject: given.subject.trim() === '' ? NO_SUBJECT : given.subject,
    text: wanted.text || (html === null ? '' : null),
    html,
    replyTo: wanted.reply_to ?? null,
    key: headerKey(c),
  }
  const files = { files: filesOf(wanted), urlsAtMost: null }
  const result = await sendLetter(c.get('ctx'), await doorOf(c, own), letter, files)
  if (result.refusal) return await refusalAnswer(c, own, result.refusal)
  const { requestId, isKeyDerived } = result
  return c.json(
    {
      message: {
        id: result.messageId,
        thread_id: given.reply?.threadId ?? threadIdOf(requestId),
        status: statusOf(result.status),
        to: given.to,
        // The subject as it was kept: the answer does not repeat what was redacted.
        subject: result.subject ?? letter.subject,
        created_at: stamp(result.createdAt),
      },
      request_id: requestId,
      approval_queue_id: result.approvalId,
      ...(isKeyDerived ? { dedupe: 'derived' as const } : {}),
      ...(isKeyDerived && result.isDuplicate ? { duplicate: true as const } : {}),
    },
    202,
  )
}

const doorOf = (c: HttpContext, own: Sender) => letterDoor(c, c.get('errand')?.door ?? 'mailmolt', own)
