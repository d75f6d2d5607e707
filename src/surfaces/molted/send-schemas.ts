import { HUMANIZER_STYLES } from '../../core/letters/humanizer/style.ts'
import { z } from '../http.ts'
import { Email, Id, Payload, Stamp } from './words.ts'

// What the routes of single sends take and answer.

export const SendBody = z
  .object({
    tenantId: Id.optional(),
    mailboxId: Id.optional().openapi({ example: 'mbx_abc123' }),
    recipientEmail: Email,
    templateId: z.string().min(1).max(200).openapi({ example: 'onboarding-welcome' }),
    dedupeKey: z.string().max(500).optional().openapi({ example: 'onboarding-alice-step1' }),
    idempotencyKey: z.string().max(500).optional().openapi({ description: 'An alias of dedupeKey.' }),
    payload: Payload.optional().openapi({ example: { firstName: 'Alice', trialDays: 14 } }),
    sendReason: z.string().max(1000).optional().openapi({ example: 'onboarding sequence step 1' }),
    campaignId: z.string().min(1).max(200).optional(),
    scheduledAt: Stamp.optional(),
    humanize: z.boolean().optional().openapi({
      description:
        'Whether to reword the message before it leaves. Overrides the settings of agent and mailbox.',
    }),
    humanizeStyle: z.enum(HUMANIZER_STYLES).optional(),
    humanizeProvider: z.enum(['anthropic', 'openai']).optional().openapi({
      description: 'Checked and otherwise ignored: the operator chooses the model that rewords.',
    }),
    agentId: Id.optional(),
    agentName: z.string().min(1).max(200).optional(),
  })
  .openapi('SendRequest')

const AuditEvent = z.object({ rule: z.string(), passed: z.boolean(), detail: z.string().optional() })

export const PolicyTrace = z.object({
  decision: z.object({ allow: z.boolean(), reason: z.string().optional() }),
  cooldownExpiresAt: z.string().optional(),
  auditEvents: z.array(AuditEvent),
})

export const LeaseHolder = z.object({
  agentId: z.string(),
  agentName: z.string().nullable(),
  expiresAt: z.string(),
})

export const SendView = z
  .object({
    requestId: z.string(),
    status: z.enum([
      'queued',
      'delivered',
      'bounced',
      'blocked',
      'duplicate',
      'scheduled',
      'pending_approval',
    ]),
    reason: z.string().optional(),
    policyTrace: PolicyTrace.optional(),
    approvalQueueId: z.string().optional(),
    cooldownExpiresAt: z.string().optional(),
    retryAt: z.string().optional(),
    scheduledAt: z.string().optional(),
    leaseHolder: LeaseHolder.optional(),
    dedupe: z.enum(['derived']).optional().openapi({
      description:
        'For a call over MCP without a key. The key was derived from the message, and stays taken for 60 s.',
    }),
  })
  .openapi('SendResponse')

export const SimulationView = SendView.extend({
  simulation: z.literal(true),
  wouldAllow: z.boolean(),
  missingVariables: z.array(z.string()).optional(),
  suppressionInfo: z.object({ scope: z.string(), reasonCode: z.string() }).optional(),
  policyContext: z.object({
    hasDuplicate: z.boolean(),
    isCooldownHit: z.boolean(),
    isSuppressed: z.boolean(),
    isTenantPaused: z.boolean(),
    templateApproved: z.boolean(),
    needsApproval: z.boolean(),
  }),
}).openapi('SimulationResponse')
