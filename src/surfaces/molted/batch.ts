import { OpenAPIHono } from '@hono/zod-openapi'
import { type BatchCounts, batchIdFor, getBatch, mustFit } from '../../core/sending/batches.ts'
import type { SendError, SendRequest } from '../../core/sending/prepare.ts'
import { requestSends, type SendResult } from '../../core/sending/request.ts'
import type { Send } from '../../core/sending/sends.ts'
import { type SimulationResult, simulateSends } from '../../core/sending/simulate.ts'
import {
  type App,
  createRoute,
  headerKey,
  json,
  keyHashOf,
  publishedBody,
  refuseUnknownFirst,
  router,
  z,
} from '../http.ts'
import {
  BatchBody,
  BatchView,
  Item,
  type ItemView,
  SimulateBody,
  type SimulatedView,
  SimulationView,
  StandingView,
} from './batch-schemas.ts'
import { doorOf, refusalView } from './send.ts'
import { rowView } from './sends.ts'
import { Id, Page, page } from './words.ts'

/** Routes that send and simulate. They check the key in their own first database call. */
export const batch = new OpenAPIHono<App>({ defaultHook: refuseUnknownFirst })

/** Routes that read a batch. The caller's key has been checked before. */
export const batches = router()

batch.openapi(
  createRoute({
    method: 'post',
    path: '/agent/batch/request-send',
    tags: ['batch'],
    summary: 'Send up to 500 messages, each judged by itself in the order given',
    description:
      'A refused or invalid item has its reason in its result and does not stop the others. A repeat of the same request has the same batchId, sends the items that were not sent before and sends none twice.',
    security: [{ bearer: [] }],
    request: publishedBody(BatchBody, {
      tenantId: 'tenant_abc123',
      templateId: 'campaign-march',
      sends: [
        { recipientEmail: 'alice@example.com', dedupeKey: 'march-alice', payload: { name: 'Alice' } },
        { recipientEmail: 'bob@example.com', dedupeKey: 'march-bob', payload: { name: 'Bob' } },
      ],
    }),
    responses: { 200: json(BatchView, 'One result for each item, in the order given') },
  }),
  async (c) => {
    const wanted = c.req.valid('json')
    const door = await doorOf(c, wanted)
    await mustFitOnceKnown(wanted.sends, 'sends', () => requestSends(door, []))
    const batchId = await batchIdFor(await keyHashOf(c), headerKey(c), await c.req.text())
    const items = wanted.sends.map((item) => checked(item, wanted, batchId))
    const requests = items.flatMap((item) => ('request' in item ? item.request : []))
    const answers = (await requestSends(door, requests)).values()
    const results = items.map(({ recipientEmail, ...item }) => ({
      recipientEmail,
      ...('request' in item ? itemView(answers.next().value) : item.error),
    }))
    return c.json(batchView(batchId, results), 200)
  },
)

batch.openapi(
  createRoute({
    method: 'post',
    path: '/agent/simulate-batch',
    tags: ['batch'],
    summary: 'Preview the decisions on up to 500 recipients without sending',
    description:
      'Each recipient is judged alone. With `sequential=true` each is judged as if the sends before it had been made, including windows and cooldown. Writes nothing and uses no limits.',
    security: [{ bearer: [] }],
    request: {
      query: z.object({ tenantId: Id.optional(), sequential: z.enum(['true', 'false']).optional() }),
      ...publishedBody(SimulateBody),
    },
    responses: { 200: json(SimulationView, 'What would be decided, in the order given') },
  }),
  async (c) => {
    const wanted = c.req.valid('json')
    const door = await doorOf(c, wanted)
    await mustFitOnceKnown(wanted.recipientEmails, 'recipientEmails', () => simulateSends(door, []))
    const requests = wanted.recipientEmails.map(
      (email): SendRequest => ({
        to: [{ kind: 'to', email }],
        mailboxId: wanted.mailboxId ?? null,
        template: wanted.templateId,
        dedupeKey: null,
        payload: null,
        campaignId: wanted.campaignId ?? null,
      }),
    )
    const isSequential = c.req.valid('query').sequential === 'true'
    const answers = await simulateSends(door, requests, { isSequential })
    const results = answers.map((answer, position) => ({
      recipientEmail: wanted.recipientEmails[position] ?? '',
      ...simulatedView(answer),
    }))
    const wouldAllow = results.filter((result) => result.wouldAllow).length
    const total = results.length
    return c.json({ total, wouldAllow, wouldBlock: total - wouldAllow, results }, 200)
  },
)

batches.openapi(
  createRoute({
    method: 'get',
    path: '/agent/batch/{batchId}',
    tags: ['batch'],
    summary: 'The state of a batch: its counts, and its sends in pages',
    description: 'Items that never became a request (an error without requestId) are not counted here.',
    security: [{ bearer: [] }],
    request: { params: z.object({ batchId: Id }), query: Page },
    responses: { 200: json(StandingView) },
  }),
  async (c) => {
    const { batchId } = c.req.valid('param')
    const { limit, cursor } = c.req.valid('query')
    const { counts, sends } = await getBatch(c.var.ctx, batchId, { after: cursor, limit })
    return c.json(standingView(batchId, counts, sends, limit), 200)
  },
)

/** Throws if the list is empty or too long. A missing key or missing permission is reported first. */
async function mustFitOnceKnown(items: unknown[], field: string, known: () => Promise<unknown>) {
  try {
    mustFit(field, items)
  } catch (fault) {
    await known()
    throw fault
  }
}

type ItemError = Omit<z.infer<typeof ItemView>, 'recipientEmail'>
type Checked = { recipientEmail: string } & ({ request: SendRequest } | { error: ItemError })

function checked(item: unknown, wanted: z.infer<typeof BatchBody>, batchId: string): Checked {
  const given = typeof item === 'object' && item !== null ? (item as Record<string, unknown>) : {}
  const recipientEmail = typeof given.recipientEmail === 'string' ? given.recipientEmail : ''
  const { success, data, error } = Item.safeParse(item)
  if (!success) {
    const [issue] = error.issues
    const field = issue?.path.join('.') || 'item'
    const isMissing = given[field] === undefined || given[field] === ''
    const reason = reasonOf('invalid', field, isMissing)
    return {
      recipientEmail,
      error: { requestId: '', status: 'error', reason, message: `${field}: ${issue?.message}`, field },
    }
  }
  return {
    recipientEmail,
    request: {
      to: [{ kind: 'to', email: data.recipientEmail }],
      mailboxId: wanted.mailboxId ?? null,
      template: wanted.templateId,
      dedupeKey: data.dedupeKey,
      payload: data.payload ?? {},
      sendReason: data.sendReason ?? null,
      campaignId: data.campaignId ?? null,
      scheduledAt: data.scheduledAt ?? null,
      humanize: data.humanize ?? wanted.humanize ?? null,
      humanizeStyle: data.humanizeStyle ?? wanted.humanizeStyle ?? null,
      batchId,
    },
  }
}

/** The reason code of an invalid item. */
function reasonOf(code: string, field: unknown, isMissing = false): string {
  if (code !== 'invalid') return code
  if (field === 'recipientEmail') return isMissing ? 'recipient_email_required' : 'invalid_recipient'
  return field === 'dedupeKey' && isMissing ? 'dedupe_key_required' : 'invalid'
}

function itemView(result: SendResult | undefined): ItemError {
  if (!result) throw new Error('an item was asked to be sent and none was answered')
  if (result.status === 'error') return { ...errorView(result), status: 'error' }
  const { requestId, status } = result
  if (status === 'duplicate') return { requestId, status: 'blocked', reason: 'duplicate' }
  const refusal = result.verdict ? refusalView(result.verdict) : {}
  return {
    requestId,
    status,
    ...(status === 'blocked' ? { reason: 'blocked', ...refusal } : {}),
    ...(result.approvalId ? { approvalQueueId: result.approvalId } : {}),
    ...(result.scheduledAt ? { scheduledAt: result.scheduledAt.toISOString() } : {}),
  }
}

function errorView({ requestId, code, message, details }: SendError) {
  const { field, missing } = details
  return {
    requestId: requestId ?? '',
    reason: reasonOf(code, field),
    message,
    ...(typeof field === 'string' ? { field } : {}),
    ...(Array.isArray(missing) ? { missingVariables: missing.map(String) } : {}),
  }
}

function batchView(batchId: string, results: z.infer<typeof ItemView>[]): z.infer<typeof BatchView> {
  const count = (...statuses: string[]) => results.filter(({ status }) => statuses.includes(status)).length
  const scheduled = count('scheduled')
  return {
    batchId,
    total: results.length,
    queued: count('queued', 'delivered'),
    blocked: count('blocked'),
    pendingApproval: count('pending_approval'),
    ...(scheduled > 0 ? { scheduled } : {}),
    duplicates: results.filter(({ reason }) => reason === 'duplicate').length,
    errors: count('error'),
    results,
  }
}

function simulatedView(result: SimulationResult): Omit<z.infer<typeof SimulatedView>, 'recipientEmail'> {
  if (result.status === 'error') {
    const { requestId: _, ...error } = errorView(result)
    return { wouldAllow: false, ...error }
  }
  const { verdict } = result
  if (!verdict) return { wouldAllow: false, reason: 'blocked' }
  const needsApproval = verdict.allow && verdict.hold !== null
  return { wouldAllow: verdict.allow, ...refusalView(verdict), ...(needsApproval ? { needsApproval } : {}) }
}

function standingView(
  batchId: string,
  { byState, ...counts }: BatchCounts,
  sends: Send[],
  limit: number,
): z.infer<typeof StandingView> {
  const { items, nextCursor } = page(sends, limit, (send) => send.id, rowView)
  return { batchId, ...counts, byStatus: byState, results: items, nextCursor }
}
