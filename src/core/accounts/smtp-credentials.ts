import { and, desc, eq, getTableColumns, isNull, lt, ne, notExists, or, sql } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import { agents, mailboxes, smtpCredentials, tenants } from '../../schema/accounts.ts'
import { erasures } from '../../schema/governance.ts'
import { actorName, type Ctx, database, mustBeAllowed, newCtx, prepared } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { newId } from '../ground/ids.ts'
import { networkOf } from '../ground/network.ts'
import { audited } from '../journal/audit.ts'
import { throttle } from '../limits/throttle.ts'
import { hashSecret, isWellFormed, newSecret } from './keys.ts'
import type { Sender } from './sender.ts'

export type SmtpCredential = typeof smtpCredentials.$inferSelect

/** Who hands in mail: the credential's mailbox and its standing, and a context in which nothing but sending is allowed. */
export type Submitter = { ctx: Ctx; account: Sender }

const PREFIX = 'mm_smtp_'
/** Credentials of one mailbox that may be in force at once. */
const AT_MOST = 20
/** How exactly `lastUsedAt` is kept, in ms: a busy program does not write at each message. */
const USED_MS = 60_000
/** Wrong passwords from one network that are looked up at all. */
const WRONG = { hour: 100, day: 500 }

/**
 * Issues a password for handing in mail from one mailbox, shown this once. It can do nothing but send from there, and ends
 * with the standing of its agent. Throws `conflict` where the mailbox has twenty already.
 */
export async function issueSmtpCredential(
  ctx: Ctx,
  { id: mailboxId, agentId }: Pick<Sender['mailbox'], 'id' | 'agentId'>,
  name: string | null,
): Promise<{ credential: SmtpCredential; password: string }> {
  mustBeAllowed(ctx, 'manage', mailboxId)
  const password = newSecret(PREFIX)
  const { tenantId, now } = ctx
  const credential: SmtpCredential = {
    ...{ tenantId, id: newId('smtp', now), mailboxId, agentId, name },
    ...{ hash: await hashSecret(password), createdBy: actorName(ctx.actor) },
    ...{ createdAt: now, lastUsedAt: null, revokedAt: null },
  }
  const insert = ctx.env.DB.prepare(
    `INSERT INTO smtp_credentials (tenant_id, id, mailbox_id, agent_id, name, hash, created_by, created_at)
     SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
     WHERE (SELECT count(*) FROM smtp_credentials
       WHERE tenant_id = ?1 AND mailbox_id = ?3 AND revoked_at IS NULL) < ${AT_MOST}`,
  ).bind(
    ...[tenantId, credential.id, mailboxId, agentId, name],
    ...[credential.hash, credential.createdBy, now.getTime()],
  )
  const detail = { name, mailboxId, agentId }
  const [written] = await ctx.env.DB.batch([
    insert,
    ...audited(ctx, [{ action: 'smtp_credential.created', target: credential.id, detail }]).map((query) =>
      prepared(ctx.env, query),
    ),
  ])
  if (written?.meta.changes) return { credential, password }
  const message = `This mailbox has ${AT_MOST} SMTP credentials. Revoke one that is no longer used.`
  throw new Fault('conflict', message)
}

/**
 * The credentials that are in force of a mailbox, or of the tenant where none is named, newest first, without their
 * passwords. `address` is what they sign in as; null where the mailbox is gone.
 */
export async function listSmtpCredentials(
  ctx: Ctx,
  mailboxId: string | null,
  page: { before?: string | undefined; limit: number },
): Promise<(SmtpCredential & { address: string | null })[]> {
  mustBeAllowed(ctx, 'manage', mailboxId)
  return await ctx.db
    .select({ ...getTableColumns(smtpCredentials), address: mailboxes.address })
    .from(smtpCredentials)
    .leftJoin(
      mailboxes,
      and(eq(mailboxes.tenantId, smtpCredentials.tenantId), eq(mailboxes.id, smtpCredentials.mailboxId)),
    )
    .where(
      and(
        eq(smtpCredentials.tenantId, ctx.tenantId),
        mailboxId === null ? undefined : eq(smtpCredentials.mailboxId, mailboxId),
        isNull(smtpCredentials.revokedAt),
        page.before ? lt(smtpCredentials.id, page.before) : undefined,
      ),
    )
    .orderBy(desc(smtpCredentials.id))
    .limit(page.limit)
}

/** Revokes a credential: from the next command of any session on it is worth nothing. Revoking twice is once. */
export async function revokeSmtpCredential(ctx: Ctx, id: string): Promise<void> {
  const isThis = and(eq(smtpCredentials.tenantId, ctx.tenantId), eq(smtpCredentials.id, id))
  const [standing] = await ctx.db.select().from(smtpCredentials).where(isThis)
  if (!standing) throw new Fault('not_found', 'No such SMTP credential.')
  mustBeAllowed(ctx, 'manage', standing.mailboxId)
  const { actor } = ctx
  if (actor.kind === 'key' && actor.agentId !== null && actor.agentId !== standing.agentId) {
    throw new Fault('agent_mismatch', "An agent's key governs the SMTP credentials of that agent only.")
  }
  await ctx.db.batch([
    ctx.db
      .update(smtpCredentials)
      .set({ revokedAt: ctx.now })
      .where(and(isThis, isNull(smtpCredentials.revokedAt))),
    ...audited(ctx, [{ action: 'smtp_credential.revoked', target: id }]),
  ])
}

/**
 * Who presents this address and password. Unknown, revoked, of another mailbox or of a banned agent are one fault. A right
 * password is never refused for wrong ones before it: nobody guesses 256 bits, but anybody could lock others out.
 */
export async function authenticateSmtp(
  env: Env,
  now: Date,
  given: { username: string; password: string; clientAddress: string | null },
): Promise<Submitter> {
  const wrong = new Fault(
    'unauthorized',
    'The address or the password is wrong, or the credential is revoked.',
  )
  if (!isWellFormed(given.password, PREFIX)) throw wrong
  const row = await findSubmitter(env, given)
  if (row) {
    const { credential, ...account } = row
    const { tenantId } = account.mailbox
    const ctx = newCtx(env, now, tenantId, { kind: 'smtp', credentialId: credential.id })
    await markUsed(ctx, credential)
    return { ctx, account }
  }
  const network = (given.clientAddress === null ? null : networkOf(given.clientAddress)) ?? 'unknown'
  const counted = await throttle({ env, now }, `smtp-password:${network}`, WRONG)
  if (counted.isLet) throw wrong
  const retryAfter = Math.ceil((counted.retryAt.getTime() - now.getTime()) / 1000)
  const message = `Too many wrong passwords from this network. Try again in ${retryAfter} seconds.`
  throw new Fault('too_many_attempts', message, { retryAfter })
}

async function findSubmitter(env: Env, given: { username: string; password: string }) {
  const hash = await hashSecret(given.password)
  const db = database(env)
  const isErased = db
    .select({ id: erasures.tenantId })
    .from(erasures)
    .where(eq(erasures.tenantId, smtpCredentials.tenantId))
  const [row] = await db
    .select({
      credential: { id: smtpCredentials.id, lastUsedAt: smtpCredentials.lastUsedAt },
      mailbox: mailboxes,
      plan: tenants.plan,
      level: tenants.level,
      tenantStatus: tenants.status,
      agentStatus: agents.status,
    })
    .from(smtpCredentials)
    .innerJoin(tenants, eq(tenants.id, smtpCredentials.tenantId))
    .innerJoin(
      mailboxes,
      and(
        eq(mailboxes.tenantId, smtpCredentials.tenantId),
        eq(mailboxes.id, smtpCredentials.mailboxId),
        eq(mailboxes.contact, given.username.trim().toLowerCase()),
        sql`${mailboxes.agentId} IS ${smtpCredentials.agentId}`,
      ),
    )
    .leftJoin(agents, and(eq(agents.tenantId, mailboxes.tenantId), eq(agents.id, mailboxes.agentId)))
    .where(
      and(
        eq(smtpCredentials.hash, hash),
        isNull(smtpCredentials.revokedAt),
        or(isNull(agents.status), ne(agents.status, 'banned')),
        notExists(isErased),
      ),
    )
  return row
}

async function markUsed(
  { db, tenantId, now }: Ctx,
  { id, lastUsedAt }: Pick<SmtpCredential, 'id' | 'lastUsedAt'>,
): Promise<void> {
  if (lastUsedAt !== null && now.getTime() - lastUsedAt.getTime() < USED_MS) return
  await db
    .update(smtpCredentials)
    .set({ lastUsedAt: now })
    .where(and(eq(smtpCredentials.tenantId, tenantId), eq(smtpCredentials.id, id)))
}
