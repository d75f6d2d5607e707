import type { MiddlewareHandler } from 'hono'
import { authenticateSmtp, type Submitter } from '../../core/accounts/smtp-credentials.ts'
import type { Ctx } from '../../core/ground/ctx.ts'
import { Fault } from '../../core/ground/fault.ts'
import { messageIdOf } from '../../core/mail/store.ts'
import { MESSAGE_AT_MOST } from '../../core/sending/smtp/message.ts'
import { RECIPIENTS_AT_MOST, refusalOf, submitMessage } from '../../core/sending/smtp/submit.ts'
import { type App, body, createRoute, type HttpContext, headerKey, json, router, z } from '../http.ts'
import { refusalAnswer } from './refusals.ts'
import { ERRORS } from './words.ts'

const submitters = new WeakMap<Ctx, Submitter>()

/** Authenticates an address and its SMTP password by HTTP Basic. The bridge itself has no rights. */
export const smtpLogin: MiddlewareHandler<App> = async (c, next) => {
  const submitter = await authenticateSmtp(c.env, c.get('now'), {
    ...presented(c),
    clientAddress: c.req.header('cf-connecting-ip') ?? null,
  })
  c.set('ctx', submitter.ctx)
  submitters.set(submitter.ctx, submitter)
  await next()
}

/** RFC 7617, in UTF-8. */
function presented(c: HttpContext): { username: string; password: string } {
  const [, encoded = ''] = /^Basic +([\w+/=-]{1,2000}) *$/i.exec(c.req.header('authorization') ?? '') ?? []
  const [, username = '', password = ''] = /^([^:]*):(.*)$/s.exec(decoded(encoded)) ?? []
  return { username, password }
}

function decoded(base64: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)))
  } catch {
    return ''
  }
}

function submitterOf(c: HttpContext): Submitter {
  const submitter = submitters.get(c.get('ctx'))
  if (!submitter) throw new Error('a route of the bridge was reached without a login')
  return submitter
}

/** Addresses in a header: each percent-encoded, separated by commas. */
const Addresses = z
  .string()
  .max(60_000)
  .transform((text, context) => {
    try {
      return text
        .split(',')
        .map((each) => decodeURIComponent(each.trim()))
        .filter((each) => each !== '')
    } catch {
      context.addIssue({ code: 'custom', message: 'is not percent-encoded' })
      return []
    }
  })
  .openapi({ type: 'string', example: 'alice%40example.com' })

const LETTER = [
  'From: outreach-agent@moltpost.test',
  'To: alice@example.com',
  'Subject: Hello',
  'MIME-Version: 1.0',
  'Content-Type: text/plain; charset=utf-8',
  '',
  'It works.',
  '',
].join('\r\n')

const common = { tags: ['smtp-submission'], security: [{ smtp: [] }] }

export const submission = router()

submission.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/smtp/session',
    summary: 'Check an address and its SMTP password, and show the limits of a submission',
    responses: {
      200: json(z.object({ address: z.string(), max_message_bytes: z.int(), max_recipients: z.int() })),
      ...ERRORS,
    },
  }),
  (c) => {
    const { account } = submitterOf(c)
    const limits = { max_message_bytes: MESSAGE_AT_MOST, max_recipients: RECIPIENTS_AT_MOST }
    return c.json({ address: account.mailbox.address, ...limits }, 200)
  },
)

submission.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/smtp/recipients',
    summary: 'Check whether mail to this recipient could be sent now',
    description:
      'Writes nothing. A refusal has the status and code that a message to this recipient would get.',
    request: body(z.object({ recipient: z.string().min(1).max(1_000) })),
    responses: { 200: json(z.object({ accepted: z.literal(true) })), ...ERRORS },
  }),
  async (c) => {
    const submitter = submitterOf(c)
    const refusal = await refusalOf(submitter, c.req.valid('json').recipient)
    if (refusal) return await refusalAnswer(c, submitter.account, refusal)
    return c.json({ accepted: true as const }, 200)
  },
)

submission.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/smtp/submissions',
    summary: 'Submit a message in RFC 5322 form',
    description: `For the SMTP bridge. The envelope is in header fields. The same message to the same recipients, recognised by
its Message-ID and content, is sent once; a repeat gets the first answer.`,
    request: {
      headers: z.object({
        'x-envelope-from': Addresses.openapi({
          description: 'Empty for the null reverse-path.',
          example: 'outreach-agent%40moltpost.test',
        }),
        'x-envelope-to': Addresses,
      }),
      body: {
        required: true,
        content: { 'message/rfc822': { schema: z.string().openapi({ format: 'binary' }), example: LETTER } },
      },
    },
    responses: {
      202: json(
        z.object({
          request_id: z.string(),
          message: z.object({
            id: z.string(),
            status: z.enum(['queued', 'delivered', 'bounced', 'pending_approval']),
          }),
          approval_queue_id: z.string().nullable(),
          dropped_fields: z.array(z.string()).openapi({
            description:
              'The header fields that were removed. They ask the reader to act, or claim what only other servers can know. A List-Unsubscribe is replaced by ours.',
            example: ['Disposition-Notification-To'],
          }),
        }),
        'Accepted, or held until a person has decided',
      ),
      ...ERRORS,
    },
  }),
  async (c) => {
    if (!/^\s*message\/rfc822\s*(?:;|$)/i.test(c.req.header('content-type') ?? '')) {
      throw new Fault('invalid', 'The body must be a message, with content type message/rfc822.', {
        field: 'content-type',
      })
    }
    const { 'x-envelope-from': from, 'x-envelope-to': to } = c.req.valid('header')
    const submitter = submitterOf(c)
    const result = await submitMessage(submitter, {
      envelope: { from: from[0] ?? '', to },
      raw: new Uint8Array(await c.req.arrayBuffer()),
      key: headerKey(c),
    })
    if (result.kind === 'refused') return await refusalAnswer(c, submitter.account, result.refusal)
    const { requestId, status, approvalId, droppedFields } = result
    return c.json(
      {
        request_id: requestId,
        message: { id: messageIdOf(requestId), status },
        approval_queue_id: approvalId,
        dropped_fields: droppedFields,
      },
      202,
    )
  },
)
