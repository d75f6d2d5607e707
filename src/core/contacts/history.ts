import { and, desc, eq, lte, type SQLWrapper, sql } from 'drizzle-orm'
import { agents } from '../../schema/accounts.ts'
import { leaseEvents } from '../../schema/coordination.ts'
import { messages, views } from '../../schema/mail.ts'
import { sendRecipients, sends } from '../../schema/sending.ts'
import { mustBeAddress } from '../ground/address.ts'
import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'

/** One thing that happened between a contact and the tenant's agents. */
export type Touch = {
  at: Date
  kind: 'sent' | 'received' | 'lease'
  agentId: string | null
  agentName: string | null
  /** The state of the send, the kind of the lease event, or the subject of the message that came in. */
  what: string
  sendId: string | null
  /** Its number among the touches of the same millisecond, from 1. A page's cursor is made of `at` and `nth`. */
  nth: number
}

/** What to read of a contact: touches up to a time, at most this many of each kind. */
type Range = { contact: string; until: Date; limit: number }

/** Later than any touch. */
const END_OF_TIME = new Date(8_640_000_000_000)

/** Every touch of a contact by every agent, newest first. `from` is the last touch of the previous page. */
export async function contactHistory(
  ctx: Ctx,
  email: string,
  page: { from: Pick<Touch, 'at' | 'nth'> | null; limit: number },
): Promise<Touch[]> {
  mustBeAllowed(ctx, 'read')
  const { contact } = mustBeAddress(email, 'email')
  const { at: until, nth: shown } = page.from ?? { at: END_OF_TIME, nth: 0 }
  const range = { contact, until, limit: page.limit + shown }
  const [sent, received, leased] = await ctx.db.batch([
    selectSent(ctx, range),
    selectReceived(ctx, range),
    selectLeased(ctx, range),
  ])
  const touches: Omit<Touch, 'nth'>[] = [
    ...sent.map(({ state, what, ...touch }) => ({
      ...touch,
      kind: 'sent' as const,
      what: what === 'pending' ? state : what,
    })),
    ...received.map((touch) => ({
      ...touch,
      kind: 'received' as const,
      agentId: null,
      agentName: null,
      sendId: null,
    })),
    ...leased.map((touch) => ({ ...touch, kind: 'lease' as const, sendId: null })),
  ]
  return newestFirst(touches)
    .filter(({ at, nth }) => at < until || nth > shown)
    .slice(0, page.limit)
}

function selectSent({ db, tenantId }: Ctx, { contact, until, limit }: Range) {
  return db
    .select({
      at: sendRecipients.createdAt,
      agentId: sendRecipients.agentId,
      agentName: agentName(tenantId, sendRecipients.agentId),
      what: sendRecipients.state,
      sendId: sendRecipients.sendId,
      state: sends.state,
    })
    .from(sendRecipients)
    .innerJoin(sends, and(eq(sends.tenantId, sendRecipients.tenantId), eq(sends.id, sendRecipients.sendId)))
    .where(
      and(
        eq(sendRecipients.tenantId, tenantId),
        eq(sendRecipients.contact, contact),
        lte(sendRecipients.createdAt, until),
      ),
    )
    .orderBy(desc(sendRecipients.sendId))
    .limit(limit)
}

function selectReceived({ db, tenantId }: Ctx, { contact, until, limit }: Range) {
  return db
    .select({ at: messages.createdAt, what: messages.subject })
    .from(views)
    .innerJoin(messages, and(eq(messages.tenantId, views.tenantId), eq(messages.id, views.messageId)))
    .where(
      and(
        eq(views.tenantId, tenantId),
        eq(views.fromContact, contact),
        eq(views.folder, 'inbox'),
        lte(messages.createdAt, until),
      ),
    )
    .orderBy(desc(views.at))
    .limit(limit)
}

function selectLeased({ db, tenantId }: Ctx, { contact, until, limit }: Range) {
  return db
    .select({
      at: leaseEvents.at,
      agentId: leaseEvents.agentId,
      agentName: agentName(tenantId, leaseEvents.agentId),
      what: leaseEvents.kind,
    })
    .from(leaseEvents)
    .where(
      and(eq(leaseEvents.tenantId, tenantId), eq(leaseEvents.contact, contact), lte(leaseEvents.at, until)),
    )
    .orderBy(desc(leaseEvents.id))
    .limit(limit)
}

const agentName = (tenantId: string, agentId: SQLWrapper) =>
  sql<string | null>`(SELECT a.name FROM ${agents} a WHERE a.tenant_id = ${tenantId} AND a.id = ${agentId})`

/** Sorts touches and numbers those of the same millisecond. */
function newestFirst(touches: Omit<Touch, 'nth'>[]): Touch[] {
  const counted = new Map<number, number>()
  return touches
    .sort((a, b) => b.at.getTime() - a.at.getTime())
    .map((touch) => {
      const nth = (counted.get(touch.at.getTime()) ?? 0) + 1
      counted.set(touch.at.getTime(), nth)
      return { ...touch, nth }
    })
}
