import { momentText } from '../../core/ground/cursor.ts'
import { openFile } from '../../core/mail/files.ts'
import { listFolder } from '../../core/mail/folder.ts'
import { deleteMessage, markRead, toggleStar } from '../../core/mail/mark.ts'
import type { Message } from '../../core/mail/message.ts'
import { readMessage, readThread } from '../../core/mail/read.ts'
import { createRoute, json, z } from '../http.ts'
import { me } from '../me.ts'
import { MessageView, view } from './message.ts'
import { Cursor, ERRORS, RATE_HEADERS, routes } from './words.ts'

const Limit = z.coerce.number().int().min(1).max(100).default(50)

const InboxQuery = z.object({
  limit: Limit,
  unread_only: z.stringbool().default(false).openapi({ type: 'boolean', default: false }),
  from_address: z.string().max(320).optional().openapi({ description: "The sender's address, exactly." }),
  cursor: Cursor.optional().openapi({ description: 'Older messages: the `cursor` of the page before.' }),
  after: Cursor.optional().openapi({
    description: 'Only messages newer than this: the `newest_cursor` of the last poll.',
  }),
})

const InboxView = z
  .object({
    messages: z.array(MessageView),
    total: z.int().openapi({ description: 'Messages that match the filters, on all pages.' }),
    unread_count: z.int().openapi({ description: 'Of the whole inbox, without the filters.' }),
    has_more: z.boolean(),
    cursor: z.string().nullable(),
    newest_cursor: z.string().nullable(),
  })
  .openapi('EmailInbox')

const SentView = z
  .object({
    messages: z.array(MessageView),
    total: z.int(),
    has_more: z.boolean(),
    cursor: z.string().nullable(),
  })
  .openapi('EmailSent')

const ThreadView = z
  .object({
    thread_id: z.string(),
    subject: z.string(),
    messages: z.array(MessageView),
    participant_addresses: z.array(z.string()),
    has_more: z.boolean(),
    cursor: z.string().nullable(),
  })
  .openapi('EmailThread')

const POLLING = `Newest first. To page, pass the \`cursor\` of the last answer as long as \`has_more\` is true. A page can
hold fewer messages than \`limit\` if they are large, so rely on \`has_more\` and not on the count. The cursor is the
\`created_at\` of the last message on the page. Within a folder no two messages share a \`created_at\`, and a later
message always has a later one. Paging therefore neither skips nor repeats a message, even while new mail arrives.

To poll for new mail: ask once without \`after\`, and keep \`newest_cursor\`. From then on, pass it as \`after\`. As long
as the answer has \`has_more\`, ask again with the same \`after\` and with its \`cursor\`. Then keep the
\`newest_cursor\` of the first of these answers. You see every message exactly once. \`newest_cursor\` is null only while
the inbox has never had a message; then ask without \`after\`.`

const MessageParams = z.object({ message_id: z.string().min(1).max(200) })
const ok = <Schema extends z.ZodType>(schema: Schema) => ({
  200: { ...json(schema), headers: RATE_HEADERS },
  ...ERRORS,
})
const common = { tags: ['email'], security: [{ bearer: [] }] }

export const messages = routes()

messages.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/email/inbox',
    summary: 'List the messages of the inbox',
    description: POLLING,
    request: { query: InboxQuery },
    responses: ok(InboxView),
  }),
  async (c) => {
    const { limit, unread_only, from_address, cursor = null, after = null } = c.req.valid('query')
    const { mailbox } = await me(c)
    const page = await listFolder(c.var.ctx, mailbox.id, {
      ...{ folder: 'inbox', limit, before: cursor, after, isUnread: unread_only, from: from_address || null },
    })
    const newest = Math.max(page.newestAt ?? -1, after ?? -1)
    return c.json(
      {
        messages: page.messages.map((message) => view(c, message)),
        total: page.total,
        unread_count: page.unreadCount,
        has_more: page.hasMore,
        cursor: cursorOf(page),
        newest_cursor: newest === -1 ? null : momentText(newest),
      },
      200,
    )
  },
)

messages.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/email/sent',
    summary: 'List the messages that the caller sent',
    request: { query: z.object({ limit: Limit, cursor: Cursor.optional() }) },
    responses: ok(SentView),
  }),
  async (c) => {
    const { limit, cursor = null } = c.req.valid('query')
    const { mailbox } = await me(c)
    const page = await listFolder(c.var.ctx, mailbox.id, { folder: 'sent', limit, before: cursor })
    return c.json(
      {
        messages: page.messages.map((message) => view(c, message)),
        total: page.total,
        has_more: page.hasMore,
        cursor: cursorOf(page),
      },
      200,
    )
  },
)

messages.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/email/thread/{thread_id}',
    summary: 'A conversation, oldest message first',
    description:
      'The newest 500 messages or 8 MB of a thread. If has_more is true, cursor gives the older ones.',
    request: {
      params: z.object({ thread_id: z.string().min(1).max(200) }),
      query: z.object({ cursor: Cursor.optional() }),
    },
    responses: ok(ThreadView),
  }),
  async (c) => {
    const { mailbox } = await me(c)
    const before = c.req.valid('query').cursor ?? null
    const thread = await readThread(c.var.ctx, mailbox.id, c.req.valid('param').thread_id, { before })
    const [oldest] = thread.messages
    return c.json(
      {
        thread_id: thread.id,
        subject: thread.subject,
        messages: thread.messages.map((message) => view(c, message)),
        participant_addresses: participants(thread.messages),
        has_more: thread.hasMore,
        cursor: thread.hasMore && oldest ? momentText(oldest.at) : null,
      },
      200,
    )
  },
)

messages.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/email/message/{message_id}',
    summary: 'One message; an inbound one is marked read',
    request: { params: MessageParams },
    responses: ok(MessageView),
  }),
  async (c) => {
    const { mailbox } = await me(c)
    return c.json(view(c, await readMessage(c.var.ctx, mailbox.id, c.req.valid('param').message_id)), 200)
  },
)

messages.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/email/message/{message_id}/read',
    summary: 'Mark a message read or unread',
    request: {
      params: MessageParams,
      query: z.object({
        unread: z.stringbool().default(false).openapi({ type: 'boolean', default: false }),
      }),
    },
    responses: ok(z.object({ status: z.enum(['read', 'unread']) })),
  }),
  async (c) => {
    const { mailbox } = await me(c)
    const { unread } = c.req.valid('query')
    await markRead(c.var.ctx, mailbox.id, c.req.valid('param').message_id, !unread)
    return c.json({ status: unread ? ('unread' as const) : ('read' as const) }, 200)
  },
)

messages.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/email/message/{message_id}/star',
    summary: 'Star or unstar a message',
    request: { params: MessageParams },
    responses: ok(z.object({ starred: z.boolean() })),
  }),
  async (c) => {
    const { mailbox } = await me(c)
    return c.json({ starred: await toggleStar(c.var.ctx, mailbox.id, c.req.valid('param').message_id) }, 200)
  },
)

messages.openapi(
  createRoute({
    ...common,
    method: 'delete',
    path: '/email/message/{message_id}',
    summary: "Delete a message from the caller's own view",
    request: { params: MessageParams },
    responses: ok(z.object({ status: z.literal('deleted') })),
  }),
  async (c) => {
    const { mailbox } = await me(c)
    await deleteMessage(c.var.ctx, mailbox.id, c.req.valid('param').message_id)
    return c.json({ status: 'deleted' as const }, 200)
  },
)

messages.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/email/message/{message_id}/attachments/{attachment_id}',
    summary: 'Download an attachment',
    request: { params: MessageParams.extend({ attachment_id: z.string().min(1).max(200) }) },
    responses: {
      200: {
        description: 'The file',
        content: { '*/*': { schema: z.string().openapi({ format: 'binary' }) } },
        headers: RATE_HEADERS,
      },
      ...ERRORS,
    },
  }),
  async (c) => {
    const { mailbox } = await me(c)
    const { message_id, attachment_id } = c.req.valid('param')
    const { file, content } = await openFile(c.var.ctx, mailbox.id, message_id, attachment_id)
    return c.body(content, 200, {
      'Content-Type': file.contentType,
      'Content-Disposition': disposition(file.filename),
      'Content-Security-Policy': "default-src 'none'; sandbox",
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'private, no-store',
    })
  },
)

function cursorOf({ messages, hasMore }: { messages: Message[]; hasMore: boolean }): string | null {
  const last = messages.at(-1)
  return hasMore && last ? momentText(last.at) : null
}

/** The senders, To and Cc addresses of the messages, each once, in order of appearance. */
function participants(messages: Message[]): string[] {
  const named = new Map<string, string>()
  for (const address of messages.flatMap(({ fromAddress, to, cc }) => [fromAddress, ...to, ...cc])) {
    const contact = address.toLowerCase()
    if (!named.has(contact)) named.set(contact, address)
  }
  return [...named.values()]
}

/** Content-Disposition for a download under the file's name (RFC 6266, RFC 8187). */
function disposition(filename: string): string {
  const plain = filename.replace(/[^\x20-\x7e]|["\\%]/g, '_')
  const encoded = encodeURIComponent(filename).replace(
    /['()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`
}
