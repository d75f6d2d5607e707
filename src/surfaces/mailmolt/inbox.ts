import { updateMailbox } from '../../core/accounts/mailboxes.ts'
import type { Sender } from '../../core/accounts/sender.ts'
import { autoReplyOf, setAutoReply } from '../../core/arrivals/auto-reply.ts'
import { safeHeaderText } from '../../core/ground/address.ts'
import { mustBeAllowed } from '../../core/ground/ctx.ts'
import { readMoment } from '../../core/ground/cursor.ts'
import { countUnread } from '../../core/mail/folder.ts'
import { body, createRoute, type HttpContext, json, router, z } from '../http.ts'
import { me } from '../me.ts'
import { BodyText, Subject } from './draft.ts'
import { A_MOMENT, ERRORS, jsonIfAny, stamp } from './words.ts'

const Moment = z
  .string()
  .max(128)
  .transform((text, context) => {
    const at = readMoment(text)
    if (at === null) context.addIssue({ code: 'custom', message: A_MOMENT })
    return new Date((at ?? 0) / 1000).toISOString()
  })
  .openapi({ type: 'string', format: 'date-time' })

/** Checked here, so that a change is made whole or not at all. */
const DisplayName = z
  .string()
  .trim()
  .max(256)
  .superRefine((text, context) => {
    const unsafe = safeHeaderText(text)
    if (unsafe !== null) context.addIssue({ code: 'custom', message: unsafe })
  })
  .openapi({ type: 'string', maxLength: 256 })

const StatsView = z.object({ unread_count: z.int(), total_received: z.int(), total_sent: z.int() })

const AutoReplyView = z.object({
  enabled: z.boolean(),
  subject: z.string().nullable(),
  text: z.string().nullable(),
  html: z.string().nullable(),
  start_at: z.string().nullable(),
  end_at: z.string().nullable(),
})

const InboxView = z
  .object({
    email: z.string(),
    stats: StatsView,
    auto_reply: AutoReplyView,
    settings: z.object({ display_name: z.string().nullable() }),
  })
  .openapi('Inbox')

const InboxChange = z
  .object({
    auto_reply: z
      .object({
        enabled: z.boolean().optional(),
        subject: Subject.nullish().openapi({
          description: 'By default `Re:` and the subject of the answered message.',
        }),
        text: BodyText.nullish(),
        html: BodyText.nullish().openapi({ description: 'Sanitised before it is kept.' }),
        start_at: Moment.nullish(),
        end_at: Moment.nullish(),
      })
      .nullish(),
    settings: z.object({ display_name: DisplayName.nullish() }).optional(),
  })
  .openapi('InboxChange')

const common = { tags: ['agents'], security: [{ bearer: [] }] }

export const inbox = router()

inbox.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/inbox',
    summary: 'Inbox state + auto-reply config',
    responses: { 200: json(InboxView), ...ERRORS },
  }),
  async (c) => c.json(await view(c, await me(c)), 200),
)

inbox.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/inbox/stats',
    summary: 'Count the messages of the inbox',
    responses: { 200: json(z.object({ stats: StatsView })), ...ERRORS },
  }),
  async (c) => c.json({ stats: await stats(c, await me(c)) }, 200),
)

inbox.openapi(
  createRoute({
    ...common,
    method: 'patch',
    path: '/inbox',
    middleware: jsonIfAny,
    summary: 'Update auto-reply / inbox settings',
    description: `Fields that are left out keep their values; \`auto_reply: null\` turns it off and deletes it. Each sender gets
an answer at most once in 24 hours. Programs, mailing lists and senders that cannot be authenticated get none.`,
    request: body(InboxChange),
    responses: { 200: json(InboxView), ...ERRORS },
  }),
  async (c) => {
    const { auto_reply, settings } = c.req.valid('json')
    const own = await me(c)
    let { mailbox } = own
    mustBeAllowed(c.var.ctx, 'manage', mailbox.id)
    if (auto_reply !== undefined) {
      const autoReply = await setAutoReply(c.var.ctx, mailbox, auto_reply && given(auto_reply))
      mailbox = { ...mailbox, autoReply }
    }
    if (settings?.display_name !== undefined) {
      const displayName = settings.display_name || null
      await updateMailbox(c.var.ctx, mailbox.id, { displayName })
      mailbox = { ...mailbox, displayName }
    }
    return c.json(await view(c, { ...own, mailbox }), 200)
  },
)

type GivenReply = NonNullable<z.infer<typeof InboxChange>['auto_reply']>

function given({ enabled, subject, text, html, start_at, end_at }: GivenReply) {
  return {
    ...(enabled === undefined ? {} : { enabled }),
    ...(subject === undefined ? {} : { subject }),
    ...(text === undefined ? {} : { text }),
    ...(html === undefined ? {} : { html }),
    ...(start_at === undefined ? {} : { startAt: start_at }),
    ...(end_at === undefined ? {} : { endAt: end_at }),
  }
}

async function view(c: HttpContext, own: Sender): Promise<z.infer<typeof InboxView>> {
  const { enabled, subject, text, html, startAt, endAt } = autoReplyOf(own.mailbox)
  return {
    email: own.mailbox.address,
    stats: await stats(c, own),
    auto_reply: {
      ...{ enabled, subject, text, html },
      start_at: startAt === null ? null : stamp(Date.parse(startAt)),
      end_at: endAt === null ? null : stamp(Date.parse(endAt)),
    },
    settings: { display_name: own.mailbox.displayName },
  }
}

async function stats(c: HttpContext, { mailbox }: Sender) {
  return {
    unread_count: await countUnread(c.get('ctx'), mailbox.id),
    total_received: mailbox.receivedCount,
    total_sent: mailbox.sentCount,
  }
}
