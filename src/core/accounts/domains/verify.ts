import { and, eq, ne, or, sql } from 'drizzle-orm'
import type { Env } from '../../../env.ts'
import { domains } from '../../../schema/accounts.ts'
import { type Actor, type Ctx, database, mustBeAllowed, prepared } from '../../ground/ctx.ts'
import { type AuditRecord, type Author, audited, CHANGED } from '../../journal/audit.ts'
import { type DomainBell, ringJobs, ringOutbox } from '../../journal/bells.ts'
import { emit } from '../../journal/events.ts'
import { claimedOwner } from '../owner.ts'
import { checkRecords, type Missing, oursIn, proofOf } from './check.ts'
import { type DomainWithAliases, ownDomain, withAliases } from './domains.ts'
import { type Domain, dnsRecords, nsRecords } from './records.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
/** Domains that one sweep rings for; the rest wait for the next. */
const AT_ONCE = 100
/** Checks in a row that must find records missing before a verified domain fails by itself. */
const MISSES_AT_MOST = 3

/** Who it is in the log where nobody asked, and in that of a tenant which another's claim has displaced. */
const SYSTEM: Actor = { kind: 'system', name: 'domains' }

export type Verified = { domain: DomainWithAliases; missing: Missing[] }

/**
 * Looks the records of a domain up now and takes the state from them. A domain that another tenant has verified changes
 * hands only where that tenant's own proof is gone from DNS; its addresses go with it.
 */
export async function verifyDomain(ctx: Ctx, id: string): Promise<Verified> {
  mustBeAllowed(ctx, 'manage')
  await claimedOwner(ctx)
  const domain = await ownDomain(ctx, id)
  const { missing, rival } = await findings(ctx.env, domain)
  const isClear = missing.every(({ problem }) => problem !== 'lookup_failed')
  const isLost = isClear && missing.length > 0 && domain.status === 'verified'
  const held =
    missing.length > 0
      ? await setBack(ctx, domain, isLost ? { status: 'failed', nextAt: null } : {})
      : await take(ctx, domain, rival)
  return { domain: await withAliases(ctx, await ownDomain(ctx, id)), missing: held ?? missing }
}

/** Rings for the domains whose time to be checked has come. Returns how many. */
export async function sweepDomains(env: Env, now: Date): Promise<number> {
  const due = await database(env)
    .update(domains)
    .set({ nextAt: new Date(now.getTime() + HOUR_MS) })
    .where(
      sql`(${domains.tenantId}, ${domains.id}) IN (
        SELECT d.tenant_id, d.id FROM domains d WHERE d.next_at <= ${now.getTime()} ORDER BY d.next_at LIMIT ${AT_ONCE})`,
    )
    .returning({ tenantId: domains.tenantId, domainId: domains.id })
  await ringJobs(env, due)
  return due.length
}

/**
 * Checks a verified domain again. One look that finds records missing is no reason to stop its mail: it is asked again by
 * the hour, and fails at the third. What the resolver does not answer counts for nothing.
 */
export async function recheckDomain(env: Env, { tenantId, domainId }: DomainBell, now: Date): Promise<void> {
  const db = database(env)
  const [domain] = await db
    .select()
    .from(domains)
    .where(and(eq(domains.tenantId, tenantId), eq(domains.id, domainId), eq(domains.status, 'verified')))
  if (!domain) return
  const missing = await checkRecords(env, domain)
  const isClear = missing.every(({ problem }) => problem !== 'lookup_failed')
  const misses = domain.misses + 1
  const again = new Date(now.getTime() + HOUR_MS)
  if (missing.length > 0 && !isClear) return
  const at: At = { env, db, now, actor: SYSTEM }
  if (missing.length === 0) await take(at, domain, null)
  else if (misses < MISSES_AT_MOST) await setBack(at, domain, { misses, nextAt: again })
  else await setBack(at, domain, { status: 'failed', misses, nextAt: null })
}

/** What is missing, the hold of another tenant included; and who must give way where nothing is. */
async function findings(env: Env, domain: Domain): Promise<{ missing: Missing[]; rival: Domain | null }> {
  const missing = await checkRecords(env, domain)
  const rival = missing.length > 0 ? null : await rivalOf(env, domain)
  const proof = rival ? await proofOf(env, rival) : 'gone'
  if (proof === 'gone') return { missing, rival }
  return {
    missing: [heldBy(env, domain, proof === 'stands' ? 'held_by_another' : 'lookup_failed')],
    rival: null,
  }
}

/** Whoever else has verified the domain: the question concerns all tenants. */
async function rivalOf(env: Env, { tenantId, id, domain }: Domain): Promise<Domain | null> {
  const isOther = or(ne(domains.tenantId, tenantId), ne(domains.id, id))
  const [rival] = await database(env)
    .select()
    .from(domains)
    .where(and(eq(domains.domain, domain), eq(domains.status, 'verified'), isOther))
  return rival ?? null
}

/** It is the other's proof that stands in the way; whose it is, and what it says, is nobody's business. */
function heldBy(env: Env, domain: Domain, problem: Missing['problem']): Missing {
  const ours = oursIn(env)
  const [proof] = domain.mode === 'managed' ? nsRecords(domain, ours) : dnsRecords(domain, ours)
  if (!proof) throw new Error('a domain has no proof')
  return { ...proof, problem, found: [] }
}

type At = Omit<Ctx, 'tenantId'>

async function setBack(
  at: At,
  { tenantId, id }: Domain,
  change: Partial<Pick<Domain, 'status' | 'misses' | 'nextAt'>>,
): Promise<null> {
  const { db, now } = at
  const isLost = change.status === 'failed'
  await db.batch([
    db
      .update(domains)
      .set({ ...change, checkedAt: now })
      .where(and(eq(domains.tenantId, tenantId), eq(domains.id, id))),
    ...(isLost
      ? [
          ...audited({ ...at, tenantId }, [{ action: 'domain.failed', target: id }]),
          failed(at, { tenantId, id }, 'records_missing'),
        ]
      : []),
  ])
  if (isLost) await ringOutbox(at.env, [tenantId])
  return null
}

/** The event of a domain that no mail can be sent from any more, where the statement before it has changed something. */
function failed({ db, now }: At, { tenantId, id }: Pick<Domain, 'tenantId' | 'id'>, reason: string) {
  return emit(
    db,
    now,
    sql`SELECT ${tenantId} AS tenant_id, 'domain.failed' AS type, NULL AS mailbox_id, NULL AS agent_id, 0 AS position,
      json_object('domainId', ${id}, 'reason', ${reason}) AS refs WHERE ${CHANGED}`,
  )
}

/** Writes that all is in place. Returns what keeps the domain from being verified where another tenant was faster. */
async function take(at: At, domain: Domain, rival: Domain | null): Promise<Missing[] | null> {
  const { tenantId, id } = domain
  const { env, now } = at
  const told = (author: Author, action: AuditRecord['action'], target: string) =>
    audited(author, [{ action, target }]).map((query) => prepared(env, query))
  const binds = [tenantId, id, domain.domain] as const
  const taking = env.DB.prepare(TAKE).bind(...binds, now.getTime(), nextCheck(domain, now).getTime())
  const givingWay = rival
    ? [
        env.DB.prepare(GIVE_WAY).bind(rival.tenantId, rival.id, tenantId, id),
        ...told({ ...at, tenantId: rival.tenantId, actor: SYSTEM }, 'domain.lost', rival.id),
        prepared(env, failed(at, rival, 'taken_over')),
      ]
    : []
  const answers = await env.DB.batch([
    ...givingWay,
    taking,
    ...(domain.status === 'verified' ? [] : told({ ...at, tenantId }, 'domain.verified', id)),
    env.DB.prepare(FORGET_OTHERS).bind(...binds),
  ])
  if (rival) await ringOutbox(env, [rival.tenantId])
  return answers[givingWay.length]?.meta.changes === 0 ? [heldBy(env, domain, 'held_by_another')] : null
}

/** The one whose proof has been found gone; not where the claim that displaces it is gone itself. */
const GIVE_WAY = `
  UPDATE domains SET status = 'failed', next_at = NULL WHERE tenant_id = ?1 AND id = ?2 AND status = 'verified'
    AND EXISTS (SELECT 1 FROM domains d WHERE d.tenant_id = ?3 AND d.id = ?4)`

const TAKE = `
  UPDATE domains SET status = 'verified', misses = 0, checked_at = ?4, next_at = ?5,
    verified_at = iif(status = 'verified', verified_at, ?4)
  WHERE tenant_id = ?1 AND id = ?2 AND NOT EXISTS (
    SELECT 1 FROM domains o WHERE o.domain = ?3 AND o.status = 'verified' AND NOT (o.tenant_id = ?1 AND o.id = ?2))`

/** Whoever had the domain before keeps no address in it. */
const FORGET_OTHERS = `
  DELETE FROM aliases WHERE (tenant_id, domain_id) IN (
    SELECT o.tenant_id, o.id FROM domains o WHERE o.domain = ?3 AND NOT (o.tenant_id = ?1 AND o.id = ?2))
  AND EXISTS (SELECT 1 FROM domains d WHERE d.tenant_id = ?1 AND d.id = ?2 AND d.status = 'verified')`

/** A day from now, and up to an hour less, so that domains verified together are not checked together for ever. */
function nextCheck({ token }: Domain, now: Date): Date {
  return new Date(now.getTime() + DAY_MS - (Number.parseInt(token.slice(0, 6), 16) % HOUR_MS))
}
