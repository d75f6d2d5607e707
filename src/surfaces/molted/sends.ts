import { SEND_STATES, STATES } from '../../core/policy/states.ts'
import {
  cancelSend,
  getSend,
  listSends,
  type RecipientState,
  resolveUnknown,
  type Send,
  type TraceStep,
} from '../../core/sending/sends.ts'
import { body, createRoute, json, router, z } from '../http.ts'
import { Id, listOf, Page, page } from './words.ts'

const Step = z.object({
  seq: z.number(),
  kind: z.string(),
  at: z.string(),
  body: z.record(z.string(), z.unknown()),
})

const Recipient = z.object({
  kind: z.enum(['to', 'cc', 'bcc']),
  email: z.string(),
  status: z.string(),
  detail: z.string().nullable(),
})

export const SendRow = z
  .object({
    requestId: z.string(),
    tenantId: z.string(),
    mailboxId: z.string(),
    agentId: z.string().nullable(),
    batchId: z.string().nullable(),
    status: z.enum(SEND_STATES),
    deliveryStatus: z.string().nullable(),
    reason: z.string().nullable(),
    detail: z.string().nullable(),
    recipientEmail: z.string(),
    templateId: z.string().nullable(),
    dedupeKey: z.string().nullable(),
    sendReason: z.string().nullable(),
    approvalQueueId: z.string().nullable(),
    scheduledAt: z.string().nullable(),
    messageId: z.string().nullable(),
    createdAt: z.string(),
    updatedAt: z.string(),
  })
  .openapi('Send')

const SendTrace = SendRow.extend({
  request: z.object({
    id: z.string(),
    recipientEmail: z.string(),
    templateId: z.string().nullable(),
    status: z.string(),
    deliveryStatus: z.string().nullable(),
    createdAt: z.string(),
  }),
  policyDecision: z
    .object({ allow: z.boolean(), reason: z.string().optional(), auditEvents: z.array(z.unknown()) })
    .nullable(),
  recipients: z.array(Recipient),
  attempts: z.array(z.record(z.string(), z.unknown())),
  deliveryEvents: z.array(z.object({ eventType: z.string(), occurredAt: z.string() })),
  trace: z.array(Step),
}).openapi('SendTrace')

const Params = z.object({ requestId: Id })

const tracePaths = ['/agent/sends/{requestId}', '/ops/trace/{requestId}'] as const

export const sends = router()

sends.openapi(
  createRoute({
    method: 'get',
    path: '/agent/sends',
    tags: ['sends'],
    summary: 'List sends, newest first',
    security: [{ bearer: [] }],
    request: {
      query: Page.extend({
        status: z
          .string()
          .transform((text) => text.split(','))
          .pipe(z.array(z.enum(SEND_STATES)))
          .optional()
          .openapi({
            type: 'string',
            description: 'One status or several, separated by commas.',
            example: 'unknown,failed',
          }),
        recipientEmail: z.string().max(320).optional(),
        mailboxId: Id.optional(),
        templateId: z.string().max(200).optional(),
        dedupeKey: z.string().max(500).optional(),
      }),
    },
    responses: { 200: json(listOf(SendRow)) },
  }),
  async (c) => {
    const { limit, cursor, status, recipientEmail, mailboxId, templateId, dedupeKey } = c.req.valid('query')
    const rows = await listSends(c.var.ctx, {
      states: status,
      recipient: recipientEmail,
      mailboxId,
      template: templateId,
      dedupeKey,
      before: cursor,
      limit,
    })
    return c.json(
      page(rows, limit, (send) => send.id, rowView),
      200,
    )
  },
)

for (const path of tracePaths) {
  sends.openapi(
    createRoute({
      method: 'get',
      path,
      tags: ['sends'],
      summary: 'One send with its status, decision, attempts and trace',
      security: [{ bearer: [] }],
      request: { params: Params },
      responses: { 200: json(SendTrace) },
    }),
    async (c) => c.json(traceView(await getSend(c.var.ctx, c.req.valid('param').requestId)), 200),
  )
}

sends.openapi(
  createRoute({
    method: 'delete',
    path: '/agent/sends/{requestId}',
    tags: ['sends'],
    summary: 'Cancel a send that has not begun to leave',
    description: 'Its dedupeKey may be used again, and it no longer counts against the limits.',
    security: [{ bearer: [] }],
    request: { params: Params },
    responses: { 200: json(z.object({ cancelled: z.boolean(), reason: z.string().optional() })) },
  }),
  async (c) => {
    const { cancelled } = await cancelSend(c.var.ctx, c.req.valid('param').requestId)
    return c.json(cancelled ? { cancelled } : { cancelled, reason: 'not_cancellable' }, 200)
  },
)

sends.openapi(
  createRoute({
    method: 'post',
    path: '/agent/sends/{requestId}/resolve',
    tags: ['sends'],
    summary: 'Resolve a send whose outcome is unknown',
    description: '`resend` sends it again, so the recipient may get a second copy.',
    security: [{ bearer: [] }],
    request: {
      params: Params,
      ...body(z.object({ tenantId: Id.optional(), outcome: z.enum(['delivered', 'failed', 'resend']) })),
    },
    responses: { 200: json(SendTrace) },
  }),
  async (c) => {
    const { requestId } = c.req.valid('param')
    await resolveUnknown(c.var.ctx, requestId, c.req.valid('json').outcome)
    return c.json(traceView(await getSend(c.var.ctx, requestId)), 200)
  },
)

export function rowView(send: Send): z.infer<typeof SendRow> {
  return {
    requestId: send.id,
    tenantId: send.tenantId,
    mailboxId: send.mailboxId,
    agentId: send.agentId,
    batchId: send.batchId,
    status: send.state,
    deliveryStatus: STATES[send.state].calledBy.molted,
    reason: send.reason,
    detail: send.detail,
    recipientEmail: send.recipients[0]?.email ?? '',
    templateId: send.template,
    dedupeKey: send.dedupeKey,
    sendReason: send.input?.sendReason ?? null,
    approvalQueueId: send.approvalId,
    scheduledAt: send.scheduledAt?.toISOString() ?? null,
    messageId: send.messageId,
    createdAt: send.createdAt.toISOString(),
    updatedAt: send.updatedAt.toISOString(),
  }
}

function traceView(found: {
  send: Send
  steps: TraceStep[]
  recipients: RecipientState[]
}): z.infer<typeof SendTrace> {
  const { send, steps } = found
  const row = rowView(send)
  const decision = steps.findLast((step) => step.kind === 'decision')
  const deliveries = steps.filter((step) => step.kind === 'delivery')
  return {
    ...row,
    request: {
      id: send.id,
      recipientEmail: row.recipientEmail,
      templateId: send.template,
      status: send.state,
      deliveryStatus: row.deliveryStatus,
      createdAt: row.createdAt,
    },
    policyDecision: decision ? decisionView(decision.body) : null,
    recipients: send.recipients.map(({ kind, email, contact }) => {
      const known = found.recipients.find((recipient) => recipient.contact === contact)
      return { kind, email, status: known?.state ?? 'not_sent', detail: known?.detail ?? null }
    }),
    attempts: deliveries.map((step) => ({ ...step.body, at: step.at.toISOString() })),
    deliveryEvents: deliveries.map((step) => ({
      eventType: String(step.body.outcome),
      occurredAt: step.at.toISOString(),
    })),
    trace: steps.map(({ seq, kind, at, body: of }) => ({ seq, kind, at: at.toISOString(), body: of })),
  }
}

function decisionView(stored: Record<string, unknown>): z.infer<typeof SendTrace>['policyDecision'] {
  const verdict = z
    .object({
      allow: z.boolean(),
      auditEvents: z.array(z.unknown()),
      refusal: z.object({ reason: z.string() }).nullable(),
    })
    .parse(stored.verdict)
  const { allow, auditEvents, refusal } = verdict
  return refusal ? { allow, reason: refusal.reason, auditEvents } : { allow, auditEvents }
}
