import { sleep } from '../../../test/support/program.ts'
import type { Attack, Guard } from './attack.ts'
import {
  agentKeyId,
  colleague,
  HOOK,
  honestKey,
  inSeconds,
  isTold,
  keyBy,
  keyInPortal,
  mustWork,
  sends,
  submits,
} from './credentials.ts'

const line = 'A5'

export const attacks: Attack[] = [
  {
    line,
    does: 'A stolen key makes another key; the stolen one is revoked, and the other goes on.',
    async run(world) {
      const tenant = await world.newTenant()
      const child = await honestKey(world, tenant)
      await mustWork(sends(world, child))
      await tenant.owner.del(`/v1/agent/keys/${await agentKeyId(tenant)}`)
      return (await sends(world, child)) ? 'the key that it made still sends' : null
    },
  },
  {
    line,
    does: 'A stolen key hides two generations deep.',
    async run(world) {
      const tenant = await world.newTenant()
      const child = await honestKey(world, tenant)
      const grandchild = await honestKey(world, child)
      await tenant.owner.del(`/v1/agent/keys/${await agentKeyId(tenant)}`)
      return (await sends(world, grandchild)) ? 'its grandchild still sends' : null
    },
  },
  {
    line,
    does: 'A stolen key issues an SMTP password, which outlives its revocation.',
    async run(world) {
      const tenant = await world.newTenant()
      const { body } = await tenant.post('/v1/smtp-credentials', { name: 'printer' })
      await mustWork(submits(world, body))
      await tenant.owner.del(`/v1/agent/keys/${await agentKeyId(tenant)}`)
      return (await submits(world, body)) ? 'the password still sends' : null
    },
  },
  {
    line,
    does: 'A stolen key registers a webhook, which outlives its revocation.',
    async run(world) {
      const tenant = await world.newTenant()
      const thief = await honestKey(world, tenant.owner, { permissions: ['read', 'manage'] })
      const { body } = await thief.post('/v1/agent/webhooks', { url: HOOK })
      await mustWork(isTold(world, tenant, body.id))
      await tenant.owner.del(`/v1/agent/keys/${thief.id}`)
      return (await isTold(world, tenant, body.id)) ? 'the webhook is still told' : null
    },
  },
  {
    line,
    does: 'A webhook of a revoked key is switched on again by its child, made just before.',
    async run(world) {
      const tenant = await world.newTenant()
      const thief = await honestKey(world, tenant.owner, { permissions: ['read', 'manage'] })
      const { body } = await thief.post('/v1/agent/webhooks', { url: HOOK })
      const child = await honestKey(world, thief, { permissions: ['read', 'manage'] })
      await tenant.owner.del(`/v1/agent/keys/${thief.id}`)
      await child.patch(`/v1/agent/webhooks/${body.id}`, { enabled: true })
      return (await isTold(world, tenant, body.id)) ? 'the webhook is told again' : null
    },
  },
  {
    line,
    does: "A stolen key turns the owner's webhook to its own URL, which outlives its revocation.",
    async run(world) {
      const tenant = await world.newTenant()
      const { body } = await tenant.owner.post('/v1/agent/webhooks', { url: `${HOOK}/owner` })
      const thief = await honestKey(world, tenant.owner, { permissions: ['read', 'manage'] })
      await thief.patch(`/v1/agent/webhooks/${body.id}`, { url: HOOK })
      await tenant.owner.del(`/v1/agent/keys/${thief.id}`)
      return (await isTold(world, tenant, body.id)) ? 'its URL is still told' : null
    },
  },
  {
    line,
    does: 'A key that expires issues an SMTP password that does not.',
    async run(world) {
      const tenant = await world.newTenant()
      const brief = await honestKey(world, tenant, { expiresAt: inSeconds(2) })
      const { body } = await brief.post('/v1/smtp-credentials', {})
      await sleep(2_500)
      return (await submits(world, body)) ? 'the password still sends' : null
    },
  },
  {
    line,
    does: 'A key that expires registers a webhook that does not.',
    async run(world) {
      const tenant = await world.newTenant()
      const brief = await honestKey(world, tenant.owner, { expiresAt: inSeconds(2) })
      const { body } = await brief.post('/v1/agent/webhooks', { url: HOOK })
      await sleep(2_500)
      return (await isTold(world, tenant, body.id)) ? 'the webhook is still told' : null
    },
  },
  {
    line,
    does: "A banned agent's SMTP password and webhook go on.",
    async run(world) {
      const tenant = await world.newTenant()
      const password = (await tenant.post('/v1/smtp-credentials', {})).body
      const webhook = (await tenant.post('/v1/agent/webhooks', { url: HOOK })).body
      await mustWork(sends(world, tenant))
      world.db().prepare(`UPDATE agents SET status = 'banned' WHERE id = ?`).run(tenant.agentId)
      if (await submits(world, password)) return 'the password still sends'
      return (await isTold(world, tenant, webhook.id)) ? 'the webhook is still told' : null
    },
  },
  {
    line,
    does: 'A key is narrowed to reading; the key and the SMTP password that it made before go on sending.',
    async run(world) {
      const tenant = await world.newTenant()
      const maker = await honestKey(world, tenant)
      const child = await honestKey(world, maker)
      const password = (await maker.post('/v1/smtp-credentials', {})).body
      await mustWork(submits(world, password))
      await tenant.owner.patch(`/v1/agent/keys/${maker.id}`, { permissions: ['read'] })
      if (await sends(world, child)) return 'its child still sends'
      return (await submits(world, password)) ? 'its password still sends' : null
    },
  },
  {
    line,
    does: 'A key gets an end; the permanent key that it made before goes on.',
    async run(world) {
      const tenant = await world.newTenant()
      const maker = await honestKey(world, tenant)
      const child = await honestKey(world, maker)
      await tenant.owner.patch(`/v1/agent/keys/${maker.id}`, { expiresAt: inSeconds(1) })
      await sleep(1_500)
      return (await sends(world, child)) ? 'its child still sends' : null
    },
  },
  {
    line,
    does: 'A person who is removed leaves keys behind that go on.',
    async run(world) {
      const tenant = await world.newTenant()
      const leaver = await colleague(world, tenant)
      const key = await keyInPortal(world, leaver, ['read', 'send', 'manage', 'loosen'])
      const child = await keyBy(world, key)
      await mustWork(sends(world, key))
      await tenant.person.post(`/portal/people/${leaver.id}/remove`, { end: 'on' })
      if (await sends(world, key)) return 'the key still sends'
      return child && (await sends(world, child)) ? 'its child still sends' : null
    },
  },
  {
    line,
    does: 'An owner who is made a viewer keeps keys that loosen.',
    async run(world) {
      const tenant = await world.newTenant()
      const other = await colleague(world, tenant)
      const key = await keyInPortal(world, other, ['read', 'send', 'manage', 'loosen'])
      await mustWork(sends(world, key))
      await tenant.person.post(`/portal/people/${other.id}/role`, { role: 'viewer' })
      return (await sends(world, key)) ? 'the key still sends' : null
    },
  },
  {
    line,
    does: 'A key makes keys at the very moment when it is revoked, twenty times.',
    async run(world) {
      const tenant = await world.newTenant()
      for (let round = 0; round < 20; round++) {
        const maker = await honestKey(world, tenant.owner, { permissions: ['read', 'manage'] })
        const racing = Array.from({ length: 5 }, () => keyBy(world, maker, { permissions: ['read'] }))
        const revoking = tenant.owner.del(`/v1/agent/keys/${maker.id}`)
        const made = await Promise.all(racing)
        await revoking
        for (const key of made) {
          if (key && (await key.get('/v1/agent/mailboxes')).body.items)
            return `a key of round ${round} still reads`
        }
      }
      return null
    },
  },
  {
    line,
    does: 'The old secret of a rotated key, and a key that it makes, go on.',
    async run(world) {
      const tenant = await world.newTenant()
      const key = await honestKey(world, tenant)
      await key.post(`/v1/agent/keys/${key.id}/rotate`)
      if (await sends(world, key)) return 'the old secret still sends'
      const child = await keyBy(world, key)
      return child && (await sends(world, child)) ? 'a key that the old secret made sends' : null
    },
  },
]

export const guards: Guard[] = [
  {
    line,
    what: 'the end of what a key made',
    file: 'core/accounts/descent.ts',
    from: '(k.id = :keyId OR k.created_by = :maker)',
    to: '(k.id = :keyId OR (k.created_by = :maker AND 0))',
  },
  {
    line,
    what: 'the live check of an SMTP credential',
    file: 'core/policy/live-key.ts',
    from: 'makerAllows(credential,',
    to: "((...parts: string[]) => parts.length + ' > 0')(credential,",
  },
  {
    line,
    what: 'the live check of a webhook',
    file: 'core/policy/live-key.ts',
    from: 'makerAllows(webhook,',
    to: "((...parts: string[]) => parts.length + ' > 0')(webhook,",
  },
  {
    line,
    what: 'the narrowing of what a key made',
    file: 'core/accounts/descent.ts',
    from: 'keys.id IN (SELECT id FROM line) AND keys.revoked_at IS NULL`)',
    to: 'keys.id IN (SELECT id FROM line) AND 0`)',
  },
  {
    line,
    what: 'the condition that a maker still has its rights',
    file: 'core/accounts/keys.ts',
    from: 'const isStillAllowed = isStanding(ctx)',
    to: 'const isStillAllowed = sql`1`',
  },
]
