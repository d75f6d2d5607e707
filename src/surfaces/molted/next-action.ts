import { mustFit } from '../../core/sending/batches.ts'
import { type NextAction, nextActions } from '../../core/sending/next-action.ts'
import { body, createRoute, json, publishedBody, router, z } from '../http.ts'
import { agentNamed, Email, Id } from './words.ts'

const Speaker = { agentId: Id.optional(), agentName: z.string().min(1).max(200).optional() }

const ActionBody = z
  .object({ tenantId: Id.optional(), contactEmail: Email, ...Speaker })
  .openapi('NextActionRequest')

const BatchBody = z
  .object({
    tenantId: Id.optional(),
    contactEmails: z.array(z.string().max(320)).openapi({
      description: 'At most 500 addresses.',
      example: ['alice@example.com', 'bob@example.com'],
    }),
    ...Speaker,
  })
  .openapi('BatchNextActionRequest')

const ActionView = z
  .object({
    contactEmail: z.string(),
    recommendation: z.enum(['reply', 'wait', 'nudge', 'stop', 'escalate']),
    reasoning: z.string(),
  })
  .openapi('NextAction')

const SummarisedView = ActionView.extend({
  contactSummary: z.object({
    email: z.string(),
    name: z.string().nullable(),
    lastSendAt: z.string().nullable(),
    lastInboundAt: z.string().nullable(),
    isSuppressed: z.boolean(),
    activeIncidents: z
      .number()
      .openapi({ description: 'Sends to the contact whose outcome is unknown and not yet resolved.' }),
  }),
}).openapi('SummarisedNextAction')

const WHAT_IS_KNOWN =
  'Drawn from suppressions, leases, sends and the mail that reached our own mailboxes. What a message says is not yet read, so `escalate` is not answered yet.'

export const nextAction = router()

nextAction.openapi(
  createRoute({
    method: 'post',
    path: '/agent/next-best-action',
    tags: ['intelligence'],
    summary: 'The next action for a contact, and the reason',
    description: WHAT_IS_KNOWN,
    security: [{ bearer: [] }],
    request: body(ActionBody),
    responses: { 200: json(SummarisedView) },
  }),
  async (c) => {
    const { contactEmail, agentId, agentName } = c.req.valid('json')
    const [found] = await nextActions(c.var.ctx, agentNamed(c, agentId, agentName), [contactEmail])
    if (!found) throw new Error('a contact was asked about and none was answered')
    return c.json({ ...view(found), contactSummary: summary(found) }, 200)
  },
)

nextAction.openapi(
  createRoute({
    method: 'post',
    path: '/agent/batch/next-best-action',
    tags: ['batch'],
    summary: 'The next actions for up to 500 contacts, in the order given',
    description: WHAT_IS_KNOWN,
    security: [{ bearer: [] }],
    request: publishedBody(BatchBody),
    responses: { 200: json(z.object({ results: z.array(ActionView) })) },
  }),
  async (c) => {
    const { contactEmails, agentId, agentName } = c.req.valid('json')
    mustFit('contactEmails', contactEmails)
    const found = await nextActions(c.var.ctx, agentNamed(c, agentId, agentName), contactEmails)
    return c.json({ results: found.map(view) }, 200)
  },
)

function view({ contactEmail, recommendation, reasoning }: NextAction): z.infer<typeof ActionView> {
  return { contactEmail, recommendation, reasoning }
}

function summary({ contactEmail, known }: NextAction): z.infer<typeof SummarisedView>['contactSummary'] {
  const at = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())
  return {
    email: contactEmail,
    name: known.name,
    lastSendAt: at(known.lastSendAt),
    lastInboundAt: at(known.lastInboundAt),
    isSuppressed: known.suppression !== null,
    activeIncidents: known.openIncidents,
  }
}
