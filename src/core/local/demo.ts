import type { Env } from '../../env.ts'
import { keys, mailboxes, owners, tenants } from '../../schema/accounts.ts'
import { suppressions } from '../../schema/contacts.ts'
import { templates, templateVersions } from '../../schema/letters.ts'
import { hashSecret } from '../accounts/keys.ts'
import { database } from '../ground/ctx.ts'
import { DEMO, DEMO_OWNER_KEY, demoKey } from './demo-world.ts'

const MINUTE_MS = 60_000

/**
 * Writes the demo world: a tenant on plan enterprise with one claimed and verified owner, one mailbox, three templates,
 * one suppressed address and two keys. Safe to repeat. Throws outside local development.
 */
export async function seedDemo(env: Env, now: Date): Promise<void> {
  if (env.LOCAL !== '1') throw new Error('the demo world exists only in local development: set LOCAL=1')
  const db = database(env)
  const { tenantId, mailboxId } = DEMO
  const key = async (
    id: string,
    secret: string,
    permissions: ('read' | 'send' | 'manage' | 'approve')[],
  ) => ({
    id,
    tenantId,
    hash: await hashSecret(secret),
    prefix: secret.slice(0, 14),
    label: id,
    permissions,
    createdAt: now,
  })
  const [agentKey, ownerKey] = await Promise.all([
    key('key_demo', demoKey(env), ['read', 'send', 'manage']),
    key('key_demo_owner', DEMO_OWNER_KEY, ['read', 'manage', 'approve']),
  ])
  await db.batch([
    db
      .insert(tenants)
      .values({
        id: tenantId,
        name: 'Demo',
        plan: 'enterprise',
        level: 'trusted',
        defaultMailboxId: mailboxId,
        createdAt: now,
      })
      .onConflictDoNothing(),
    db
      .insert(owners)
      .values({
        tenantId,
        id: 'own_demo',
        email: DEMO.ownerEmail,
        contact: DEMO.ownerEmail,
        name: 'Demo Owner',
        claimedAt: now,
        verifiedAt: now,
      })
      .onConflictDoNothing(),
    db
      .insert(mailboxes)
      .values({
        tenantId,
        id: mailboxId,
        address: `demo@${env.MAIL_DOMAIN}`,
        contact: `demo@${env.MAIL_DOMAIN}`,
        displayName: 'Demo',
        autonomy: 'auto',
        cooldownMs: 10 * MINUTE_MS,
        hourlyLimit: 5_000,
        dailyLimit: 50_000,
        createdAt: now,
        updatedAt: now,
      })
      .onConflictDoNothing(),
    db
      .insert(keys)
      .values(agentKey)
      .onConflictDoUpdate({ target: keys.id, set: { hash: agentKey.hash, prefix: agentKey.prefix } }),
    db.insert(keys).values(ownerKey).onConflictDoNothing(),
    db
      .insert(suppressions)
      .values({
        tenantId,
        contact: 'bob@example.com',
        scope: 'tenant',
        id: 'sup_demo',
        email: 'bob@example.com',
        reasonCode: 'manual_dnc',
        source: 'demo',
        createdAt: now,
      })
      .onConflictDoNothing(),
    ...TEMPLATES.flatMap(({ slug, type, variables, ...content }) => {
      const id = `tpl_demo_${slug.replace(/[^a-z]/g, '')}`
      const common = { tenantId, createdAt: now }
      return [
        db
          .insert(templates)
          .values({ ...common, id, slug, name: slug, type, publishedVersion: 1, updatedAt: now })
          .onConflictDoNothing(),
        db
          .insert(templateVersions)
          .values({
            ...common,
            templateId: id,
            version: 1,
            ...content,
            variables,
            status: 'published',
            publishedAt: now,
          })
          .onConflictDoNothing(),
      ]
    }),
  ])
}

const text = (name: string, type = 'string') => ({ name, type, required: true })

const TEMPLATES = [
  {
    slug: 'onboarding-welcome',
    type: 'transactional' as const,
    subject: 'Welcome, {{ firstName }}',
    html: '<p>Hello {{ firstName }},</p><p>your trial runs for {{ trialDays }} days.</p>',
    text: 'Hello {{ firstName }},\n\nyour trial runs for {{ trialDays }} days.\n',
    variables: [text('firstName'), text('trialDays', 'number')],
  },
  {
    slug: 'campaign-march',
    type: 'transactional' as const,
    subject: 'News for {{ name }}',
    html: '<p>Hello {{ name }}, here is what is new in March.</p>',
    text: 'Hello {{ name }}, here is what is new in March.\n',
    variables: [text('name')],
  },
  {
    slug: '_default',
    type: 'transactional' as const,
    subject: '{{ subject }}',
    html: null,
    text: '{{ text }}',
    variables: [text('subject'), text('text')],
  },
]
