import { boundFiles, fieldsBeside } from '../../core/letters/bound.ts'
import type { Rendered } from '../../core/letters/rendered.ts'
import {
  type Approval,
  decideApproval,
  editHeld,
  getApproval,
  listApprovals,
} from '../../core/sending/approvals.ts'
import type { Send } from '../../core/sending/sends.ts'
import { body, createRoute, json, router, z } from '../http.ts'
import { Id, listOf, Page, page } from './words.ts'

const Status = z.enum(['pending', 'approved', 'rejected', 'expired', 'superseded'])

const ApprovalRow = z
  .object({
    id: z.string(),
    approvalQueueId: z.string(),
    requestId: z.string(),
    mailboxId: z.string(),
    agentId: z.string().nullable(),
    status: Status,
    holdReason: z.string(),
    recipients: z.array(z.object({ kind: z.string(), email: z.string() })),
    sendReason: z.string().nullable(),
    sha256: z.string().nullable(),
    policyVersion: z.number(),
    expiresAt: z.string(),
    createdAt: z.string(),
    decidedAt: z.string().nullable(),
    decidedBy: z.string().nullable(),
    decisionReason: z.string().nullable(),
    sendStatus: z.string(),
  })
  .openapi('Approval')

const Party = z.object({ email: z.string(), name: z.string().nullable() })

const ApprovalView = ApprovalRow.extend({
  message: z
    .object({
      from: Party,
      to: z.array(Party),
      cc: z.array(Party),
      bcc: z.array(Party),
      subject: z.string(),
      text: z.string().nullable(),
      html: z.string().nullable(),
      replyTo: Party.nullable(),
      headers: z
        .record(z.string(), z.string())
        .openapi({ description: 'The header fields besides those of every message and our own.' }),
      files: z.array(
        z.object({
          filename: z.string(),
          contentType: z.string(),
          size: z.int(),
          sha256: z.string().openapi({ description: 'SHA-256 of the file as the recipient gets it.' }),
        }),
      ),
      sha256: z.string(),
    })
    .nullable()
    .openapi({ description: 'The message as it will leave; null while it is being rendered.' }),
}).openapi('ApprovalWithMessage')

const Decision = z
  .object({
    tenantId: Id.optional(),
    decision: z.enum(['approved', 'rejected']),
    reason: z.string().max(1000).nullable().default(null),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be the sha256 of the message, in hex')
      .nullable()
      .default(null)
      .openapi({
        description:
          'The hash of the message that was reviewed. The decision fails if the message is no longer the same.',
      }),
  })
  .openapi('ApprovalDecision')

const Edit = z
  .object({
    tenantId: Id.optional(),
    subject: z.string().min(1).max(998),
    html: z.string().max(200_000).nullable().default(null),
    text: z.string().max(200_000).nullable().default(null),
  })
  .refine(({ html, text }) => html !== null || text !== null, {
    path: ['text'],
    message: 'text or html is required',
  })
  .openapi('ApprovalEdit')

const Params = z.object({ approvalId: Id })

export const approvals = router()

approvals.openapi(
  createRoute({
    method: 'get',
    path: '/send/approvals',
    tags: ['approvals'],
    summary: 'List held sends and their decisions, newest first',
    security: [{ bearer: [] }],
    request: { query: Page.extend({ status: Status.optional(), mailboxId: Id.optional() }) },
    responses: { 200: json(listOf(ApprovalRow)) },
  }),
  async (c) => {
    const { limit, cursor, status, mailboxId } = c.req.valid('query')
    const rows = await listApprovals(c.var.ctx, { status, mailboxId, before: cursor, limit })
    return c.json(
      page(rows, limit, ({ approval }) => approval.id, rowView),
      200,
    )
  },
)

approvals.openapi(
  createRoute({
    method: 'get',
    path: '/send/approvals/{approvalId}',
    tags: ['approvals'],
    summary: 'One held send with the message as it will leave',
    security: [{ bearer: [] }],
    request: { params: Params },
    responses: { 200: json(ApprovalView) },
  }),
  async (c) => c.json(await view(await getApproval(c.var.ctx, c.req.valid('param').approvalId)), 200),
)

approvals.openapi(
  createRoute({
    method: 'patch',
    path: '/send/approvals/{approvalId}',
    tags: ['approvals'],
    summary: 'Approve or reject a held send',
    description:
      'Needs a key with `approve` that did not ask for the send. The rules are judged again before anything leaves.',
    security: [{ bearer: [] }],
    request: { params: Params, ...body(Decision) },
    responses: { 200: json(ApprovalView) },
  }),
  async (c) => {
    const { decision, reason, sha256 } = c.req.valid('json')
    const { approvalId } = c.req.valid('param')
    const decided = await decideApproval(c.var.ctx, approvalId, {
      approve: decision === 'approved',
      reason,
      sha256,
    })
    return c.json(await view(decided), 200)
  },
)

approvals.openapi(
  createRoute({
    method: 'put',
    path: '/send/approvals/{approvalId}/message',
    tags: ['approvals'],
    summary: 'Replace the content of a held send',
    description: 'The approval is superseded: the new message waits under the approval in the answer.',
    security: [{ bearer: [] }],
    request: {
      params: Params,
      ...body(Edit, { subject: 'Welcome, Alice', text: 'Shall we talk on Monday?' }),
    },
    responses: { 200: json(ApprovalView) },
  }),
  async (c) => {
    const { subject, html, text } = c.req.valid('json')
    const id = await editHeld(c.var.ctx, c.req.valid('param').approvalId, { subject, html, text })
    return c.json(await view(await getApproval(c.var.ctx, id)), 200)
  },
)

function rowView({ approval, send }: { approval: Approval; send: Send }): z.infer<typeof ApprovalRow> {
  return {
    id: approval.id,
    approvalQueueId: approval.id,
    requestId: approval.sendId,
    mailboxId: approval.mailboxId,
    agentId: send.agentId,
    status: approval.status,
    holdReason: approval.holdReason,
    recipients: send.recipients.map(({ kind, email }) => ({ kind, email })),
    sendReason: send.input?.sendReason ?? null,
    sha256: approval.sha256,
    policyVersion: approval.policyVersion,
    expiresAt: approval.expiresAt.toISOString(),
    createdAt: approval.createdAt.toISOString(),
    decidedAt: approval.decidedAt?.toISOString() ?? null,
    decidedBy: approval.decidedBy,
    decisionReason: approval.decisionReason,
    sendStatus: send.state,
  }
}

async function view(found: {
  approval: Approval
  send: Send
  rendered: Rendered | null
}): Promise<z.infer<typeof ApprovalView>> {
  if (!found.rendered) return { ...rowView(found), message: null }
  const { from, to, cc, bcc, subject, text, html, replyTo, sha256 } = found.rendered
  const headers = Object.fromEntries(fieldsBeside(found.rendered))
  const files = (await boundFiles(found.rendered)).map(({ filename, contentType, size, sha256: hash }) => ({
    ...{ filename, contentType, size, sha256: hash },
  }))
  const message = { from, to, cc, bcc, subject, text, html, replyTo, headers, files, sha256 }
  return { ...rowView(found), message }
}
