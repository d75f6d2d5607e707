import { getTenant, type Tenant, updateTenant } from '../../core/accounts/tenants.ts'
import { body, createRoute, json, router, z } from '../http.ts'
import { Id } from './words.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

const Settings = z.object({
  cooldownMinutes: z.number().int().min(0).max(1440).openapi({
    description:
      'The time between two sends of a mailbox to one contact, for mailboxes without a cooldown of their own. 0 turns it off.',
  }),
  physicalAddress: z
    .string()
    .trim()
    .min(1)
    .max(500)
    .nullable()
    .openapi({ description: 'The value of {{physical_address}} in templates.' }),
  requireConsentForMarketing: z.boolean(),
  defaultMailboxId: Id.openapi({ description: 'The mailbox of sends that do not name one.' }),
  dedupeWindowDays: z.number().int().min(1).max(365).openapi({
    description: 'How long a dedupeKey stays taken. A change applies to later sends only.',
  }),
  status: z.enum(['active', 'paused']).openapi({ description: 'A paused tenant sends nothing.' }),
})

const SettingsChange = Settings.partial().extend({ tenantId: Id.optional() }).openapi('SettingsChange')

const SettingsView = Settings.extend({
  tenantId: z.string(),
  name: z.string(),
  plan: z.string(),
  level: z.string(),
  status: z.enum(['active', 'paused', 'frozen']),
  defaultMailboxId: z.string().nullable(),
}).openapi('Settings')

const Whoami = z
  .object({
    tenant_id: z.string(),
    tenantId: z.string(),
    keyId: z.string().nullable(),
    agentId: z.string().nullable(),
    permissions: z.array(z.string()),
    scopeAllMailboxes: z.boolean(),
    mailboxScopes: z.array(z.object({ mailboxId: z.string(), permissions: z.array(z.string()) })),
  })
  .openapi('Whoami')

export const settings = router()

settings.openapi(
  createRoute({
    method: 'get',
    path: '/agent/config/settings',
    tags: ['settings'],
    summary: 'Read the settings of the tenant',
    security: [{ bearer: [] }],
    request: { query: z.object({ tenantId: Id.optional() }) },
    responses: { 200: json(SettingsView) },
  }),
  async (c) => c.json(view(await getTenant(c.var.ctx)), 200),
)

settings.openapi(
  createRoute({
    method: 'patch',
    path: '/agent/config/settings',
    tags: ['settings'],
    summary: 'Change settings of the tenant',
    description:
      'Fields that are left out keep their values. While status is "paused" every send is blocked, with reason tenant_paused. To make a setting laxer needs a person, or a key with "loosen": 403 human_decision_required.',
    security: [{ bearer: [] }],
    request: body(SettingsChange),
    responses: { 200: json(SettingsView) },
  }),
  async (c) => {
    const { cooldownMinutes, dedupeWindowDays, ...wanted } = c.req.valid('json')
    const changed = await updateTenant(c.var.ctx, {
      status: wanted.status,
      defaultMailboxId: wanted.defaultMailboxId,
      cooldownMs: cooldownMinutes === undefined ? undefined : cooldownMinutes * MINUTE_MS,
      dedupeWindowMs: dedupeWindowDays === undefined ? undefined : dedupeWindowDays * DAY_MS,
      requireConsentForMarketing: wanted.requireConsentForMarketing,
      physicalAddress: wanted.physicalAddress,
    })
    return c.json(view(changed), 200)
  },
)

settings.openapi(
  createRoute({
    method: 'post',
    path: '/agent/whoami',
    tags: ['settings'],
    summary: 'Show the tenant, agent and permissions of this key',
    security: [{ bearer: [] }],
    responses: { 200: json(Whoami) },
  }),
  async (c) => {
    const { tenantId, actor } = c.var.ctx
    const key = actor.kind === 'key' ? actor : null
    return c.json(
      {
        tenant_id: tenantId,
        tenantId,
        keyId: key?.keyId ?? null,
        agentId: key?.agentId ?? null,
        permissions: key?.permissions ?? [],
        scopeAllMailboxes: key?.scopes === null,
        mailboxScopes: key?.scopes ?? [],
      },
      200,
    )
  },
)

function view(tenant: Tenant): z.infer<typeof SettingsView> {
  const { id, name, plan, level, status, defaultMailboxId, physicalAddress } = tenant
  return {
    tenantId: id,
    name,
    plan,
    level,
    status,
    cooldownMinutes: tenant.cooldownMs / MINUTE_MS,
    physicalAddress,
    requireConsentForMarketing: tenant.requireConsentForMarketing,
    defaultMailboxId,
    dedupeWindowDays: tenant.dedupeWindowMs / DAY_MS,
  }
}
