import {
  type Autonomy,
  deleteMailbox,
  getMailbox,
  listMailboxes,
  type Mailbox,
  type MailboxChange,
  openMailbox,
  updateMailbox,
} from '../../core/accounts/mailboxes.ts'
import { HUMANIZER_STYLES } from '../../core/letters/humanizer/style.ts'
import { body, createRoute, json, router, z } from '../http.ts'
import { Id, listOf, Page, page } from './words.ts'

const MINUTE_MS = 60_000

const AutonomyName = z.enum(['review', 'first_contact', 'auto'])

const AutonomyLevel = z.union([z.literal(1), z.literal(2), z.literal(3)]).openapi({
  description:
    '1: a person approves every send. 2: a person approves sends to contacts that are not known yet. 3: no send is held.',
})

const LEVELS: Record<Autonomy, z.infer<typeof AutonomyLevel>> = { review: 1, first_contact: 2, auto: 3 }
const NAMES: Record<z.infer<typeof AutonomyLevel>, Autonomy> = { 1: 'review', 2: 'first_contact', 3: 'auto' }

const Limit = z.number().int().min(0).max(1_000_000).nullable()

const Carrier = z.object({
  carrier: z.enum(['smtp', 'ses', 'resend', 'postmark', 'sendgrid', 'mailgun', 'cloudflare', 'capture']),
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

const NewMailbox = z
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

const ChangedMailbox = z.object(MailboxFields).openapi('MailboxChange')

const MailboxView = z
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

const AutonomyView = z
  .object({ mailboxId: z.string(), autonomyLevel: AutonomyLevel, autonomy: AutonomyName })
  .openapi('MailboxAutonomy')

const AutonomyBody = z
  .object({ tenantId: Id.optional(), autonomyLevel: AutonomyLevel })
  .openapi('AutonomyChange')

const Params = z.object({ mailboxId: Id })

export const mailboxes = router()

mailboxes.openapi(
  createRoute({
    method: 'post',
    path: '/agent/mailboxes',
    tags: ['mailboxes'],
    summary: 'Open a mailbox',
    description:
      "The mailbox starts with the tenant's cooldown and the autonomy of its default mailbox. An address that is taken is 409. Names of official roles (postmaster, abuse, support …) are refused.",
    security: [{ bearer: [] }],
    request: body(NewMailbox),
    responses: { 200: json(MailboxView) },
  }),
  async (c) => {
    const { address, name, displayName, ...wanted } = c.req.valid('json')
    const opened = await openMailbox(c.var.ctx, {
      ...change(wanted),
      address: address ?? slug(name ?? ''),
      displayName: displayName === undefined ? (name ?? null) : displayName,
    })
    return c.json(view(opened), 200)
  },
)

mailboxes.openapi(
  createRoute({
    method: 'get',
    path: '/agent/mailboxes',
    tags: ['mailboxes'],
    summary: 'List the mailboxes this key may read, newest first',
    security: [{ bearer: [] }],
    request: { query: Page },
    responses: { 200: json(listOf(MailboxView)) },
  }),
  async (c) => {
    const { limit, cursor } = c.req.valid('query')
    const rows = await listMailboxes(c.var.ctx, { before: cursor, limit })
    return c.json(
      page(rows, limit, (mailbox) => mailbox.id, view),
      200,
    )
  },
)

mailboxes.openapi(
  createRoute({
    method: 'get',
    path: '/agent/mailboxes/{mailboxId}',
    tags: ['mailboxes'],
    summary: 'Read a mailbox',
    security: [{ bearer: [] }],
    request: { params: Params },
    responses: { 200: json(MailboxView) },
  }),
  async (c) => c.json(view(await getMailbox(c.var.ctx, c.req.valid('param').mailboxId)), 200),
)

mailboxes.openapi(
  createRoute({
    method: 'patch',
    path: '/agent/mailboxes/{mailboxId}',
    tags: ['mailboxes'],
    summary: 'Change a mailbox',
    description:
      'Fields that are left out keep their values. A higher autonomyLevel needs a person, or a key with "approve": 403 human_decision_required.',
    security: [{ bearer: [] }],
    request: { params: Params, ...body(ChangedMailbox) },
    responses: { 200: json(MailboxView) },
  }),
  async (c) => {
    const { mailboxId } = c.req.valid('param')
    return c.json(view(await updateMailbox(c.var.ctx, mailboxId, change(c.req.valid('json')))), 200)
  },
)

mailboxes.openapi(
  createRoute({
    method: 'delete',
    path: '/agent/mailboxes/{mailboxId}',
    tags: ['mailboxes'],
    summary: 'Remove a mailbox',
    description: '409 for the default mailbox, and while sends of this mailbox are not finished.',
    security: [{ bearer: [] }],
    request: { params: Params },
    responses: { 200: json(z.object({ id: z.string(), deleted: z.literal(true) })) },
  }),
  async (c) => {
    const { mailboxId } = c.req.valid('param')
    await deleteMailbox(c.var.ctx, mailboxId)
    return c.json({ id: mailboxId, deleted: true as const }, 200)
  },
)

mailboxes.openapi(
  createRoute({
    method: 'get',
    path: '/agent/mailboxes/{mailboxId}/autonomy',
    tags: ['mailboxes'],
    summary: 'Read how much review the sends of a mailbox need',
    security: [{ bearer: [] }],
    request: { params: Params },
    responses: { 200: json(AutonomyView) },
  }),
  async (c) => c.json(autonomyView(await getMailbox(c.var.ctx, c.req.valid('param').mailboxId)), 200),
)

mailboxes.openapi(
  createRoute({
    method: 'patch',
    path: '/agent/mailboxes/{mailboxId}/autonomy',
    tags: ['mailboxes'],
    summary: 'Change how much review the sends of a mailbox need',
    description:
      'A key with "manage" may lower the level. Raising it needs a person, or a key with "approve".',
    security: [{ bearer: [] }],
    request: { params: Params, ...body(AutonomyBody) },
    responses: { 200: json(AutonomyView) },
  }),
  async (c) => {
    const autonomy = NAMES[c.req.valid('json').autonomyLevel]
    const changed = await updateMailbox(c.var.ctx, c.req.valid('param').mailboxId, { autonomy })
    return c.json(autonomyView(changed), 200)
  },
)

function slug(name: string): string {
  return name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 60)
    .replace(/^-+|-+$/g, '')
}

function change({ config, ...fields }: z.infer<typeof ChangedMailbox>): MailboxChange {
  const { autonomyLevel, cooldownMinutes, ...rest } = { ...config, ...fields }
  return {
    displayName: rest.displayName,
    status: rest.status,
    autonomy: autonomyLevel && NAMES[autonomyLevel],
    cooldownMs: typeof cooldownMinutes === 'number' ? cooldownMinutes * MINUTE_MS : cooldownMinutes,
    hourlyLimit: rest.hourlyLimit,
    dailyLimit: rest.dailyLimit,
    monthlyLimit: rest.monthlyLimit,
    requireConsent: rest.requireConsent,
    fatigueLimit: rest.fatigueLimit,
    fatigueDays: rest.fatigueDays,
    riskBudget: rest.riskBudget,
    carriers: rest.carriers,
    onUnknown: rest.onUnknown,
    humanizerEnabled: rest.humanizerEnabled,
    humanizerStyle: rest.humanizerStyle,
    agentId: rest.agentId,
  }
}

function view(mailbox: Mailbox): z.infer<typeof MailboxView> {
  const { id, tenantId, address, displayName, status, autonomy, cooldownMs, createdAt, updatedAt } = mailbox
  return {
    id,
    tenantId,
    address,
    displayName,
    status,
    config: {
      autonomyLevel: LEVELS[autonomy],
      autonomy,
      cooldownMinutes: cooldownMs === null ? null : cooldownMs / MINUTE_MS,
      hourlyLimit: mailbox.hourlyLimit,
      dailyLimit: mailbox.dailyLimit,
      monthlyLimit: mailbox.monthlyLimit,
      requireConsent: mailbox.requireConsent,
      fatigueLimit: mailbox.fatigueLimit,
      fatigueDays: mailbox.fatigueDays,
      riskBudget: mailbox.riskBudget,
      carriers: mailbox.carriers as z.infer<typeof Carrier>[] | null,
      onUnknown: mailbox.onUnknown,
      humanizerEnabled: mailbox.humanizerEnabled,
      humanizerStyle: mailbox.humanizerStyle,
      agentId: mailbox.agentId,
      isDefault: mailbox.isDefault,
    },
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  }
}

function autonomyView({ id, autonomy }: Mailbox): z.infer<typeof AutonomyView> {
  return { mailboxId: id, autonomyLevel: LEVELS[autonomy], autonomy }
}
