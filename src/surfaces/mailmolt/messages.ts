import { momentText } from '../../core/ground/cursor.ts'
import { forgetMessage } from '../../core/mail/mark.ts'
import type { Message } from '../../core/mail/message.ts'
import { listMessages } from '../../core/mail/messages.ts'
import { previewOf } from '../../core/mail/preview.ts'
import { seeMessage } from '../../core/mail/read.ts'
import { type SendState, STATES } from '../../core/policy/states.ts'
import { settings } from '../../env.ts'
import { createRoute, type HttpContext, json, router, z } from '../http.ts'
import { me } from '../me.ts'
import { ErrorView } from './refusals.ts'
import { Cursor, cursorText, ERRORS } from './words.ts'

export const STATUS = [
  'queued',
  'pending_approval',
  'sent',
  'delivered',
  'bounced',
  'failed',
  'rejected',
  'received',
] as const
type Status = (typeof STATUS)[number]

const Attachment = z.object({
  id: z.string(),
  filename: z.string(),
  size: z.int(),
  content_type: z.string(),
  url: z.string(),
})

export const MessageView = z
  .object({
    id: z.string().openapi({ example: 'msg_abc123' }),
    thread_id: z.string().openapi({ example: 'thread_xyz789' }),
    from_addr: z.string(),
    from_name: z.string().nullable(),
    to: z.array(z.string()),
    cc: z.array(z.string()),
    subject: z.string(),
    text: z.string().nullable(),
    html: z.string().nullable().openapi({ description: 'Sanitised: it contains no scripts and no forms.' }),
    text_body: z.string().nullable().openapi({ description: 'Same as `text`.' }),
    html_body: z.string().nullable().openapi({ description: 'Same as `html`.' }),
    preview: z.string(),
    direction: z.enum(['inbound', 'outbound']),
    status: z.enum(STATUS),
    is_read: z.boolean(),
    reply_to: z.string().nullable(),
    in_reply_to: z
      .string()
      .nullable()
      .openapi({ description: 'The id of the message that this one answers.' }),
    references: z.array(z.string()).openapi({ description: 'Message-IDs of the thread so far.' }),
    rfc_message_id: z.string().openapi({ description: 'The RFC 5322 Message-ID of this message.' }),
    reply_text: z.string().nullable().openapi({
      description: 'The new text of an inbound message, without quotes and signature.',
    }),
    attachments: z.array(Attachment),
    authentication: z
      .object({ spf: z.string(), dkim: z.string(), dmarc: z.string(), from_authenticated: z.boolean() })
      .nullable()
      .openapi({
        description:
          'Results of SPF, DKIM and DMARC, and whether they prove the sender that the message names.',
      }),
    ambiguities: z.array(z.string()).openapi({
      description:
        'Reasons why mail programs may read this message differently. If there are any, do not act on the message without a person.',
    }),
    injection_score: z.number().nullable().openapi({
      description: 'How likely the message tries to instruct an AI reader (prompt injection), from 0 to 1.',
    }),
    automatic: z.boolean().openapi({ description: 'Whether a program wrote the message.' }),
    created_at: z.string(),
  })
  .openapi('StoredMessage')

const MessagesQuery = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  status: z.enum(['unread', 'read']).optional(),
  thread_id: z.string().min(1).max(200).optional(),
  cursor: Cursor.optional(),
})

const MessagesView = z
  .object({
    data: z.array(MessageView),
    total: z.int().openapi({ description: 'Messages that match the filters, on all pages.' }),
    has_more: z.boolean(),
    next_cursor: z.string().nullable(),
  })
  .openapi('Messages')

export const MessageParams = z.object({ id: z.string().min(1).max(200) })

const common = { tags: ['messages'], security: [{ bearer: [] }] }

export const messages = router()

messages.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/messages',
    summary: 'List messages',
    description: `The messages that the mailbox received and sent, newest first. Sent messages count as read. A page
can hold fewer messages than \`limit\` if they are large. If \`has_more\` is true, \`next_cursor\` leads to older ones.`,
    request: { query: MessagesQuery },
    responses: { 200: json(MessagesView), ...ERRORS },
  }),
  async (c) => {
    const { limit, status, thread_id, cursor } = c.req.valid('query')
    const { mailbox } = await me(c)
    const page = await listMessages(c.var.ctx, mailbox.id, {
      limit,
      after: cursor ?? null,
      isRead: status === undefined ? null : status === 'read',
      threadId: thread_id ?? null,
    })
    const last = page.messages.at(-1)
    return c.json(
      {
        data: page.messages.map((message) => messageView(c, message)),
        total: page.total,
        has_more: page.hasMore,
        next_cursor: page.hasMore && last ? cursorText(last) : null,
      },
      200,
    )
  },
)

messages.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/messages/{id}',
    summary: 'Fetch a single message',
    description: 'Does not mark the message read: see PATCH /v1/threads/{id}.',
    request: { params: MessageParams },
    responses: { 200: json(MessageView), 404: json(ErrorView, 'Not found'), ...ERRORS },
  }),
  async (c) => {
    const { mailbox } = await me(c)
    return c.json(messageView(c, await seeMessage(c.var.ctx, mailbox.id, c.req.valid('param').id)), 200)
  },
)

messages.openapi(
  createRoute({
    ...common,
    method: 'delete',
    path: '/messages/{id}',
    summary: 'Delete a message',
    description:
      'Permanently deletes the message from this mailbox. Other mailboxes keep their copies. Safe to repeat.',
    request: { params: MessageParams },
    responses: { 204: { description: 'Deleted' }, ...ERRORS },
  }),
  async (c) => {
    const { mailbox } = await me(c)
    await forgetMessage(c.var.ctx, mailbox.id, c.req.valid('param').id)
    return c.body(null, 204)
  },
)

/** The status of a message as this API names it. If its send no longer exists, the status is queued. */
export function statusOf(state: SendState | null): Status {
  return state === null ? 'queued' : STATES[state].calledBy.mailmolt
}

export function messageView(c: HttpContext, message: Message): z.infer<typeof MessageView> {
  const isInbound = message.folder === 'inbox'
  const { text, html, authentication } = message
  const url = `${settings(c.env).publicUrl}/email/message/${message.id}/attachments`
  return {
    id: message.id,
    thread_id: message.threadId,
    from_addr: message.fromAddress,
    from_name: message.fromName,
    to: message.to,
    cc: message.cc,
    subject: message.subject,
    ...{ text, html, text_body: text, html_body: html, preview: previewOf(message) },
    direction: isInbound ? 'inbound' : 'outbound',
    status: isInbound ? 'received' : statusOf(message.state),
    is_read: !isInbound || message.readAt !== null,
    reply_to: message.replyTo,
    in_reply_to: message.inReplyTo,
    references: message.references.map((id) => `<${id}>`),
    rfc_message_id: `<${message.rfcId}>`,
    reply_text: message.replyText,
    attachments: message.files.map(({ id, filename, size, contentType }) => ({
      ...{ id, filename, size, content_type: contentType, url: `${url}/${id}` },
    })),
    authentication: authentication && {
      ...{ spf: authentication.spf, dkim: authentication.dkim, dmarc: authentication.dmarc },
      from_authenticated: authentication.isFromAuthenticated,
    },
    ambiguities: message.ambiguities,
    injection_score: message.risk?.score ?? null,
    automatic: message.isAutomatic,
    created_at: momentText(message.at),
  }
}
