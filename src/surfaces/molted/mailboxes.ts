import {
  type Autonomy,
  deleteMailbox,
  getMailbox,
  listMailboxes,
  type Mailbox,
  type MailboxChange,
  updateMailbox,
} from '../../core/accounts/mailboxes.ts'
import { openMailbox } from '../../core/accounts/new-mailbox.ts'
import { body, createRoute, json, router, z } from '../http.ts'
import {
  AutonomyBody,
  type AutonomyLevel,
  AutonomyView,
  type Carrier,
  ChangedMailbox,
  MailboxView,
  NewMailbox,
  slug,
} from './mailbox-schemas.ts'
import { Id, listOf, Page, page } from './words.ts'

const MINUTE_MS = 60_000

const LEVELS: Record<Autonomy, z.infer<typeof AutonomyLevel>> = { review: 1, first_contact: 2, auto: 3 }
const NAMES: Record<z.infer<typeof AutonomyLevel>, Autonomy> = { 1: 'review', 2: 'first_contact', 3: 'auto' }

const Params = z.object({ mailboxId: Id })

export const mailboxes = router()

mailboxes.openapi(
  createRoute({
    method: 'post',
    path: '/agent/mailboxes',
    tags: ['mailboxes'],
    summary: 'Open a mailbox',
    description:
      'Opened by a key with "loosen", a mailbox starts with the tenant\'s cooldown and the autonomy of its default mailbox. Opened by another key, it starts with the strictest settings of its agent\'s mailboxes, and shares their windows; to ask for less is 403 human_decision_required. If the address is taken, the answer is 409. Names of official roles (postmaster, abuse, support …) are refused.',
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
      'Fields that are left out keep their values. To make a setting laxer needs a person, or a key with "loosen": 403 human_decision_required. docs/security.md lists which way each setting gets laxer.',
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
    description:
      '409 for the default mailbox, and while sends of this mailbox are not finished. The last mailbox of an agent, and one with a riskBudget, need a person, or a key with "loosen".',
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
      'A key with "manage" may lower the level. Raising it needs a person, or a key with "loosen".',
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
