import { boundFiles, fieldsBeside } from '../../core/letters/bound.ts'
import type { Rendered } from '../../core/letters/rendered.ts'
import { messageIdOf } from '../../core/mail/store.ts'
import { type Approval, decideApproval, getApproval, listApprovals } from '../../core/sending/approvals.ts'
import type { Send } from '../../core/sending/sends.ts'
import { createRoute, json, optionalBody, router, z } from '../http.ts'
import { STATUS as MESSAGE_STATUS, statusOf } from './messages.ts'
import { ErrorView } from './refusals.ts'
import { ERRORS, jsonIfAny, stamp } from './words.ts'

const Status = z.enum(['pending', 'approved', 'rejected', 'expired', 'superseded'])

const ApprovalRow = z
  .object({
    id: z.string(),
    status: Status,
    hold_reason: z.string(),
    agent_id: z.string().nullable(),
    mailbox_id: z.string(),
    request_id: z.string(),
    message_id: z.string(),
    message_status: z.enum(MESSAGE_STATUS),
    to: z.array(z.string()),
    cc: z.array(z.string()),
    bcc: z.array(z.string()),
    sha256: z
      .string()
      .nullable()
      .openapi({ description: 'SHA-256 of the rendered message; null until it is rendered.' }),
    expires_at: z.string(),
    created_at: z.string(),
    decided_at: z.string().nullable(),
    decided_by: z.string().nullable(),
    decision_reason: z.string().nullable(),
  })
  .openapi('HeldMessage')

const ApprovalView = ApprovalRow.extend({
  message: z
    .object({
      from: z.string(),
      to: z.array(z.string()),
      cc: z.array(z.string()),
      bcc: z.array(z.string()),
      subject: z.string(),
      text: z.string().nullable(),
      html: z.string().nullable(),
      reply_to: z.string().nullable(),
      headers: z
        .record(z.string(), z.string())
        .openapi({ description: 'The header fields besides those of every message and our own.' }),
      files: z.array(
        z.object({
          filename: z.string(),
          content_type: z.string(),
          size: z.int(),
          sha256: z.string().openapi({ description: 'SHA-256 of the file as the recipient gets it.' }),
        }),
      ),
    })
    .nullable()
    .openapi({ description: 'The message as it will leave; null while it is being rendered.' }),
}).openapi('HeldMessageWhole')

const Decision = z
  .object({
    reason: z.string().max(1_000).nullable().optional(),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be the sha256 of the message, in hex')
      .optional()
      .openapi({
        description:
          'The hash of the message that was reviewed. The decision fails if the message is no longer the same.',
      }),
  })
  .openapi('HeldMessageDecision')

const Page = z.object({
  status: Status.optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z.string().max(100).optional(),
})

const Params = z.object({ id: z.string().min(1).max(100) })
const common = { tags: ['oversight'], security: [{ bearer: [] }] }
const decided = {
  200: json(ApprovalView),
  403: json(ErrorView, 'The key that asked for the send, or a key without "approve", cannot approve it'),
  404: json(ErrorView, 'Not found'),
  409: json(ErrorView, 'Decided already, not made yet, or another message than the one seen'),
  ...ERRORS,
}
const decision = optionalBody(Decision)

export const approvals = router()

approvals.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/oversight/approvals',
    summary: 'List held messages and their decisions',
    request: { query: Page },
    responses: {
      200: json(
        z.object({ data: z.array(ApprovalRow), has_more: z.boolean(), next_cursor: z.string().nullable() }),
      ),
      ...ERRORS,
    },
  }),
  async (c) => {
    const { status, limit, cursor } = c.req.valid('query')
    const rows = await listApprovals(c.var.ctx, { status, before: cursor || undefined, limit: limit + 1 })
    const data = rows.slice(0, limit)
    const has_more = rows.length > limit
    const next_cursor = has_more ? (data.at(-1)?.approval.id ?? null) : null
    return c.json({ data: data.map(rowView), has_more, next_cursor }, 200)
  },
)

approvals.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/oversight/approvals/{id}',
    summary: 'One held message as it will leave',
    request: { params: Params },
    responses: { 200: json(ApprovalView), 404: json(ErrorView, 'Not found'), ...ERRORS },
  }),
  async (c) => c.json(await view(await getApproval(c.var.ctx, c.req.valid('param').id)), 200),
)

approvals.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/oversight/approvals/{id}/approve',
    summary: 'Approve a held message',
    description: 'Exactly the reviewed message leaves. Policy judges it again first.',
    middleware: jsonIfAny,
    request: { params: Params, ...decision },
    responses: decided,
  }),
  async (c) => {
    const { reason, sha256 }: z.infer<typeof Decision> = c.req.valid('json') ?? {}
    const asked = { approve: true, reason: reason ?? null, sha256: sha256 ?? null }
    return c.json(await view(await decideApproval(c.var.ctx, c.req.valid('param').id, asked)), 200)
  },
)

approvals.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/oversight/approvals/{id}/reject',
    summary: 'Reject a held message',
    middleware: jsonIfAny,
    request: { params: Params, ...decision },
    responses: decided,
  }),
  async (c) => {
    const { reason, sha256 }: z.infer<typeof Decision> = c.req.valid('json') ?? {}
    const asked = { approve: false, reason: reason ?? null, sha256: sha256 ?? null }
    return c.json(await view(await decideApproval(c.var.ctx, c.req.valid('param').id, asked)), 200)
  },
)

function rowView({ approval, send }: { approval: Approval; send: Send }): z.infer<typeof ApprovalRow> {
  const addressed = (as: 'to' | 'cc' | 'bcc') =>
    send.recipients.filter(({ kind }) => kind === as).map(({ email }) => email)
  return {
    id: approval.id,
    status: approval.status,
    hold_reason: approval.holdReason,
    agent_id: send.agentId,
    mailbox_id: approval.mailboxId,
    request_id: approval.sendId,
    message_id: messageIdOf(approval.sendId),
    message_status: statusOf(send.state),
    ...{ to: addressed('to'), cc: addressed('cc'), bcc: addressed('bcc') },
    sha256: approval.sha256,
    expires_at: stamp(approval.expiresAt),
    created_at: stamp(approval.createdAt),
    decided_at: approval.decidedAt === null ? null : stamp(approval.decidedAt),
    decided_by: approval.decidedBy,
    decision_reason: approval.decisionReason,
  }
}

async function view(found: {
  approval: Approval
  send: Send
  rendered: Rendered | null
}): Promise<z.infer<typeof ApprovalView>> {
  if (!found.rendered) return { ...rowView(found), message: null }
  const { from, to, cc, bcc, subject, text, html, replyTo } = found.rendered
  const addresses = (parties: { email: string }[]) => parties.map(({ email }) => email)
  return {
    ...rowView(found),
    message: {
      from: from.email,
      ...{ to: addresses(to), cc: addresses(cc), bcc: addresses(bcc) },
      ...{ subject, text, html, reply_to: replyTo?.email ?? null },
      headers: Object.fromEntries(fieldsBeside(found.rendered)),
      files: (await boundFiles(found.rendered)).map(({ filename, contentType, size, sha256 }) => ({
        ...{ filename, content_type: contentType, size, sha256 },
      })),
    },
  }
}
