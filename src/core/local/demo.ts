import type { Env } from '../../env.ts'
import { keys, mailboxes, owners, type Permission, tenants } from '../../schema/accounts.ts'
import { suppressions } from '../../schema/contacts.ts'
import { templates, templateVersions } from '../../schema/letters.ts'
import { hashSecret } from '../accounts/keys.ts'
import { type Db, database } from '../ground/ctx.ts'
import { DEMO, DEMO_OWNER_KEY, demoKey } from './demo-world.ts'

const MINUTE_MS = 60_000

/**
 * Writes the demo world: a tenant on plan enterprise with one claimed and verified owner, one mailbox, three templates,
 * one suppressed address and two keys. Safe to repeat. Throws outside local development.
 */
export async function seedDemo(env: Env, now: Date): Promise<void> {
  if (env.LOCAL !== '1') throw new Error('the demo world exists only in local development: set LOCAL=1')
  const db = database(env)
  await db.batch([
    ...accountStatements(db, env.MAIL_DOMAIN, now),
    ...(await keyStatements(db, env, now)),
    ...templateStatements(db, now),
  ])
}

/** The tenant, its owner, its mailbox and the address that must not be written to. */
function accountStatements(db: Db, mailDomain: string, now: Date) {
  const { tenantId, mailboxId, ownerEmail } = DEMO
  const address = `demo@${mailDomain}`
  const tenant = { id: tenantId, name: 'Demo', plan: 'enterprise', level: 'trusted' } as const
  const owner = { tenantId, id: 'own_demo', email: ownerEmail, contact: ownerEmail, name: 'Demo Owner' }
  const limits = {
    autonomy: 'auto',
    cooldownMs: 10 * MINUTE_MS,
    hourlyLimit: 5_000,
    dailyLimit: 50_000,
  } as const
  const mailbox = { tenantId, id: mailboxId, address, contact: address, displayName: 'Demo', ...limits }
  const bob = {
    email: 'bob@example.com',
    contact: 'bob@example.com',
    reasonCode: 'manual_dnc',
    source: 'demo',
  } as const
  return [
    db
      .insert(tenants)
      .values({ ...tenant, defaultMailboxId: mailboxId, createdAt: now })
      .onConflictDoNothing(),
    db
      .insert(owners)
      .values({ ...owner, claimedAt: now, verifiedAt: now })
      .onConflictDoNothing(),
    db
      .insert(mailboxes)
      .values({ ...mailbox, createdAt: now, updatedAt: now })
      .onConflictDoNothing(),
    db
      .insert(suppressions)
      .values({ tenantId, id: 'sup_demo', scope: 'tenant', ...bob, createdAt: now })
      .onConflictDoNothing(),
  ] as const
}

/** A key for the agent, which DEMO_KEY may replace at any start, and one for the owner. */
async function keyStatements(db: Db, env: Env, now: Date) {
  const key = async (id: string, secret: string, permissions: Permission[]) => ({
    id,
    tenantId: DEMO.tenantId,
    hash: await hashSecret(secret),
    prefix: secret.slice(0, 14),
    label: id,
    permissions,
    createdBy: 'system:demo',
    createdAt: now,
  })
  const [agentKey, ownerKey] = await Promise.all([
    key('key_demo', demoKey(env), ['read', 'send', 'manage']),
    key('key_demo_owner', DEMO_OWNER_KEY, ['read', 'manage', 'approve', 'loosen']),
  ])
  return [
    db
      .insert(keys)
      .values(agentKey)
      .onConflictDoUpdate({ target: keys.id, set: { hash: agentKey.hash, prefix: agentKey.prefix } }),
    db.insert(keys).values(ownerKey).onConflictDoNothing(),
  ]
}

function templateStatements(db: Db, now: Date) {
  const common = { tenantId: DEMO.tenantId, createdAt: now }
  return TEMPLATES.flatMap(({ slug, type, ...content }) => {
    const id = `tpl_demo_${slug.replace(/[^a-z]/g, '')}`
    return [
      db
        .insert(templates)
        .values({ ...common, id, slug, name: slug, type, publishedVersion: 1, updatedAt: now })
        .onConflictDoNothing(),
      db
        .insert(templateVersions)
        .values({ ...common, ...content, templateId: id, version: 1, status: 'published', publishedAt: now })
        .onConflictDoNothing(),
    ]
  })
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
