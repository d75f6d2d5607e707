import { OpenAPIHono } from '@hono/zod-openapi'
import { Fault } from '../../core/ground/fault.ts'
import type { Verdict } from '../../core/policy/judge.ts'
import type { Door } from '../../core/sending/door.ts'
import type { SendError, SendRequest } from '../../core/sending/prepare.ts'
import { requestSends, type SendResult } from '../../core/sending/request.ts'
import { type SimulationResult, simulateSends } from '../../core/sending/simulate.ts'
import {
  type App,
  createRoute,
  type HttpContext,
  headerKey,
  json,
  keyHashOf,
  publishedBody,
  refuseUnknownFirst,
  type z,
} from '../http.ts'
import { type PolicyTrace, SendBody, SendView, SimulationView } from './send-schemas.ts'
import { agentNamed } from './words.ts'

const SENDING = {
  tenantId: 'tenant_abc123',
  mailboxId: 'mbx_abc123',
  recipientEmail: 'alice@example.com',
  templateId: 'onboarding-welcome',
  dedupeKey: 'onboarding-alice-step1',
}
const SENT = {
  requestId: 'req_abc123',
  status: 'queued' as const,
  policyTrace: {
    decision: { allow: true },
    auditEvents: [
      { rule: 'deduplication', passed: true },
      { rule: 'suppression', passed: true },
      { rule: 'cooldown', passed: true },
      { rule: 'rate_limit_hourly', passed: true },
      { rule: 'rate_limit_daily', passed: true },
      { rule: 'consent', passed: true },
    ],
  },
}

export const send = new OpenAPIHono<App>({ defaultHook: refuseUnknownFirst })

send.openapi(
  createRoute({
    method: 'post',
    path: '/agent/request-send',
    tags: ['sending'],
    summary: 'Send one message through policy, delivery and trace',
    description:
      'A block is not an error: the answer is 200 with status "blocked" and the rule that refused. A repeated dedupeKey is answered "duplicate" with the first requestId.',
    security: [{ bearer: [] }],
    request: publishedBody(SendBody, {
      ...SENDING,
      payload: { firstName: 'Alice', trialDays: 14 },
      sendReason: 'onboarding sequence step 1',
    }),
    responses: { 200: json(SendView, 'The decision', SENT) },
  }),
  async (c) => {
    const wanted = c.req.valid('json')
    const [result] = await requestSends(await doorOf(c, wanted), [requestOf(c, wanted)])
    return c.json(view(result), 200)
  },
)

send.openapi(
  createRoute({
    method: 'post',
    path: '/agent/simulate-send',
    tags: ['sending'],
    summary: 'Preview the decision on a send without sending',
    description: 'Writes nothing and uses no limits. Without a payload, variables are not checked.',
    security: [{ bearer: [] }],
    request: publishedBody(SendBody, SENDING),
    responses: { 200: json(SimulationView, 'What would be decided') },
  }),
  async (c) => {
    const wanted = c.req.valid('json')
    const request = { ...requestOf(c, wanted), payload: wanted.payload ?? null }
    const [result] = await simulateSends(await doorOf(c, wanted), [request])
    return c.json(simulationView(result), 200)
  },
)

type Wanted = z.infer<typeof SendBody>

export async function doorOf(
  c: HttpContext,
  wanted: Pick<Wanted, 'tenantId' | 'agentId' | 'agentName'>,
): Promise<Door> {
  const agent = agentNamed(c, wanted.agentId, wanted.agentName)
  const inQuery = c.req.query('tenantId')
  const tenantId = wanted.tenantId ?? inQuery ?? null
  if (inQuery !== undefined && inQuery !== tenantId) {
    throw new Fault('tenant_mismatch', 'tenantId is not the same in the query and in the body.', {
      field: 'tenantId',
    })
  }
  return {
    env: c.env,
    now: c.get('now'),
    name: c.get('errand')?.door ?? 'molted',
    credential: { keyHash: await keyHashOf(c) },
    tenantId,
    agent: (agent.id ?? agent.name) ? agent : null,
  }
}

function requestOf(c: HttpContext, wanted: Wanted): SendRequest {
  const given = wanted.dedupeKey ?? wanted.idempotencyKey
  const dedupeKey = given ?? headerKey(c)
  if (dedupeKey === null && c.get('errand')?.door !== 'mcp') {
    throw new Fault('dedupe_key_required', 'dedupeKey is required: give each message a key of its own.', {
      field: 'dedupeKey',
    })
  }
  return {
    to: [{ kind: 'to', email: wanted.recipientEmail }],
    mailboxId: wanted.mailboxId ?? null,
    template: wanted.templateId,
    dedupeKey,
    isHeaderKey: given === undefined,
    payload: wanted.payload ?? {},
    sendReason: wanted.sendReason ?? null,
    campaignId: wanted.campaignId ?? null,
    scheduledAt: wanted.scheduledAt ?? null,
    humanize: wanted.humanize ?? null,
    humanizeStyle: wanted.humanizeStyle ?? null,
  }
}

function view(result: SendResult | undefined): z.infer<typeof SendView> {
  if (!result || result.status === 'error') throw faultOf(result)
  const { requestId, status } = result
  const dedupe = dedupeView(result)
  if (status === 'duplicate') {
    return { requestId, status, reason: 'duplicate', policyTrace: duplicateTrace(), ...dedupe }
  }
  return {
    requestId,
    status,
    ...dedupe,
    ...verdictView(result.verdict),
    ...(result.approvalId ? { approvalQueueId: result.approvalId } : {}),
    ...(result.scheduledAt ? { scheduledAt: result.scheduledAt.toISOString() } : {}),
  }
}

function simulationView(result: SimulationResult | undefined): z.infer<typeof SimulationView> {
  if (!result || result.status === 'error') throw faultOf(result)
  const { verdict, isDuplicate, missing, requestId } = result
  const refusal = verdict?.refusal
  const isComplete = missing.length === 0
  const wouldAllow = verdict?.allow === true && !isDuplicate && isComplete
  const wouldBe = verdict?.hold ? 'pending_approval' : 'queued'
  return {
    requestId,
    status: isDuplicate ? 'duplicate' : wouldAllow ? wouldBe : 'blocked',
    ...(isDuplicate ? { reason: 'duplicate', policyTrace: duplicateTrace() } : verdictView(verdict)),
    ...(verdict?.allow && !isDuplicate && !isComplete ? { reason: 'template_render_failed' } : {}),
    ...dedupeView(result),
    simulation: true,
    wouldAllow,
    ...(isComplete ? {} : { missingVariables: missing }),
    ...(refusal?.suppression ? { suppressionInfo: refusal.suppression } : {}),
    policyContext: {
      hasDuplicate: isDuplicate,
      isCooldownHit: refusal?.rule === 'cooldown',
      isSuppressed: refusal?.rule === 'suppression',
      isTenantPaused: refusal?.reason === 'tenant_paused',
      templateApproved: refusal?.rule !== 'template',
      needsApproval: verdict?.hold !== null && verdict?.hold !== undefined,
    },
  }
}

const dedupeView = ({ isKeyDerived }: { isKeyDerived: boolean }) =>
  isKeyDerived ? { dedupe: 'derived' as const } : {}

function verdictView(verdict: Verdict | null) {
  return verdict ? { ...refusalView(verdict), policyTrace: traceView(verdict) } : {}
}

/** The reason of a refusal, and when or how the send would pass. */
export function refusalView({ refusal }: Verdict) {
  if (!refusal) return {}
  const retryAt = refusal.retryAt === undefined ? undefined : new Date(refusal.retryAt).toISOString()
  const isCooldown = refusal.reason === 'cooldown' || refusal.reason === 'fatigue_limit'
  return {
    reason: refusal.reason,
    ...(retryAt && isCooldown ? { cooldownExpiresAt: retryAt } : {}),
    ...(retryAt ? { retryAt } : {}),
    ...(refusal.lease
      ? { leaseHolder: { ...refusal.lease, expiresAt: new Date(refusal.lease.expiresAt).toISOString() } }
      : {}),
  }
}

function traceView({ allow, refusal, auditEvents }: Verdict): z.infer<typeof PolicyTrace> {
  const isCooldown = refusal?.reason === 'cooldown' || refusal?.reason === 'fatigue_limit'
  return {
    decision: refusal ? { allow, reason: refusal.reason } : { allow },
    ...(isCooldown && refusal.retryAt !== undefined
      ? { cooldownExpiresAt: new Date(refusal.retryAt).toISOString() }
      : {}),
    auditEvents,
  }
}

function duplicateTrace(): z.infer<typeof PolicyTrace> {
  const detail = 'this dedupeKey was used by an earlier send'
  return {
    decision: { allow: false, reason: 'duplicate' },
    auditEvents: [{ rule: 'deduplication', passed: false, detail }],
  }
}

function faultOf(result: SendError | undefined): Fault {
  if (!result) return new Fault('invalid', 'Nothing was asked to be sent.')
  const details = result.requestId ? { ...result.details, requestId: result.requestId } : result.details
  return new Fault(result.code, result.message, details)
}
