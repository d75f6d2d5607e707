import { momentText, readMoment } from '../../core/ground/cursor.ts'
import { readThread } from '../../core/mail/read.ts'
import { changeThread, listThreads, seeThread, type ThreadSummary } from '../../core/mail/threads.ts'
import { createRoute, json, openBody, router, z } from '../http.ts'
import { me } from '../me.ts'
import { MessageView, messageView } from './messages.ts'
import { Cursor, cursorText, ERRORS, Flag, jsonOnly } from './words.ts'

const LABELS_AT_MOST = 50
const LABEL_AT_MOST = 64

const Label = z
  .string()
  .transform((text) => text.trim().toWellFormed())
  .refine((text) => text !== '', 'must not be blank')
  .refine((text) => [...text].length <= LABEL_AT_MOST, `must be at most ${LABEL_AT_MOST} characters`)
  .openapi({ type: 'string', maxLength: LABEL_AT_MOST })

const ThreadView = z
  .object({
    id: z.string().openapi({ example: 'thread_xyz789' }),
    subject: z.string(),
    last_message_preview: z.string(),
    last_message_from: z.string(),
    last_message_at: z.string(),
    message_count: z.int(),
    is_read: z.boolean(),
    starred: z.boolean(),
    archived: z.boolean(),
    labels: z.array(z.string()),
  })
  .openapi('Thread')

const ThreadsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  unread: Flag.optional(),
  starred: Flag.optional(),
  archived: Flag.optional(),
  label: z.string().min(1).max(200).optional(),
  cursor: Cursor.optional(),
})

const ThreadsView = z
  .object({
    data: z.array(ThreadView),
    total: z.int(),
    has_more: z.boolean(),
    next_cursor: z.string().nullable(),
  })
  .openapi('Threads')

const WholeView = z
  .object({
    thread: ThreadView,
    messages: z.array(MessageView).openapi({ description: 'Oldest first.' }),
    has_more: z.boolean().openapi({ description: 'Whether there are older messages.' }),
    next_cursor: z.string().nullable(),
  })
  .openapi('WholeThread')

const ThreadChange = z
  .object({
    read: z.boolean().optional().openapi({ description: 'Marks all messages of the thread.' }),
    is_read: z.boolean().optional().openapi({ description: 'Same as `read`.' }),
    archived: z.boolean().optional(),
    starred: z.boolean().optional(),
    labels: z
      .array(Label)
      .max(LABELS_AT_MOST)
      .optional()
      .openapi({ description: 'Replaces the current labels.' }),
  })
  .openapi('ThreadChange')

const ThreadParams = z.object({ id: z.string().min(1).max(200) })
const Older = z
  .string()
  .max(128)
  .transform((text, context) => {
    const at = text === '' ? null : readMoment(text)
    if (text !== '' && at === null) context.addIssue({ code: 'custom', message: 'must be a next_cursor' })
    return at
  })
  .openapi({ type: 'string' })

const common = { tags: ['threads'], security: [{ bearer: [] }] }

export const threads = router()

threads.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/threads',
    summary: 'List threads',
    description:
      'The thread with the newest message comes first. Archived threads are included unless a filter excludes them.',
    request: { query: ThreadsQuery },
    responses: { 200: json(ThreadsView), ...ERRORS },
  }),
  async (c) => {
    const { limit, unread, starred, archived, label, cursor } = c.req.valid('query')
    const { mailbox } = await me(c)
    const page = await listThreads(c.var.ctx, mailbox.id, {
      limit,
      after: cursor ?? null,
      isUnread: unread ?? null,
      isStarred: starred ?? null,
      isArchived: archived ?? null,
      label: label ?? null,
    })
    const last = page.threads.at(-1)
    return c.json(
      {
        data: page.threads.map(view),
        total: page.total,
        has_more: page.hasMore,
        next_cursor: page.hasMore && last ? cursorText(last.place) : null,
      },
      200,
    )
  },
)

threads.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/threads/{id}',
    summary: 'Fetch a thread with all messages',
    description: 'The newest 500 messages or 8 MB. If has_more is true, next_cursor gives the older ones.',
    request: { params: ThreadParams, query: z.object({ cursor: Older.optional() }) },
    responses: { 200: json(WholeView), ...ERRORS },
  }),
  async (c) => {
    const { mailbox } = await me(c)
    const { id } = c.req.valid('param')
    const thread = await seeThread(c.var.ctx, mailbox.id, id)
    const before = c.req.valid('query').cursor ?? null
    const { messages, hasMore } = await readThread(c.var.ctx, mailbox.id, id, { before })
    const [oldest] = messages
    return c.json(
      {
        thread: view(thread),
        messages: messages.map((message) => messageView(c, message)),
        has_more: hasMore,
        next_cursor: hasMore && oldest ? momentText(oldest.at) : null,
      },
      200,
    )
  },
)

threads.openapi(
  createRoute({
    ...common,
    method: 'patch',
    path: '/threads/{id}',
    middleware: jsonOnly,
    summary: 'Update thread state (read / archived / starred / labels)',
    description:
      'Fields that are left out keep their values. A new message takes a thread out of the archive.',
    request: { params: ThreadParams, ...openBody(ThreadChange) },
    responses: { 200: json(z.object({ thread: ThreadView })), ...ERRORS },
  }),
  async (c) => {
    const { mailbox } = await me(c)
    const { read, is_read, archived, starred, labels } = c.req.valid('json')
    const thread = await changeThread(c.var.ctx, mailbox.id, c.req.valid('param').id, {
      isRead: read ?? is_read,
      isArchived: archived,
      isStarred: starred,
      labels: labels && [...new Set(labels)],
    })
    return c.json({ thread: view(thread) }, 200)
  },
)

function view(thread: ThreadSummary): z.infer<typeof ThreadView> {
  return {
    id: thread.id,
    subject: thread.subject,
    last_message_preview: thread.lastPreview,
    last_message_from: thread.lastFrom,
    last_message_at: momentText(thread.lastAt),
    message_count: thread.messageCount,
    is_read: thread.isRead,
    starred: thread.isStarred,
    archived: thread.isArchived,
    labels: thread.labels,
  }
}
