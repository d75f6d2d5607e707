import { HUMANIZER_STYLES } from '../../core/letters/humanizer/style.ts'
import { z } from '../http.ts'
import { strictly } from '../unknown-fields.ts'
import { LeaseHolder } from './send-schemas.ts'
import { SendRow } from './sends.ts'
import { Id, Payload, Stamp } from './words.ts'

// What a batch is asked and answered.

const Common = {
  tenantId: Id.optional(),
  mailboxId: Id.optional().openapi({ example: 'mbx_abc123' }),
  templateId: z.string().min(1).max(200).openapi({ example: 'campaign-march' }),
  agentId: Id.optional(),
  agentName: z.string().min(1).max(200).optional(),
}

const Wording = {
  humanize: z.boolean().optional(),
  humanizeStyle: z.enum(HUMANIZER_STYLES).optional(),
}

const ItemFields = z.object({
  recipientEmail: z.string().min(1).max(320),
  dedupeKey: z.string().max(500),
  payload: Payload.optional(),
  sendReason: z.string().max(1000).optional(),
  campaignId: z.string().min(1).max(200).optional(),
  scheduledAt: Stamp.optional(),
  ...Wording,
})

/** One item of a batch. Each is checked alone, so that an invalid item does not stop the others. */
export const Item = strictly(ItemFields, { refused: 'near misses' })

export const BatchBody = z
  .object({
    ...Common,
    ...Wording,
    sends: z
      .array(
        z.unknown().openapi({
          type: 'object',
          required: ['recipientEmail', 'dedupeKey'],
          properties: {
            recipientEmail: { type: 'string', format: 'email' },
            dedupeKey: { type: 'string', maxLength: 500 },
            payload: { type: 'object', additionalProperties: true },
            sendReason: { type: 'string', maxLength: 1000 },
            campaignId: { type: 'string', maxLength: 200 },
            scheduledAt: { type: 'string', format: 'date-time' },
            humanize: { type: 'boolean', description: 'Overrides the value of the batch.' },
            humanizeStyle: { type: 'string', enum: [...HUMANIZER_STYLES] },
          },
        }),
      )
      .openapi({
        description: 'At most 500 items.',
        example: [
          { recipientEmail: 'alice@example.com', dedupeKey: 'march-alice', payload: { name: 'Alice' } },
        ],
      }),
  })
  .openapi('BatchSendRequest')

export const SimulateBody = z
  .object({
    ...Common,
    campaignId: z.string().min(1).max(200).optional(),
    recipientEmails: z.array(z.string()).openapi({
      description: 'At most 500 addresses.',
      example: ['alice@example.com', 'bob@example.com'],
    }),
  })
  .openapi('BatchSimulationRequest')

const Refusal = {
  reason: z.string().optional(),
  cooldownExpiresAt: z.string().optional(),
  retryAt: z.string().optional(),
  leaseHolder: LeaseHolder.optional(),
  message: z.string().optional(),
  field: z.string().optional(),
  missingVariables: z.array(z.string()).optional(),
}

export const ItemView = z
  .object({
    recipientEmail: z.string(),
    requestId: z
      .string()
      .openapi({ description: 'Empty if the item was invalid and did not become a request.' }),
    status: z.enum(['queued', 'delivered', 'bounced', 'blocked', 'error', 'pending_approval', 'scheduled']),
    ...Refusal,
    approvalQueueId: z.string().optional(),
    scheduledAt: z.string().optional(),
  })
  .openapi('BatchSendResult')

export const BatchView = z
  .object({
    batchId: z.string(),
    total: z.number(),
    queued: z.number(),
    blocked: z.number().openapi({ description: 'Refused by policy, including items with a repeated key.' }),
    pendingApproval: z.number(),
    scheduled: z.number().optional(),
    duplicates: z.number().openapi({ description: 'How many of the blocked items repeat a key.' }),
    errors: z.number(),
    results: z.array(ItemView),
  })
  .openapi('BatchSendResponse')

export const SimulatedView = z
  .object({
    recipientEmail: z.string(),
    wouldAllow: z.boolean(),
    needsApproval: z.boolean().optional(),
    ...Refusal,
  })
  .openapi('BatchSimulationResult')

export const SimulationView = z
  .object({
    total: z.number(),
    wouldAllow: z.number(),
    wouldBlock: z.number(),
    results: z.array(SimulatedView),
  })
  .openapi('BatchSimulationResponse')

export const StandingView = z
  .object({
    batchId: z.string(),
    total: z.number(),
    queued: z.number(),
    blocked: z.number(),
    pendingApproval: z.number(),
    scheduled: z.number(),
    cancelled: z.number(),
    errors: z.number(),
    byStatus: z.record(z.string(), z.number()),
    results: z.array(SendRow),
    nextCursor: z.string().nullable(),
  })
  .openapi('Batch')
