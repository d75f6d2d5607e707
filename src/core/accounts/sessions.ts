import { and, asc, eq, gt, isNotNull, isNull, lt, lte, or, sql } from 'drizzle-orm'
import { type Env, settings } from '../../env.ts'
import { owners, sessions, signIns, tenants } from '../../schema/accounts.ts'
import { parseAddress } from '../ground/address.ts'
import { type Ctx, database, newCtx } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { sha256 } from '../ground/hash.ts'
import { newBearer, newId } from '../ground/ids.ts'
import { isLoopback, networkOf } from '../ground/network.ts'
import { fragment } from '../ground/sql.ts'
import { throttle } from '../limits/throttle.ts'
import { isReceived } from '../policy/received.ts'
import type { Letter } from './letter.ts'
import { endStreams, SESSION_IDLE_MS } from './streams.ts'

type At = { env: Env; now: Date }

type Session = typeof sessions.$inferSelect

/** A tenant that a person can enter, and their role there. */
type Membership = {
  tenantId: string
  tenantName: string
  ownerId: string
  role: (typeof owners.$inferSelect)['role']
}

/** A signed-in person. `ctx` is null until they choose one of their several tenants. */
export type Person = { session: Session; memberships: Membership[]; ctx: Ctx | null }

const SIGN_IN_MS = 15 * 60_000
const ABSOLUTE_MS = 7 * 86_400_000
/** The time of the last visit is written at most this often, so that not every page causes a write. */
const SEEN_EVERY_MS = 60_000
/** Most sign-in letters to one address. */
const LETTERS = { hour: 5, day: 20 }
/** Most sign-in requests from one network. */
const REQUESTS = { hour: 30, day: 100 }
const TOKEN = /^[A-Za-z0-9_-]{43}$/
const BROWSER_AT_MOST = 200

/**
 * Counts a request for a sign-in link. An unknown address is counted like a known one, so that the answer does not tell
 * which it is. Returns the canonical address, or `retryAt` after too many requests. Throws `invalid` for text that is no
 * address.
 */
export async function countSignInRequest(
  at: At,
  request: { email: string; clientAddress: string | null },
): Promise<{ retryAt: Date } | { contact: string }> {
  const address = parseAddress(request.email)
  if (!address) {
    throw new Fault('invalid', 'email is not an email address. Give one such as ann@example.com.', {
      field: 'email',
    })
  }
  const { clientAddress } = request
  const network = (clientAddress === null ? null : networkOf(clientAddress)) ?? 'unknown'
  const isLocalhost = clientAddress === null || isLoopback(clientAddress)
  for (const [name, limits] of [
    ...(settings(at.env).isLocal && isLocalhost ? [] : [[`sign-in from ${network}`, REQUESTS] as const]),
    [`sign-in of ${address.contact}`, LETTERS] as const,
  ]) {
    const counted = await throttle(at, name, limits)
    if (!counted.isAllowed) return { retryAt: counted.retryAt }
  }
  return { contact: address.contact }
}

/** The letter with a new sign-in link, or null if no person has this address. */
export async function signInLetter(at: At, contact: string): Promise<Letter | null> {
  const [first] = await membershipsOf(at.env, contact)
  if (!first) return null
  const token = await newSignIn(at, contact)
  return {
    to: contact,
    subject: 'Your link to sign in to Moltpost',
    text: `Open this link within 15 minutes and press the button there:

${settings(at.env).publicUrl}/portal/enter/${token}

It works once. If you did not ask for it, do nothing: nobody can sign in without it.
`,
  }
}

/**
 * Makes a sign-in link and returns its secret. The secret alone signs a person in, so it is only ever mailed to them.
 */
export async function newSignIn({ env, now }: At, contact: string): Promise<string> {
  const token = newBearer()
  const expiresAt = new Date(now.getTime() + SIGN_IN_MS)
  await database(env)
    .insert(signIns)
    .values({ tokenHash: await sha256(token), contact, expiresAt })
  return token
}

/**
 * The address that a sign-in link is for, or null if it is unknown, used or expired. It uses nothing up, because
 * scanners open every link.
 */
export async function findSignIn({ env, now }: At, token: string): Promise<{ contact: string } | null> {
  if (!TOKEN.test(token)) return null
  const [row] = await database(env)
    .select({ contact: signIns.contact })
    .from(signIns)
    .where(
      and(eq(signIns.tokenHash, await sha256(token)), isNull(signIns.usedAt), gt(signIns.expiresAt, now)),
    )
  return row ?? null
}

/**
 * Uses a mailed link once and opens a session with a new secret, which it returns. The browser's earlier session ends. It
 * also proves the address of a person who was invited. Throws `expired` for a link that is unknown, used or expired.
 */
export async function signIn(
  at: At,
  token: string,
  browser: { name: string | null; session: string | null },
): Promise<string> {
  const { env, now } = at
  const db = database(env)
  const [used] = TOKEN.test(token)
    ? await db
        .update(signIns)
        .set({ usedAt: now })
        .where(
          and(
            eq(signIns.tokenHash, await sha256(token)),
            isNull(signIns.usedAt),
            gt(signIns.expiresAt, now),
            // A mailbox may have got the address since the letter was written.
            sql`NOT ${fragment(isReceived('sign_ins.contact'))}`,
          ),
        )
        .returning({ contact: signIns.contact })
    : []
  if (!used) throw new Fault('expired', 'This link was already used, or it has expired. Ask for a new one.')
  const { contact } = used
  const secret = newBearer()
  const memberships = await membershipsOf(env, contact)
  const [only, ...others] = memberships
  await db.batch([
    db.insert(sessions).values({
      tokenHash: await sha256(secret),
      id: newId('ses', now),
      contact,
      tenantId: only && others.length === 0 ? only.tenantId : null,
      browser: browser.name?.slice(0, BROWSER_AT_MOST) ?? null,
      createdAt: now,
      seenAt: now,
      expiresAt: new Date(now.getTime() + ABSOLUTE_MS),
    }),
    ...(only && others.length === 0 ? [acceptInvitation(at, contact, only.tenantId)] : []),
    db.delete(sessions).where(eq(sessions.tokenHash, await sha256(browser.session ?? ''))),
  ])
  return secret
}

/** The person of a session, or null if the session is unknown, idle for 12 hours or older than 7 days. */
export async function readSession({ env, now }: At, secret: string): Promise<Person | null> {
  if (!TOKEN.test(secret)) return null
  const db = database(env)
  const tokenHash = await sha256(secret)
  const rows = await db
    .select({ session: sessions, membership: MEMBERSHIP })
    .from(sessions)
    .leftJoin(owners, and(signsInWith('sessions.contact'), MAY_ENTER))
    .leftJoin(tenants, eq(tenants.id, owners.tenantId))
    .where(
      and(
        eq(sessions.tokenHash, tokenHash),
        gt(sessions.expiresAt, now),
        gt(sessions.seenAt, new Date(now.getTime() - SESSION_IDLE_MS)),
      ),
    )
    .orderBy(asc(owners.tenantId))
  const [first] = rows
  if (!first) return null
  const { session } = first
  if (now.getTime() - session.seenAt.getTime() > SEEN_EVERY_MS) {
    await db.update(sessions).set({ seenAt: now }).where(eq(sessions.tokenHash, tokenHash))
  }
  const memberships = rows.flatMap(({ membership }) =>
    membership.tenantId ? [membership as Membership] : [],
  )
  const chosen = memberships.find(({ tenantId }) => tenantId === session.tenantId)
  const ctx = chosen
    ? newCtx(env, now, chosen.tenantId, { kind: 'human', ownerId: chosen.ownerId, role: chosen.role })
    : null
  return { session, memberships, ctx }
}

/** The first visit of a person who was invited proves their address, in the account that they enter and in no other. */
function acceptInvitation({ env, now }: At, contact: string, tenantId: string) {
  const isInvited = and(isNull(owners.claimedAt), isNull(owners.verifiedAt))
  return database(env)
    .update(owners)
    .set({ verifiedAt: now })
    .where(and(eq(owners.contact, contact), eq(owners.tenantId, tenantId), isInvited))
}

/**
 * Switches the session to another of the person's tenants. Throws `not_found` for a tenant that they do not belong
 * to.
 */
export async function chooseTenant(at: At, person: Person, tenantId: string): Promise<void> {
  if (!person.memberships.some((each) => each.tenantId === tenantId)) {
    throw new Fault('not_found', 'You do not belong to an account with this id.')
  }
  const { env, now } = at
  const db = database(env)
  const { tokenHash, contact } = person.session
  await db.batch([
    db.update(sessions).set({ tenantId }).where(eq(sessions.tokenHash, tokenHash)),
    acceptInvitation(at, contact, tenantId),
  ])
  if (person.session.tenantId !== null) await endStreams({ env, now, tenantId: person.session.tenantId })
}

/** The person's live sessions, newest first. */
export async function listSessions(
  { env, now }: At,
  { session }: Person,
  page: { before?: string | undefined; limit: number },
): Promise<Session[]> {
  return await database(env)
    .select()
    .from(sessions)
    .where(
      and(
        eq(sessions.contact, session.contact),
        gt(sessions.expiresAt, now),
        gt(sessions.seenAt, new Date(now.getTime() - SESSION_IDLE_MS)),
        page.before ? lt(sessions.id, page.before) : undefined,
      ),
    )
    .orderBy(sql`${sessions.id} DESC`)
    .limit(page.limit)
}

/**
 * Ends one of the person's sessions, or without an id all but the current one. Throws `not_found` for an unknown id.
 */
export async function endSessions({ env, now }: At, { session }: Person, id: string | null): Promise<void> {
  const db = database(env)
  const ended = await db
    .delete(sessions)
    .where(
      and(
        eq(sessions.contact, session.contact),
        id === null ? sql`${sessions.id} <> ${session.id}` : eq(sessions.id, id),
      ),
    )
    .returning({ id: sessions.id, tenantId: sessions.tenantId })
  const tenantIds = new Set(ended.flatMap(({ tenantId }) => tenantId ?? []))
  await Promise.all([...tenantIds].map((tenantId) => endStreams({ env, now, tenantId })))
  if (id !== null && ended.length === 0) throw new Fault('not_found', 'You have no session with this id.')
}

/** Deletes expired sessions and sign-in links. */
export async function forgetSessions(env: Env, now: Date): Promise<void> {
  const db = database(env)
  const idle = new Date(now.getTime() - SESSION_IDLE_MS)
  await db.batch([
    db.delete(signIns).where(lte(signIns.expiresAt, now)),
    db.delete(sessions).where(or(lte(sessions.expiresAt, now), lte(sessions.seenAt, idle))),
  ])
}

const MEMBERSHIP = {
  tenantId: owners.tenantId,
  tenantName: tenants.name,
  ownerId: owners.id,
  role: owners.role,
}

/** A person who claimed an agent must have proved their address. A person who was invited proves it by signing in. */
const MAY_ENTER = or(isNotNull(owners.verifiedAt), isNull(owners.claimedAt))

/** SQL: the person has this address, as their own or as another one in this account. */
const signsInWith = (contact: string, values: Record<string, string> = {}) =>
  fragment(
    `(owners.contact = ${contact} OR EXISTS (SELECT 1 FROM second_addresses s WHERE s.tenant_id = owners.tenant_id
      AND s.owner_id = owners.id AND s.contact = ${contact} AND s.verified_at IS NOT NULL))`,
    values,
  )

async function membershipsOf(env: Env, contact: string): Promise<Membership[]> {
  return await database(env)
    .select(MEMBERSHIP)
    .from(owners)
    .innerJoin(tenants, eq(tenants.id, owners.tenantId))
    .where(and(signsInWith(':contact', { contact }), MAY_ENTER))
    .orderBy(asc(owners.tenantId))
}
