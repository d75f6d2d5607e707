import { anew, guardsOfAnew } from './a1-anew.ts'
import type { Attack, Guard } from './attack.ts'
import type { Json, Tenant, World } from './world.ts'

/** What an owner sets, and what agents would rather have, by the field of the request. */
const MAILBOX: Record<string, [Json, Json]> = {
  hourlyLimit: [5, 500],
  dailyLimit: [5, null],
  monthlyLimit: [5, null],
  cooldownMinutes: [60, 0],
  requireConsent: [true, false],
  fatigueLimit: [1, null],
  fatigueDays: [30, 1],
  riskBudget: [1, null],
  status: ['paused', 'active'],
  onUnknown: ['hold', 'resend'],
  autonomyLevel: [1, 3],
}

const TENANT: Record<string, [Json, Json]> = {
  status: ['paused', 'active'],
  cooldownMinutes: [60, 0],
  dedupeWindowDays: [90, 1],
  requireConsentForMarketing: [true, false],
  physicalAddress: ['1 Main St', null],
}

/** Everybody who may not loosen: the agent's key, one of the whole tenant, and one that may approve. */
async function bound(world: World, { agent, owner }: Tenant) {
  const key = async (permissions: string[]) =>
    world.asKey((await owner.post('/v1/agent/keys', { permissions })).body.rawKey)
  return [
    agent,
    await key(['read', 'send', 'manage']),
    await key(['read', 'send', 'manage', 'approve']),
  ] as const
}

const PATCHES = { mailbox: (id: string) => `/v1/agent/mailboxes/${id}`, tenant: '/v1/agent/config/settings' }

const settings: Attack[] = [
  ...Object.entries(MAILBOX).map(([field, [strict, lax]]) => ({
    line: 'A1' as const,
    does: `Keys without "loosen" loosen ${field} of a mailbox.`,
    async run(world: World) {
      const tenant = await world.newTenant()
      const path = PATCHES.mailbox(tenant.mailboxId)
      await tenant.owner.patch(path, { [field]: strict })
      for (const key of await bound(world, tenant)) {
        await key.patch(path, { [field]: lax })
        await key.patch(path, { config: { [field]: lax } })
        await key.patch(path, { displayName: 'Anna', [field]: lax, hourlyLimit: 1 })
        if (field === 'autonomyLevel') await key.patch(`${path}/autonomy`, { autonomyLevel: lax })
      }
      const { body } = await tenant.owner.get(path)
      const now = field === 'status' ? body.status : body.config[field]
      return now === strict || (field === 'hourlyLimit' && now <= strict) ? null : `${field} is ${now}`
    },
  })),
  ...Object.entries(TENANT).map(([field, [strict, lax]]) => ({
    line: 'A1' as const,
    does: `Keys without "loosen" loosen ${field} of the tenant.`,
    async run(world: World) {
      const tenant = await world.newTenant()
      await tenant.owner.patch(PATCHES.tenant, { [field]: strict })
      for (const key of await bound(world, tenant)) await key.patch(PATCHES.tenant, { [field]: lax })
      const now = (await tenant.owner.get(PATCHES.tenant)).body[field]
      return now === strict ? null : `${field} is ${now}`
    },
  })),
]

const lists: Attack[] = [
  {
    line: 'A1',
    does: 'Keys without "loosen" make DLP weaker and remove a canary.',
    async run(world) {
      const tenant = await world.newTenant()
      await tenant.owner.patch('/v1/oversight/dlp', { mode: 'block', disabled_rules: [] })
      const canary = (await tenant.owner.post('/v1/oversight/canaries', {})).body.id
      for (const key of await bound(world, tenant)) {
        for (const mode of ['redact', 'monitor']) await key.patch('/v1/oversight/dlp', { mode })
        await key.patch('/v1/oversight/dlp', { mode: 'block', disabled_rules: ['iban'] })
        await key.del(`/v1/oversight/canaries/${canary}`)
      }
      const { body } = await tenant.owner.get('/v1/oversight/dlp')
      const canaries = (await tenant.owner.get('/v1/oversight/canaries')).body.data.length
      if (canaries === 0) return 'the canary is gone'
      const isStrict = body.mode === 'block' && body.disabled_rules.length === 0
      return isStrict ? null : `${body.mode}, off: ${body.disabled_rules}`
    },
  },
  {
    line: 'A1',
    does: 'Keys without "loosen" remove suppressions, end them sooner, and give them a lesser reason.',
    async run(world) {
      const tenant = await world.newTenant()
      const contact = { recipientEmail: world.someone() }
      const legal = { ...contact, reasonCode: 'legal_request', source: 'a letter' }
      await tenant.owner.post('/v1/suppressions', legal)
      const own = await tenant.post('/v1/suppressions', { recipientEmail: world.someone() })
      const soon = new Date(Date.now() + 60_000).toISOString()
      for (const key of await bound(world, tenant)) {
        for (const { id } of (await key.get('/v1/suppressions')).body.items)
          await key.del(`/v1/suppressions/${id}`)
        await key.post('/v1/suppressions', { ...contact, reasonCode: 'no_engagement', expiresAt: soon })
        await key.post('/v1/suppressions', { ...contact, expiresAt: soon })
      }
      const [row] = (await tenant.owner.get(`/v1/suppressions?recipientEmail=${contact.recipientEmail}`)).body
        .items
      if (!row || row.expiresAt !== null || row.reasonCode !== 'legal_request')
        return `now: ${JSON.stringify(row)}`
      const rows = (await tenant.owner.get('/v1/suppressions')).body.items
      return rows.some(({ id }: Json) => id === own.body.id) ? null : 'the suppression is gone'
    },
  },
  {
    line: 'A1',
    does: 'Keys without "loosen" record consent over a revoked one, in other spellings and with a later revocation.',
    async run(world) {
      const tenant = await world.newTenant()
      const email = world.someone()
      const recipientEmail = email
      const basis = 'explicit_opt_in'
      const revokedAt = new Date().toISOString()
      await tenant.owner.post('/v1/consent', { recipientEmail, basis, grantedAt: revokedAt, revokedAt })
      const later = new Date(Date.now() + 86_400_000).toISOString()
      for (const key of await bound(world, tenant))
        for (const spelling of [email, email.toUpperCase(), email.replace('@', '+new@')])
          for (const more of [{}, { revokedAt: later }, { grantedAt: '2020-01-01T00:00:00Z' }])
            await key.post('/v1/consent', { recipientEmail: spelling, basis, ...more })
      const { body } = await tenant.owner.get(`/v1/consent?recipientEmail=${email}`)
      return body.hasConsent ? 'the contact has consented again' : null
    },
  },
  {
    line: 'A1',
    does: 'Keys without "loosen" publish templates where templates need approval, also after deleting the one that needs it.',
    async run(world) {
      const tenant = await world.newTenant()
      const content = { subject: 'Hello', text: 'Hello' }
      const legal = { slug: 'legal', name: 'Legal', type: 'transactional', content }
      await tenant.owner.post('/v1/templates', { ...legal, approvalRequired: true })
      for (const key of await bound(world, tenant)) {
        await key.post('/v1/templates', { ...legal, slug: `a-${world.unique()}`, autoPublish: true })
        const open = { approvalRequired: false, autoPublish: true }
        await key.post('/v1/templates', { ...legal, slug: `b-${world.unique()}`, ...open })
        await key.post('/v1/templates/legal/versions/1/publish')
        await key.del('/v1/templates/legal')
        await key.post('/v1/templates', { ...legal, ...open })
      }
      const { items } = (await tenant.owner.get('/v1/templates?limit=50')).body
      const live = items.filter(({ slug, publishedVersion }: Json) => slug !== 'welcome' && publishedVersion)
      return live.length === 0 ? null : `published: ${live.map(({ slug }: Json) => slug)}`
    },
  },
  {
    line: 'A1',
    does: 'Keys give the permission "loosen" to themselves and to others, by every field.',
    async run(world) {
      const tenant = await world.newTenant()
      const loosen = ['read', 'manage', 'loosen']
      const scopes = [{ mailboxId: tenant.mailboxId, permissions: loosen }]
      for (const key of [...(await bound(world, tenant)), tenant.owner]) {
        await key.post('/v1/agent/keys', { permissions: loosen })
        await key.post('/v1/agent/keys', { permissions: loosen, agentId: tenant.agentId })
        const scoped = { scopeAllMailboxes: false, mailboxScopes: scopes }
        await key.post('/v1/agent/keys', { permissions: ['read'], ...scoped })
        const { body: own } = await key.post('/v1/agent/whoami')
        await key.patch(`/v1/agent/keys/${own.keyId}`, { permissions: loosen, ...scoped })
        if (key !== tenant.owner) await key.patch(`/v1/agent/keys/${own.keyId}`, { permissions: loosen })
      }
      const [row] = world
        .db()
        .prepare(
          "SELECT count(*) AS n FROM keys WHERE tenant_id = ? AND (permissions LIKE '%loosen%' OR scopes LIKE '%loosen%')",
        )
        .all(tenant.tenantId)
      return Number(row?.n) <= 1 ? null : `${row?.n} keys hold it`
    },
  },
  {
    line: 'A1',
    does: 'An approver in the portal loosens what only an owner may.',
    async run(world) {
      const tenant = await world.newTenant()
      const email = world.someone('approver')
      await tenant.person.post('/portal/people', { email, role: 'approver' })
      const approver = await world.signIn(email)
      await tenant.owner.patch(PATCHES.mailbox(tenant.mailboxId), { hourlyLimit: 5, autonomyLevel: 1 })
      await tenant.owner.patch('/v1/oversight/dlp', { mode: 'block' })
      const { id } = (await tenant.owner.post('/v1/suppressions', { recipientEmail: world.someone() })).body
      await approver.post(`/portal/mailboxes/${tenant.mailboxId}`, { status: 'active', autonomy: 'auto' })
      await approver.post('/portal/dlp', { mode: 'monitor', 'off-iban': 'on' })
      await approver.post(`/portal/suppressions/${id}/lift`)
      await approver.post('/portal/keys', { label: 'mine', manage: 'on', loosen: 'on' })
      const { config } = (await tenant.owner.get(PATCHES.mailbox(tenant.mailboxId))).body
      const { mode } = (await tenant.owner.get('/v1/oversight/dlp')).body
      const rows = (await tenant.owner.get('/v1/suppressions')).body.items.length
      const isStrict =
        config.hourlyLimit === 5 && config.autonomyLevel === 1 && mode === 'block' && rows === 1
      return isStrict ? null : JSON.stringify({ config, mode, rows })
    },
  },
]

/** Changes that run at the same time as a person's decision. In every order, the person's decision must hold. */
const races: Attack[] = [
  {
    line: 'A1',
    does: 'An agent sets a limit at the same moment as its owner lowers it.',
    async run(world) {
      const { owner, patch, mailboxId } = await world.newTenant()
      const path = PATCHES.mailbox(mailboxId)
      for (let round = 0; round < 40; round++) {
        await owner.patch(path, { hourlyLimit: 100, cooldownMinutes: 1 })
        const tightened = { hourlyLimit: 5, cooldownMinutes: 60 }
        const tried = { hourlyLimit: 50, cooldownMinutes: 2 }
        await Promise.all([patch(path, tried), owner.patch(path, tightened), patch(path, tried)])
        const { config } = (await owner.get(path)).body
        if (config.hourlyLimit !== 5 || config.cooldownMinutes !== 60)
          return `round ${round}: ${config.hourlyLimit}`
      }
      return null
    },
  },
  {
    line: 'A1',
    does: 'An agent records consent at the same moment as its owner records the revocation.',
    async run(world) {
      const { owner, post } = await world.newTenant()
      for (let round = 0; round < 40; round++) {
        const given = { recipientEmail: world.someone(), basis: 'contractual' }
        const now = new Date().toISOString()
        await post('/v1/consent', given)
        const revoked = owner.post('/v1/consent', { ...given, grantedAt: now, revokedAt: now })
        await Promise.all([post('/v1/consent', given), revoked, post('/v1/consent', given)])
        const { body } = await owner.get(`/v1/consent?recipientEmail=${given.recipientEmail}`)
        if (body.hasConsent) return `round ${round}: the consent counts`
      }
      return null
    },
  },
]

export const attacks: Attack[] = [...settings, ...lists, ...races, ...anew]

export const guards: Guard[] = [
  {
    line: 'A1',
    what: 'what laxer.ts says of settings',
    file: 'core/policy/loosened.ts',
    from: 'if (to === undefined || entry.laxer === null ||',
    to: 'if (to !== null || to === null || entry.laxer === null ||',
  },
  {
    line: 'A1',
    what: 'the comparison with what was read, in the statement that changes a mailbox',
    file: 'core/accounts/mailboxes.ts',
    from: '.where(and(isMailbox(ctx, id), isAsRead(ctx, which, read)))',
    to: '.where(isMailbox(ctx, id))',
  },
  {
    line: 'A1',
    what: 'the comparison with what was read, in the statement that records consent',
    file: 'core/contacts/consents.ts',
    from: 'setWhere: isAsRead,',
    to: '',
  },
  {
    line: 'A1',
    what: 'the refusal to remove a suppression',
    file: 'core/contacts/suppressions.ts',
    from: 'if (ACTS.liftSuppression.isLaxer(standing, ctx.now) && !mayLoosen(ctx)) {',
    to: 'if (ctx.now < standing.createdAt) {',
  },
  {
    line: 'A1',
    what: 'the refusal of consent over a revoked one',
    file: 'core/contacts/consents.ts',
    from: 'ACTS.recordConsent.isLaxer(standing, record) &&',
    to: 'ctx.now < standing.updatedAt &&',
  },
  {
    line: 'A1',
    what: 'the refusal to remove a canary',
    file: 'core/accounts/canaries.ts',
    from: '!mayLoosen(ctx)',
    to: 'false',
  },
  {
    line: 'A1',
    what: 'the refusal to delete the last template that needs approval',
    file: 'core/letters/templates/templates.ts',
    from: 'ACTS.deleteTemplate.isLaxer(template.approvalRequired, isNeeded)',
    to: 'ACTS.deleteTemplate.isLaxer(false, isNeeded)',
  },
  {
    line: 'A1',
    what: 'approval of new templates where templates need it',
    file: 'core/letters/templates/approval.ts',
    from: 'isNeeded: read > 0',
    to: 'isNeeded: read < 0',
  },
  {
    line: 'A1',
    what: 'the rule that only a person gives "loosen"',
    file: 'core/accounts/keys.ts',
    from: "if (isTenantWide && actor.kind === 'human') return",
    to: "if (isTenantWide || actor.kind === 'human') return",
  },
  ...guardsOfAnew,
]
