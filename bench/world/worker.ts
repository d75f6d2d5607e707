import { Hono } from 'hono'
import { z } from 'zod'
import { hashSecret, newSecret } from '../../src/core/accounts/keys.ts'
import { database } from '../../src/core/ground/ctx.ts'
import { migrateLocally } from '../../src/core/ground/migrations.ts'
import { requestSends } from '../../src/core/sending/request.ts'
import worker from '../../src/index.ts'
import { keys, mailboxes, owners, tenants } from '../../src/schema/accounts.ts'
import { suppressions } from '../../src/schema/contacts.ts'
import { templates, templateVersions } from '../../src/schema/letters.ts'
import { type BenchEnv, floor } from './floor.ts'
import { search } from './search.ts'

export * from '../../src/index.ts'
export { BenchWindow } from './floor.ts'

const bench = new Hono<{ Bindings: BenchEnv }>()

bench.route('/bench/floor', floor)
bench.route('/bench/search', search)

const List = z.object({
  messages: z
    .array(
      z.object({
        recipientEmail: z.email(),
        templateId: z.string(),
        dedupeKey: z.string(),
        payload: z.record(z.string(), z.unknown()),
      }),
    )
    .max(500),
})

bench.post('/bench/list', async (c) => {
  const { messages } = List.parse(await c.req.json())
  const secret = c.req.header('authorization')?.replace('Bearer ', '') ?? ''
  const results = await requestSends(
    {
      env: c.env,
      now: new Date(),
      name: 'molted',
      credential: { keyHash: await hashSecret(secret) },
      tenantId: null,
      agent: null,
    },
    messages.map(({ recipientEmail, templateId, dedupeKey, payload }) => ({
      to: [{ kind: 'to', email: recipientEmail }],
      template: templateId,
      dedupeKey,
      payload,
    })),
  )
  return c.json({ results: results.map(({ status, requestId }) => ({ status, requestId })) })
})

/** Migrates the empty database and opens `count` tenants. Each has everything that its sends need. */
bench.post('/bench/seed', async (c) => {
  const { count } = z.object({ count: z.number().int() }).parse(await c.req.json())
  await migrateLocally(c.env)
  const db = database(c.env)
  const now = new Date()
  const seeded = []
  for (let number = 0; number < count; number++) {
    const tenantId = `tenant_bench${number}`
    const mailboxId = `mbx_bench${number}`
    const templateId = 'tpl_bench'
    const secret = newSecret()
    const address = `bench${number}@${c.env.MAIL_DOMAIN}`
    const common = { tenantId, createdAt: now }
    await db.batch([
      db.insert(tenants).values({
        id: tenantId,
        name: tenantId,
        plan: 'enterprise',
        level: 'trusted',
        defaultMailboxId: mailboxId,
        createdAt: now,
      }),
      db.insert(owners).values({
        tenantId,
        id: 'own_bench',
        email: 'owner@example.com',
        contact: 'owner@example.com',
        claimedAt: now,
        verifiedAt: now,
      }),
      db.insert(mailboxes).values({
        ...common,
        id: mailboxId,
        address,
        contact: address,
        cooldownMs: 600_000,
        hourlyLimit: 1_000_000_000,
        dailyLimit: 1_000_000_000,
        updatedAt: now,
      }),
      db.insert(keys).values({
        ...common,
        id: `key_bench${number}`,
        hash: await hashSecret(secret),
        prefix: secret.slice(0, 14),
        permissions: ['read', 'send', 'manage'],
        createdBy: 'system:bench',
      }),
      db.insert(suppressions).values({
        ...common,
        id: 'sup_bench',
        contact: 'bob@example.com',
        email: 'bob@example.com',
        scope: 'tenant',
        reasonCode: 'manual_dnc',
      }),
      db.insert(templates).values({
        ...common,
        id: templateId,
        slug: 'onboarding-welcome',
        name: 'onboarding-welcome',
        type: 'transactional',
        publishedVersion: 1,
        updatedAt: now,
      }),
      db.insert(templateVersions).values({
        ...common,
        templateId,
        version: 1,
        subject: 'Welcome, {{ firstName }}',
        html: '<p>Hello {{ firstName }},</p><p>your trial runs for {{ trialDays }} days.</p>',
        text: 'Hello {{ firstName }},\n\nyour trial runs for {{ trialDays }} days.\n',
        variables: [],
        status: 'published',
        publishedAt: now,
      }),
    ])
    seeded.push({ tenantId, mailboxId, secret })
  }
  return c.json(seeded)
})

export default {
  async fetch(request, env, ctx) {
    const isBench = new URL(request.url).pathname.startsWith('/bench/')
    return isBench ? await bench.fetch(request, env, ctx) : await worker.fetch(request, env, ctx)
  },
} satisfies ExportedHandler<BenchEnv>
