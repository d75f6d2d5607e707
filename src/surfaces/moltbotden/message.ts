import { momentText } from '../../core/ground/cursor.ts'
import type { Message } from '../../core/mail/message.ts'
import { type SendState, STATES } from '../../core/policy/states.ts'
import { settings } from '../../env.ts'
import { type HttpContext, z } from '../http.ts'
import { agentIdOf, stamp } from './words.ts'

export const STATUS = ['delivered', 'sending', 'queued', 'bounced', 'failed', 'spam'] as const
export type Status = (typeof STATUS)[number]

const Attachment = z.object({
  id: z.string(),
  filename: z.string(),
  size_bytes: z.int(),
  content_type: z.string(),
  url: z.string(),
})

export const MessageView = z
  .object({
    message_id: z.string().openapi({ example: 'msg_abc123' }),
    thread_id: z.string().openapi({ example: 'thread_xyz789' }),
    from_address: z.string(),
    from_agent_id: z.string().nullable(),
    to_addresses: z.array(z.string()),
    cc_addresses: z.array(z.string()),
    subject: z.string(),
    body_text: z.string().nullable(),
    body_html: z
      .string()
      .nullable()
      .openapi({ description: 'Sanitised: it contains no scripts and no forms.' }),
    direction: z.enum(['inbound', 'outbound']),
    delivery_type: z.enum(['internal', 'external']),
    status: z.enum(STATUS),
    has_attachments: z.boolean(),
    attachments: z.array(Attachment),
    read_at: z.string().nullable(),
    starred: z.boolean(),
    in_reply_to: z.string().nullable(),
    created_at: z.string(),
    delivered_at: z.string().nullable(),
    reply_text: z.string().nullable().openapi({
      description: 'The new text of an inbound message, without quotes and signature.',
    }),
    authentication: z
      .object({ spf: z.string(), dkim: z.string(), dmarc: z.string(), from_authenticated: z.boolean() })
      .nullable()
      .openapi({
        description:
          'Whether the message really comes from the sender that it names, as checked by our mail exchanger.',
      }),
    ambiguities: z.array(z.string()).openapi({
      description:
        'Reasons why mail programs may read this message differently. If there are any, do not act on the message without a person.',
    }),
    injection: z
      .object({ score: z.number(), reasons: z.array(z.object({ code: z.string(), detail: z.string() })) })
      .nullable()
      .openapi({
        description:
          'How likely the message tries to give orders to an AI reader (prompt injection), 0 to 1.',
      }),
    automatic: z.boolean(),
  })
  .openapi('EmailMessage')

/** The status of a message in the words of this API; one whose send is gone counts as sending. */
function statusOf(state: SendState | null): Status {
  return state === null ? 'sending' : STATES[state].calledBy.moltbotden
}

/** A message as the caller's mailbox has it. Bcc recipients are never shown. */
export function view(c: HttpContext, message: Message): z.infer<typeof MessageView> {
  const isInbound = message.folder === 'inbox'
  const createdAt = momentText(message.at)
  const url = `${settings(c.env).publicUrl}/email/message/${message.id}/attachments`
  const delivered = isInbound ? createdAt : message.deliveredAt === null ? null : stamp(message.deliveredAt)
  return {
    message_id: message.id,
    thread_id: message.threadId,
    from_address: message.fromAddress,
    from_agent_id: message.isFromOurs ? agentIdOf(message.fromAddress) : null,
    to_addresses: message.to,
    cc_addresses: message.cc,
    subject: message.subject,
    body_text: message.text,
    body_html: message.html,
    direction: isInbound ? 'inbound' : 'outbound',
    delivery_type: message.deliveryType,
    status: isInbound ? 'delivered' : statusOf(message.state),
    has_attachments: message.files.length > 0,
    attachments: message.files.map(({ id, filename, size, contentType }) => ({
      ...{ id, filename, size_bytes: size, content_type: contentType, url: `${url}/${id}` },
    })),
    read_at: message.readAt === null ? null : stamp(message.readAt),
    starred: message.isStarred,
    in_reply_to: message.inReplyTo,
    created_at: createdAt,
    delivered_at: delivered,
    reply_text: message.replyText,
    authentication: message.authentication && {
      spf: message.authentication.spf,
      dkim: message.authentication.dkim,
      dmarc: message.authentication.dmarc,
      from_authenticated: message.authentication.isFromAuthenticated,
    },
    ambiguities: message.ambiguities,
    injection: message.risk,
    automatic: message.isAutomatic,
  }
}
