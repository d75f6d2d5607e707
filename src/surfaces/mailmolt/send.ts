import { type Hook, OpenAPIHono } from '@hono/zod-openapi'
import type { Sender } from '../../core/accounts/sender.ts'
import { mustBeAllowed } from '../../core/ground/ctx.ts'
import { Fault } from '../../core/ground/fault.ts'
import { blockedAmong, dropFiles, dropUnnamed, keepFiles } from '../../core/mail/files.ts'
import { messageIdOf, threadIdOf } from '../../core/mail/store.ts'
import { countUrls } from '../../core/reading/text/links.ts'
import {
  barOf,
  type Draft,
  type FirstAnswer,
  findOriginal,
  findReplied,
  firstAnswer,
  foreignReferences,
  replySubject,
  requestOf,
} from '../../core/sending/compose.ts'
import type { Door } from '../../core/sending/door.ts'
import { requestSends, type SendResult } from '../../core/sending/request.ts'
import {
  type App,
  body,
  createRoute,
  type HttpContext,
  headerKey,
  invalid,
  json,
  keyHashOf,
  z,
} from '../http.ts'
import { filesOf } from '../letter-fields.ts'
import { listOf, MessageBody, ReplyBody } from './draft.ts'
import { me } from './me.ts'
import { MessageParams, STATUS } from './messages.ts'
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
      .openapi({ description: 'For GET /v1/agent/sends/{requestId}, which tells its fate.' }),
    approval_queue_id: z.string().nullable().openapi({
      description: 'For GET /v1/send/approvals/{approvalId}, where a person must decide first.',
    }),
    dedupe: z.enum(['derived']).optional().openapi({
      description: 'The message itself was the key, for 60 s: over MCP, where none was given.',
    }),
    duplicate: z.literal(true).optional().openapi({
      description: 'The same was sent within those 60 s: this is that send, and nothing new has left.',
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
    ...json(ErrorView, 'The account may not send, or a rule refused, which is the code'),
    headers: PLAN_HEADERS,
  },
  422: { ...json(ErrorView, 'The body does not fit, or its content was refused'), headers: PLAN_HEADERS },
  429: {
    ...json(ErrorView, 'Another window is used up: Retry-After says when it is not'),
    headers: PLAN_HEADERS,
  },
  ...ERRORS,
}

const SENDING = `To addresses of this service alone a message is \`delivered\` at once, or \`bounced\` where no such address
exists; any other is \`queued\`, or \`pending_approval\` until a person has decided. An Idempotency-Key makes a repeat safe:
it is given the first answer again.`

/** What speaks against the account itself is told before what is wrong with the body. */
const refuseAccountFirst: Hook<unknown, App, string, unknown> = async (result, c) => {
  if (result.success) return
  const own = await me(c as HttpContext)
  const bar = await barOf(await doorOf(c as HttpContext, own), own.mailbox.id)
  if (bar) return await refusalAnswer(c as HttpContext, own, bar)
  throw invalid(result.error)
}

export const send = new OpenAPIHono<App>({ defaultHook: refuseAccountFirst })

send.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/messages',
    summary: 'Send an email',
    description: SENDING,
    request: body(MessageBody),
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
    description: `Without \`to\` it goes to whoever is to be answered, or again to whom the mailbox itself has written; without
\`subject\` it has that of the message. ${SENDING}`,
    request: { params: MessageParams, ...body(ReplyBody) },
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

/** Sends what is wanted and answers what has become of it. */
async function sent(
  c: HttpContext,
  own: Sender,
  wanted: Wanted,
  given: Pick<Draft, 'to' | 'subject' | 'reply' | 'headers'>,
) {
  const ctx = c.get('ctx')
  mustBeAllowed(ctx, 'send', own.mailbox.id)
  const attached = filesOf(wanted)
  const html = wanted.html || null
  const text = wanted.text || (html === null ? '' : null)
  const content = { urls: countUrls(text, html), urlsAtMost: null, blockedFile: blockedAmong(attached) }
  const files = content.blockedFile === null ? await keepFiles(ctx, attached) : []
  const draft: Draft = {
    ...{ ...given, subject: given.subject.trim() === '' ? NO_SUBJECT : given.subject },
    ...{ mailboxId: own.mailbox.id, cc: wanted.cc ?? [], bcc: wanted.bcc ?? [], text, html },
    ...{ replyTo: wanted.reply_to ?? null, files, content, key: headerKey(c) },
  }
  const [result] = await requestSends(await doorOf(c, own), [requestOf(draft)])
  if (!result) throw new Error('a request was given no result')
  if (result.status === 'error' || result.status === 'blocked') await dropFiles(c.env, files)
  else if (draft.key !== null || result.isKeyDerived)
    await dropUnnamed(ctx, messageIdOf(result.requestId), files)
  if (result.status === 'error') throw new Fault(result.code, result.message, result.details)
  const refusal = result.status === 'blocked' ? result.verdict?.refusal : null
  if (refusal) return await refusalAnswer(c, own, refusal)
  const { status, approvalId, subject, createdAt } = await answerOf(c, result)
  return c.json(
    {
      message: {
        id: messageIdOf(result.requestId),
        thread_id: draft.reply?.threadId ?? threadIdOf(result.requestId),
        status,
        to: draft.to,
        // What was struck out of it does not come back in the answer.
        subject: subject ?? draft.subject,
        created_at: stamp(createdAt),
      },
      request_id: result.requestId,
      approval_queue_id: approvalId,
      ...(result.isKeyDerived ? { dedupe: 'derived' as const } : {}),
      ...(result.isKeyDerived && result.status === 'duplicate' ? { duplicate: true as const } : {}),
    },
    202,
  )
}

async function answerOf(
  c: HttpContext,
  result: Exclude<SendResult, { status: 'error' }>,
): Promise<Omit<FirstAnswer, 'status'> & { status: FirstAnswer['status'] | 'failed' }> {
  if (result.status === 'duplicate') return await firstAnswer(c.get('ctx'), result.requestId)
  const { status, approvalId, subject } = result
  const said = status === 'scheduled' ? 'queued' : status === 'blocked' ? 'failed' : status
  return { status: said, approvalId, subject, createdAt: c.get('now') }
}

async function doorOf(c: HttpContext, { mailbox }: Sender): Promise<Door> {
  return {
    env: c.env,
    now: c.get('now'),
    name: c.get('errand')?.door ?? 'mailmolt',
    credential: { keyHash: await keyHashOf(c) },
    tenantId: null,
    agent: mailbox.agentId === null ? null : { id: mailbox.agentId, name: null },
  }
}
