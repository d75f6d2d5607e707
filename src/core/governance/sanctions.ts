import { sql } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import type { SANCTION_KINDS } from '../../schema/governance.ts'
import { mustBeAddress } from '../ground/address.ts'
import { type Actor, actorName, type Ctx, database, mustBeAllowed, prepared } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { newId } from '../ground/ids.ts'
import { statement } from '../ground/sql.ts'
import { audited } from '../journal/audit.ts'
import {
  SUSPENDED_FROM,
  sanctionInWords,
  sanctionsOf,
  sanctionWeight,
  type Told,
} from '../policy/standing.ts'

type At = { env: Env; now: Date }

/** A suspension or freeze, as it is held by a tenant or by an owner. */
export type Sanction = {
  id: string
  holder: string
  tenantId: string | null
  kind: (typeof SANCTION_KINDS)[number]
  subject: string
  why: string
  at: Date
  clearedAt: Date | null
  clearedBy: string | null
}

/** Whether a tenant may send freely, only with a person's approval, or not at all, and why. */
export type TenantStanding = { state: 'good' | 'review' | 'suspended'; sanctions: Sanction[] }

type Row = Told & {
  id: string
  holder: string
  tenant_id: string
  subject: string
  cleared_at: number | null
  cleared_by: string | null
}

const IN_FORCE = statement<Row>(`SELECT w.* FROM ${sanctionsOf(':tenantId')} w ORDER BY w.at DESC, w.id`)
const HELD_BY = statement<Row>(
  'SELECT x.* FROM sanctions x WHERE x.holder = :holder ORDER BY x.at DESC, x.id LIMIT 100',
)
const WEIGHT = statement<{ weight: number }>(`SELECT ${sanctionWeight(':tenantId')} AS weight`)

/** The standing of the caller's tenant, with the sanctions in force. */
export async function standingOf(ctx: Ctx): Promise<TenantStanding> {
  mustBeAllowed(ctx, 'read')
  const { env, tenantId } = ctx
  const [rows, weight] = await env.DB.batch([
    IN_FORCE.bind(env, { tenantId }),
    WEIGHT.bind(env, { tenantId }),
  ])
  const [{ weight: total } = { weight: 0 }] = WEIGHT.rows(weight)
  const state = total >= SUSPENDED_FROM ? 'suspended' : total > 0 ? 'review' : 'good'
  const own = IN_FORCE.rows(rows).map((row) => (row.tenant_id === tenantId ? row : { ...row, name: null }))
  return { state, sanctions: own.map(sanctionFrom) }
}

/** The sanctions that a tenant or the address of an owner holds, newest first, also those that were cleared. */
export async function listSanctions(env: Env, holder: string): Promise<Sanction[]> {
  return (await HELD_BY.all(env, { holder })).map(sanctionFrom)
}

/** Clears a tenant's sanctions. If `most` is given, only while they weigh less: the statement that writes decides. */
const CLEAR_TENANT = statement(`
  UPDATE sanctions SET cleared_at = :now, cleared_by = :by
  WHERE cleared_at IS NULL AND id IN (SELECT w.id FROM ${sanctionsOf(':tenantId')} w)
    AND (:most IS NULL OR ${sanctionWeight(':tenantId')} < :most)`)

/**
 * Ends the review of the caller's tenant. Only an owner does that, signed in: no key. Throws `human_decision_required` for
 * anybody else, and for a suspended tenant, which only the operator clears.
 */
export async function endReview(ctx: Ctx): Promise<void> {
  const { env, now, tenantId, actor } = ctx
  if (actor.kind !== 'human' || actor.role !== 'owner') {
    throw new Fault(
      'human_decision_required',
      'The account is in review. Only a person with the role owner can end that, signed in to the portal.',
      { field: 'standing', kind: 'review', id: tenantId, loosens: ['standing'] },
    )
  }
  const by = actorName(actor)
  const values = { tenantId, now: now.getTime(), by, most: SUSPENDED_FROM }
  await env.DB.batch([
    CLEAR_TENANT.bind(env, values),
    ...audited(ctx, [{ action: 'review.ended', target: tenantId }]).map((query) => prepared(env, query)),
  ])
  const { state } = await standingOf(ctx)
  if (state !== 'good') {
    throw new Fault(
      'human_decision_required',
      'The account is suspended. Only the operator of the service can end that.',
      { field: 'standing', kind: 'suspension', id: tenantId, loosens: ['standing'] },
    )
  }
}

/** SQL: these entries are written in any case. */
const ALWAYS = sql`true`

const OPERATOR: Actor = { kind: 'system', name: 'operator' }

const IMPOSE = statement(`
  INSERT INTO sanctions (tenant_id, id, holder, kind, subject, name, reason, weight, at)
  VALUES (:tenantId, :id, :holder, :kind, :holder, :holder, :reason, ${SUSPENDED_FROM}, :now)`)
const CLEAR_HOLDER = statement(`
  UPDATE sanctions SET cleared_at = :now, cleared_by = 'system:operator'
  WHERE cleared_at IS NULL AND id IN (SELECT x.id FROM sanctions x WHERE x.holder = :holder AND x.cleared_at IS NULL)`)
const TENANT = statement<{ id: string }>('SELECT id FROM tenants WHERE id = :tenantId')
const TENANTS_OF = statement<{ tenant_id: string }>(`SELECT DISTINCT o.tenant_id FROM owners o
  WHERE o.contact = :contact AND o.claimed_at IS NOT NULL AND o.verified_at IS NOT NULL`)

// For the operator: these verbs act on all tenants.

/** Suspends a tenant until the operator clears it. The person who claimed it holds the sanction, too. Fault: `not_found`. */
export async function freezeTenant(at: At, tenantId: string, reason: string): Promise<Sanction[]> {
  await mustBeTenant(at.env, tenantId)
  await impose(at, { tenantId, holder: tenantId, kind: 'tenant_frozen', reason }, [tenantId])
  return await listSanctions(at.env, tenantId)
}

/** Clears all that a tenant holds, and what its owner holds with it. Fault: `not_found`. */
export async function clearTenant(at: At, tenantId: string): Promise<Sanction[]> {
  const { env, now } = at
  await mustBeTenant(env, tenantId)
  const values = { tenantId, now: now.getTime(), by: actorName(OPERATOR), most: null }
  await env.DB.batch([
    CLEAR_TENANT.bind(env, values),
    ...noted(at, [tenantId], 'sanctions.cleared', tenantId, {}),
  ])
  return await listSanctions(env, tenantId)
}

/** Suspends all tenants that a person has claimed, and all that they will claim, until the operator clears it. */
export async function freezeOwner(at: At, email: string, reason: string): Promise<Sanction[]> {
  const { contact } = mustBeAddress(email, 'email')
  const owned = await TENANTS_OF.all(at.env, { contact })
  await impose(
    at,
    { tenantId: '', holder: contact, kind: 'owner_frozen', reason },
    owned.map(({ tenant_id }) => tenant_id),
  )
  return await listSanctions(at.env, contact)
}

/** Clears all that a person holds, in all their tenants. */
export async function clearOwner(at: At, email: string): Promise<Sanction[]> {
  const { env, now } = at
  const { contact } = mustBeAddress(email, 'email')
  const owned = await TENANTS_OF.all(env, { contact })
  await env.DB.batch([
    CLEAR_HOLDER.bind(env, { holder: contact, now: now.getTime() }),
    ...noted(
      at,
      owned.map(({ tenant_id }) => tenant_id),
      'sanctions.cleared',
      null,
      {},
    ),
  ])
  return await listSanctions(env, contact)
}

const CLEAR_SUBJECT = statement(`
  UPDATE sanctions SET cleared_at = :now, cleared_by = 'system:operator'
  WHERE cleared_at IS NULL AND id IN (SELECT x.id FROM sanctions x WHERE x.holder = :tenantId AND x.subject = :subject)`)

/** Clears what is held because of one mailbox or agent. */
export async function clearSubject({ env, now }: At, tenantId: string, subject: string): Promise<void> {
  await CLEAR_SUBJECT.run(env, { tenantId, subject, now: now.getTime() })
}

async function mustBeTenant(env: Env, tenantId: string): Promise<void> {
  if (!(await TENANT.first(env, { tenantId })))
    throw new Fault('not_found', 'No such tenant.', { field: 'id' })
}

type Imposed = { tenantId: string; holder: string; kind: Sanction['kind']; reason: string }

async function impose(at: At, imposed: Imposed, tenants: string[]): Promise<void> {
  const { env, now } = at
  const id = newId('san', now)
  await env.DB.batch([
    IMPOSE.bind(env, { ...imposed, id, now: now.getTime() }),
    ...noted(at, tenants, 'sanction.imposed', id, { kind: imposed.kind, reason: imposed.reason }),
  ])
}

/** The audit entries of the operator's act in each tenant that it concerns. */
function noted(
  { env, now }: At,
  tenants: string[],
  action: `${string}.${string}`,
  target: string | null,
  detail: Record<string, unknown>,
) {
  const db = database(env)
  return tenants.flatMap((tenantId) =>
    audited({ db, now, tenantId, actor: OPERATOR }, [{ action, target, detail }], ALWAYS).map((query) =>
      prepared(env, query),
    ),
  )
}

function sanctionFrom(row: Row): Sanction {
  return {
    id: row.id,
    holder: row.holder,
    tenantId: row.tenant_id || null,
    kind: row.kind,
    subject: row.subject,
    why: sanctionInWords(row),
    at: new Date(row.at),
    clearedAt: row.cleared_at === null ? null : new Date(row.cleared_at),
    clearedBy: row.cleared_by,
  }
}
