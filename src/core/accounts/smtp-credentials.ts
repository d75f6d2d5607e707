import { and, desc, eq, getTableColumns, isNull, lt, ne, notExists, or, sql } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import { agents, mailboxes, smtpCredentials, tenants } from '../../schema/accounts.ts'
import { erasures } from '../../schema/governance.ts'
import {
  actorName,
  agentOfKey,
  type Ctx,
  database,
  keyIdOf,
  mustBeAllowed,
  newCtx,
  prepared,
  reaches,
} from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { newId } from '../ground/ids.ts'
import { networkOf } from '../ground/network.ts'
import { fragment, statement } from '../ground/sql.ts'
import { audited } from '../journal/audit.ts'
import { throttle } from '../limits/throttle.ts'
import { isLiveCredential } from '../policy/live-key.ts'
import { IS_STANDING, mustStillStand, standingValues } from './grants.ts'
import { hashSecret, isWellFormed, newSecret } from './keys.ts'
import type { Sender } from './sender.ts'

export type SmtpCredential = typeof smtpCredentials.$inferSelect

/** The sender of a mail that comes in over SMTP, and a context that allows nothing but sending. */
export type Submitter = { ctx: Ctx; account: Sender }

const PREFIX = 'mm_smtp_'
/** Credentials that one mailbox may have at the same time. */
const AT_MOST = 20
/** How exact `lastUsedAt` is, in ms, so that a busy program does not cause a write for each message. */
const USED_MS = 60_000
/** Wrong passwords that one network may try; after that the answer names a time to try again. */
const WRONG = { hour: 100, day: 500 }

const INSERT = statement(`
  INSERT INTO smtp_credentials (tenant_id, id, mailbox_id, agent_id, name, hash, created_by, maker_key_id, created_at)
  SELECT :tenantId, :id, :mailboxId, :agentId, :name, :hash, :createdBy, :makerKeyId, :now
  WHERE (SELECT count(*) FROM smtp_credentials
    WHERE tenant_id = :tenantId AND mailbox_id = :mailboxId AND revoked_at IS NULL) < ${AT_MOST} AND ${IS_STANDING}`)

/**
 * Issues a password for sending mail from one mailbox over SMTP. It is shown only now, allows nothing else, and stops working
 * when its agent or the key that made it may not send. Throws `conflict` if the mailbox has twenty credentials already.
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
    ...{ hash: await hashSecret(password), createdBy: actorName(ctx.actor), makerKeyId: keyIdOf(ctx.actor) },
    ...{ createdAt: now, lastUsedAt: null, revokedAt: null },
  }
  const detail = { name, mailboxId, agentId }
  const [written] = await ctx.env.DB.batch([
    INSERT.bind(ctx.env, {
      ...{ id: credential.id, mailboxId, agentId, name, hash: credential.hash },
      ...{ createdBy: credential.createdBy, makerKeyId: credential.makerKeyId },
      ...standingValues(ctx),
    }),
    ...audited(ctx, [{ action: 'smtp_credential.created', target: credential.id, detail }]).map((query) =>
      prepared(ctx.env, query),
    ),
  ])
  if (written?.meta.changes) return { credential, password }
  await mustStillStand(ctx)
  const message = `This mailbox has ${AT_MOST} SMTP credentials. Revoke one that is no longer used.`
  throw new Fault('conflict', message)
}

/**
 * The credentials of a mailbox, or of the tenant if none is named, that are not revoked, newest first, without their
 * passwords. `address` is their user name, or null if the mailbox was deleted.
 */
export async function listSmtpCredentials(
  ctx: Ctx,
  mailboxId: string | null,
  page: { before?: string | undefined; limit: number },
): Promise<(SmtpCredential & { address: string | null })[]> {
  mustBeAllowed(ctx, 'manage', mailboxId)
  const own = agentOfKey(ctx)
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
        own === null ? undefined : eq(smtpCredentials.agentId, own),
        isNull(smtpCredentials.revokedAt),
        page.before ? lt(smtpCredentials.id, page.before) : undefined,
      ),
    )
    .orderBy(desc(smtpCredentials.id))
    .limit(page.limit)
}

/** Revokes a credential, from the next command of any SMTP session on. Revoking again changes nothing. */
export async function revokeSmtpCredential(ctx: Ctx, id: string): Promise<void> {
  const isThis = and(eq(smtpCredentials.tenantId, ctx.tenantId), eq(smtpCredentials.id, id))
  const [standing] = await ctx.db.select().from(smtpCredentials).where(isThis)
  const own = agentOfKey(ctx)
  const isVisible = own === null || (own === standing?.agentId && reaches(ctx, standing.mailboxId))
  if (!standing || !isVisible) throw new Fault('not_found', 'No such SMTP credential.')
  mustBeAllowed(ctx, 'manage', standing.mailboxId)
  await ctx.db.batch([
    ctx.db
      .update(smtpCredentials)
      .set({ revokedAt: ctx.now })
      .where(and(isThis, isNull(smtpCredentials.revokedAt))),
    ...audited(ctx, [{ action: 'smtp_credential.revoked', target: id }]),
  ])
}

/**
 * The sender with this address and password. An unknown or revoked password, one of another mailbox and one of a banned agent
 * are the same fault. Wrong passwords never block the right one: nobody can guess 256 bits, but anybody could lock others out.
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
  const row = await findSubmitter(env, now, given)
  if (row) {
    const { credential, ...account } = row
    const { tenantId } = account.mailbox
    const ctx = newCtx(env, now, tenantId, { kind: 'smtp', credentialId: credential.id })
    await markUsed(ctx, credential)
    return { ctx, account }
  }
  const network = (given.clientAddress === null ? null : networkOf(given.clientAddress)) ?? 'unknown'
  const counted = await throttle({ env, now }, `smtp-password:${network}`, WRONG)
  if (counted.isAllowed) throw wrong
  const retryAfter = Math.ceil((counted.retryAt.getTime() - now.getTime()) / 1000)
  const message = `Too many wrong passwords from this network. Try again in ${retryAfter} seconds.`
  throw new Fault('too_many_attempts', message, { retryAfter })
}

async function findSubmitter(env: Env, now: Date, given: { username: string; password: string }) {
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
        fragment(isLiveCredential('smtp_credentials'), { now: now.getTime() }),
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
