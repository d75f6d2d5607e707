import type { CarrierName } from '../../core/delivery/carrier.ts'
import { HUMANIZER_STYLES } from '../../core/letters/humanizer/style.ts'
import { z } from '../http.ts'
import { Id } from './words.ts'

/** The carriers that a mailbox may choose. A new carrier does not compile until it is listed. */
const CARRIERS = {
  smtp: 'smtp',
  ses: 'ses',
  resend: 'resend',
  postmark: 'postmark',
  sendgrid: 'sendgrid',
  mailgun: 'mailgun',
  cloudflare: 'cloudflare',
  capture: 'capture',
} as const satisfies { [Name in Exclude<CarrierName, 'internal'>]: Name }

// What the routes of mailboxes take and answer.

const AutonomyName = z.enum(['review', 'first_contact', 'auto'])

export const AutonomyLevel = z.union([z.literal(1), z.literal(2), z.literal(3)]).openapi({
  description:
    '1: a person approves every send. 2: a person approves sends to contacts that are not known yet. 3: no send is held.',
})

const Limit = z.number().int().min(0).max(1_000_000).nullable()

export const Carrier = z.object({
  carrier: z.enum(CARRIERS),
  weight: z.number().int().min(1).max(999_999),
})

const ConfigFields = z
  .object({
    autonomyLevel: AutonomyLevel,
    cooldownMinutes: z
      .number()
      .int()
      .min(0)
      .max(1440)
      .nullable()
      .openapi({ description: 'Per contact. 0 turns the cooldown off, null uses that of the tenant.' }),
    hourlyLimit: Limit.openapi({
      description: 'Sends in a UTC hour. Null uses what the tier and plan allow.',
    }),
    dailyLimit: Limit,
    monthlyLimit: Limit,
    requireConsent: z.boolean(),
    fatigueLimit: z
      .number()
      .int()
      .min(1)
      .max(10_000)
      .nullable()
      .openapi({ description: 'Sends to one contact within fatigueDays; null turns it off.' }),
    fatigueDays: z.number().int().min(1).max(90),
    riskBudget: z
      .number()
      .int()
      .min(1)
      .max(100_000)
      .nullable()
      .openapi({ description: 'Bounces and complaints in 24 hours; null turns it off.' }),
    carriers: z
      .array(Carrier)
      .min(1)
      .max(4)
      .refine(
        (list) => new Set(list.map((each) => each.carrier)).size === list.length,
        'names a carrier twice',
      )
      .nullable(),
    onUnknown: z.enum(['hold', 'resend']).openapi({
      description: 'What to do with a send that may or may not have been delivered.',
    }),
    humanizerEnabled: z.boolean().openapi({
      description: 'Reword messages before they leave, unless the send or its agent has its own setting.',
    }),
    humanizerStyle: z.enum(HUMANIZER_STYLES),
    agentId: Id.nullable(),
  })
  .partial()

const MailboxFields = {
  tenantId: Id.optional(),
  displayName: z.string().min(1).max(100).nullable().optional(),
  status: z.enum(['active', 'paused']).optional(),
  ...ConfigFields.shape,
  config: ConfigFields.optional().openapi({
    description: 'The same fields in the form that answers have.',
  }),
}

export const NewMailbox = z
  .object({
    ...MailboxFields,
    address: z
      .string()
      .min(1)
      .max(320)
      .optional()
      .openapi({ description: 'A local part, or an address in our domain.', example: 'sales-anna' }),
    name: z
      .string()
      .min(1)
      .max(100)
      .optional()
      .openapi({ description: 'The default for an address and a displayName that are not given.' }),
  })
  .refine((wanted) => wanted.address !== undefined || slug(wanted.name ?? '') !== '', {
    path: ['address'],
    message: 'is required, or a name with letters or digits to make it from',
  })
  .openapi('MailboxRequest')

export const ChangedMailbox = z.object(MailboxFields).openapi('MailboxChange')

export const MailboxView = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    address: z.string(),
    displayName: z.string().nullable(),
    status: z.enum(['active', 'paused']),
    config: ConfigFields.required().extend({ autonomy: AutonomyName, isDefault: z.boolean() }),
    createdAt: z.string(),
    updatedAt: z.string(),
  })
  .openapi('Mailbox')

export const AutonomyView = z
  .object({ mailboxId: z.string(), autonomyLevel: AutonomyLevel, autonomy: AutonomyName })
  .openapi('MailboxAutonomy')

export const AutonomyBody = z
  .object({ tenantId: Id.optional(), autonomyLevel: AutonomyLevel })
  .openapi('AutonomyChange')

/** A local part made from a name. */
export function slug(name: string): string {
  return name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 60)
    .replace(/^-+|-+$/g, '')
}
