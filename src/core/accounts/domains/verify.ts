import { and, eq, ne, or, sql } from 'drizzle-orm'
import type { Env } from '../../../env.ts'
import { domains } from '../../../schema/accounts.ts'
import { type Actor, type Ctx, database, mustBeAllowed, prepared } from '../../ground/ctx.ts'
import { statement } from '../../ground/sql.ts'
import { type AuditRecord, type Author, audited, CHANGED } from '../../journal/audit.ts'
import { type DomainBell, ringJobs, ringOutbox } from '../../journal/bells.ts'
import { emit } from '../../journal/events.ts'
import { claimedOwner } from '../people.ts'
import { checkRecords, type Missing, oursIn, proofOf } from './check.ts'
import { type DomainWithAliases, ownDomain, withAliases } from './domains.ts'
import { type Domain, dnsRecords, nsRecords } from './records.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
/** How many domains one sweep rings for; the rest wait for the next. */
const AT_ONCE = 100
/** Checks in a row that must find records missing before a verified domain fails by itself. */
const MISSES_AT_MOST = 3

/** The actor in the audit log where no request of the tenant caused the change. */
const SYSTEM: Actor = { kind: 'system', name: 'domains' }

export type Verified = { domain: DomainWithAliases; missing: Missing[] }

/**
 * Looks up the DNS records of a domain now and sets its state by them. A domain that another tenant has verified passes to
 * this tenant only if the other tenant's own proof is gone from DNS. The other tenant then loses its addresses in it.
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

/** Rings for the domains that are due for a check. Returns how many. */
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
 * Checks a verified domain again. If records are missing, it is checked again an hour later, and it fails when they are missing
 * three times in a row. A check that the resolver does not answer does not count.
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

/**
 * The missing records, or the tenant's claim that stands in the way; and the domain that must give way if none is
 * missing.
 */
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

/** The domain of the same name that has been verified before, by any tenant. */
async function rivalOf(env: Env, { tenantId, id, domain }: Domain): Promise<Domain | null> {
  const isOther = or(ne(domains.tenantId, tenantId), ne(domains.id, id))
  const [rival] = await database(env)
    .select()
    .from(domains)
    .where(and(eq(domains.domain, domain), eq(domains.status, 'verified'), isOther))
  return rival ?? null
}

/** A problem that another tenant's proof causes. It does not say whose proof that is, or what it contains. */
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

/** The statement that writes the event of a failed domain, if the statement before it has changed a row. */
function failed({ db, now }: At, { tenantId, id }: Pick<Domain, 'tenantId' | 'id'>, reason: string) {
  return emit(
    db,
    now,
    sql`SELECT ${tenantId} AS tenant_id, 'domain.failed' AS type, NULL AS mailbox_id,
      (SELECT coalesce(d.agent_id, d.added_by) FROM domains d WHERE d.tenant_id = ${tenantId} AND d.id = ${id}) AS agent_id,
      0 AS position,
      json_object('domainId', ${id}, 'reason', ${reason}) AS refs WHERE ${CHANGED}`,
  )
}

/** Marks a domain as verified. Returns the problem instead if another tenant was faster, else null. */
async function take(at: At, domain: Domain, rival: Domain | null): Promise<Missing[] | null> {
  const { tenantId, id } = domain
  const { env, now } = at
  const told = (author: Author, action: AuditRecord['action'], target: string) =>
    audited(author, [{ action, target }]).map((query) => prepared(env, query))
  const verify = VERIFY.bind(env, {
    tenantId,
    id,
    domain: domain.domain,
    now: now.getTime(),
    nextAt: nextCheck(domain, now).getTime(),
  })
  const givingWay = rival
    ? [
        GIVE_WAY.bind(env, { tenantId: rival.tenantId, id: rival.id, newTenantId: tenantId, newId: id }),
        ...told({ ...at, tenantId: rival.tenantId, actor: SYSTEM }, 'domain.lost', rival.id),
        prepared(env, failed(at, rival, 'taken_over')),
      ]
    : []
  const answers = await env.DB.batch([
    ...givingWay,
    verify,
    ...(domain.status === 'verified' ? [] : told({ ...at, tenantId }, 'domain.verified', id)),
    DELETE_FORMER_ALIASES.bind(env, { tenantId, id, domain: domain.domain }),
  ])
  if (rival) await ringOutbox(env, [rival.tenantId])
  return answers[givingWay.length]?.meta.changes === 0 ? [heldBy(env, domain, 'held_by_another')] : null
}

/** Fails the domain of the tenant whose proof is gone, unless the domain that displaces it was deleted meanwhile. */
const GIVE_WAY = statement(`
  UPDATE domains SET status = 'failed', next_at = NULL WHERE tenant_id = :tenantId AND id = :id AND status = 'verified'
    AND EXISTS (SELECT 1 FROM domains d WHERE d.tenant_id = :newTenantId AND d.id = :newId)`)

const VERIFY = statement(`
  UPDATE domains SET status = 'verified', misses = 0, checked_at = :now, next_at = :nextAt,
    verified_at = iif(status = 'verified', verified_at, :now)
  WHERE tenant_id = :tenantId AND id = :id AND NOT EXISTS (
    SELECT 1 FROM domains o WHERE o.domain = :domain AND o.status = 'verified'
      AND NOT (o.tenant_id = :tenantId AND o.id = :id))`)

/** The tenants that had the domain before lose their addresses in it. */
const DELETE_FORMER_ALIASES = statement(`
  DELETE FROM aliases WHERE (tenant_id, domain_id) IN (
    SELECT o.tenant_id, o.id FROM domains o WHERE o.domain = :domain AND NOT (o.tenant_id = :tenantId AND o.id = :id))
  AND EXISTS (SELECT 1 FROM domains d WHERE d.tenant_id = :tenantId AND d.id = :id AND d.status = 'verified')`)

/** Between 23 and 24 hours from now, so that domains that were verified together are not always checked together. */
function nextCheck({ token }: Domain, now: Date): Date {
  return new Date(now.getTime() + DAY_MS - (Number.parseInt(token.slice(0, 6), 16) % HOUR_MS))
}
