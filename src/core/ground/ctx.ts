import { type DrizzleD1Database, drizzle } from 'drizzle-orm/d1'
import type { Env } from '../../env.ts'
import type { MailboxScope, OwnerRole, Permission } from '../../schema/accounts.ts'
import { Fault } from './fault.ts'
import { learn } from './log.ts'

/** Who is acting. Rows that record an actor store its `actorName`. */
export type Actor =
  | {
      kind: 'key'
      keyId: string
      agentId: string | null
      permissions: Permission[]
      scopes: MailboxScope[] | null
      expiresAt: Date | null
      /** The key's version when it was read. A change that rests on these rights is written only while it is the same. */
      version: number
      /** The mailboxes that an agent's key reaches, whatever its scopes; null for a key of the whole tenant. */
      reach: string[] | null
    }
  | { kind: 'human'; ownerId: string; role: OwnerRole }
  | { kind: 'smtp'; credentialId: string }
  | { kind: 'system'; name: string }

export type Db = DrizzleD1Database

/** The first argument of every verb of the core: one tenant, one actor, one moment. */
export type Ctx = { env: Env; db: Db; now: Date; tenantId: string; actor: Actor }

const databases = new WeakMap<D1Database, Db>()

/** The Drizzle database of a binding, made once and reused. */
export function database({ DB }: Env): Db {
  const known = databases.get(DB)
  if (known) return known
  const db = drizzle(DB, { casing: 'snake_case' })
  databases.set(DB, db)
  return db
}

/** A query of Drizzle's builder as a D1 statement, so that both kinds can be in one batch. */
export function prepared(
  env: Env,
  query: { toSQL(): { sql: string; params: unknown[] } },
): D1PreparedStatement {
  const { sql, params } = query.toSQL()
  return env.DB.prepare(sql).bind(...params)
}

export function newCtx(env: Env, now: Date, tenantId: string, actor: Actor): Ctx {
  learn({ tenantId })
  return { env, db: database(env), now, tenantId, actor }
}

export function actorName(actor: Actor): string {
  switch (actor.kind) {
    case 'key':
      return `key:${actor.keyId}`
    case 'human':
      return `human:${actor.ownerId}`
    case 'smtp':
      return `smtp:${actor.credentialId}`
    case 'system':
      return `system:${actor.name}`
  }
}

/** The id of the key that is acting; null if none is. */
export function keyIdOf(actor: Actor): string | null {
  return actor.kind === 'key' ? actor.keyId : null
}

/**
 * Whether the mailbox exists for the actor. The mailboxes of other agents do not exist for an agent's key: what is in them is
 * answered like an unknown id.
 */
export function reaches(ctx: Pick<Ctx, 'actor'>, mailboxId: string): boolean {
  return reachOf(ctx)?.includes(mailboxId) ?? true
}

/** The mailboxes that exist for the actor; null if all of the tenant do. */
export function reachOf({ actor }: Pick<Ctx, 'actor'>): string[] | null {
  return actor.kind === 'key' ? (actor.reach ?? null) : null
}

/** The agent whose key asks. Null for a person and for a key of the whole tenant: they see the tenant as a whole. */
export function agentOfKey({ actor }: Pick<Ctx, 'actor'>): string | null {
  return actor.kind === 'key' ? actor.agentId : null
}

export const noSuchMailbox = () =>
  new Fault('mailbox_not_found', 'This tenant has no mailbox with this id.', { field: 'mailboxId' })

/**
 * Throws `insufficient_scope` or `mailbox_scope_denied` unless the actor may do this: to the given mailbox, or without one to
 * the whole tenant. `manage` implies `read` and `send`. Throws `mailbox_not_found` for a mailbox of another agent.
 */
export function mustBeAllowed(ctx: Ctx, wanted: Permission, mailboxId?: string | null) {
  const { actor } = ctx
  if (actor.kind === 'system') return
  if (actor.kind === 'human') {
    if (permits(GRANTED[actor.role], wanted)) return
    throw new Fault('insufficient_scope', `A person with the role "${actor.role}" cannot ${wanted} here.`)
  }
  if (actor.kind === 'smtp') {
    if (wanted === 'send') return
    throw new Fault('insufficient_scope', `An SMTP credential cannot ${wanted}.`)
  }
  if (mailboxId && !reaches(ctx, mailboxId)) throw noSuchMailbox()
  if (actor.scopes === null) {
    if (permits(actor.permissions, wanted)) return
    throw new Fault('insufficient_scope', `This key lacks the permission "${wanted}".`)
  }
  if (!mailboxId) {
    throw new Fault(
      'insufficient_scope',
      'This key is limited to some mailboxes. This request needs a key of the whole tenant.',
    )
  }
  const scope = actor.scopes.find((each) => each.mailboxId === mailboxId)
  if (!scope)
    throw new Fault(
      'mailbox_scope_denied',
      `This key has no access to mailbox "${mailboxId}". Use a key whose scope includes it.`,
    )
  if (!permits(scope.permissions, wanted)) {
    throw new Fault(
      'insufficient_scope',
      `This key lacks the permission "${wanted}" on mailbox "${mailboxId}".`,
    )
  }
}

/** The permissions of each role of a person. */
const GRANTED: Record<OwnerRole, Permission[]> = {
  owner: ['read', 'send', 'manage', 'approve', 'loosen'],
  approver: ['read', 'approve'],
  viewer: ['read'],
}

/** Throws 403 unless the actor may do this to at least one mailbox. An actor that may mail a contact may also reserve it or vote. */
export function mustHoldSomewhere(ctx: Ctx, wanted: Permission) {
  const { actor } = ctx
  if (actor.kind === 'human') mustBeAllowed(ctx, wanted)
  if (actor.kind !== 'key') return
  const held = actor.scopes === null ? actor.permissions : actor.scopes.flatMap((scope) => scope.permissions)
  if (permits(held, wanted)) return
  throw new Fault('insufficient_scope', `This key lacks the permission "${wanted}".`)
}

/** Whether the actor may do this to the tenant as a whole. */
export function may({ actor }: Pick<Ctx, 'actor'>, wanted: Permission): boolean {
  if (actor.kind === 'human') return permits(GRANTED[actor.role], wanted)
  if (actor.kind === 'key') return actor.scopes === null && permits(actor.permissions, wanted)
  return actor.kind === 'system' || wanted === 'send'
}

export function permits(held: Permission[], wanted: Permission): boolean {
  if (held.includes(wanted)) return true
  return held.includes('manage') && (wanted === 'read' || wanted === 'send')
}

/** The mailboxes that an actor may read, or null if it may read all of its tenant. */
export function visibleMailboxes(actor: Actor): string[] | null {
  if (actor.kind !== 'key') return null
  if (actor.scopes === null) return reachOf({ actor })
  return actor.scopes
    .filter((scope) => permits(scope.permissions, 'read') && reaches({ actor }, scope.mailboxId))
    .map((scope) => scope.mailboxId)
}

/**
 * The mailboxes whose rows a list may show: the requested one, else all that the actor may read. Null means every mailbox of
 * the tenant; none if the requested one does not exist for the actor. Throws `insufficient_scope` or `mailbox_scope_denied` if
 * the actor may not read them.
 */
export function mailboxesToShow(ctx: Ctx, mailboxId: string | undefined): string[] | null {
  const { actor } = ctx
  if (mailboxId && (reaches(ctx, mailboxId) || (actor.kind === 'key' && actor.scopes !== null))) {
    mustBeAllowed(ctx, 'read', mailboxId)
    return [mailboxId]
  }
  if (actor.kind !== 'key' || actor.scopes === null) mustBeAllowed(ctx, 'read')
  return mailboxId ? [] : visibleMailboxes(actor)
}

/** The one row that a statement always returns. */
export function one<Row>(rows: Row[]): Row {
  const [row] = rows
  if (row === undefined) throw new Error('a statement that must return a row returned none')
  return row
}
