import { and, desc, eq, lte, sql } from 'drizzle-orm'
import { agents } from '../../schema/accounts.ts'
import { leaseEvents } from '../../schema/coordination.ts'
import { messages, views } from '../../schema/mail.ts'
import { sendRecipients, sends } from '../../schema/sending.ts'
import { parseAddress } from '../ground/address.ts'
import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'

/** One thing that happened between a contact and the tenant's agents. */
export type Touch = {
  at: Date
  kind: 'sent' | 'received' | 'lease'
  agentId: string | null
  agentName: string | null
  /** What came of it: the state of the send, what became of the lease; the subject of mail that came in. */
  what: string
  sendId: string | null
  /** The how manieth of its moment it is. */
  nth: number
}

/** Every touch of a contact by every agent, the newest first, those behind `from` where that is given. */
export async function contactHistory(
  ctx: Ctx,
  email: string,
  page: { from: Pick<Touch, 'at' | 'nth'> | null; limit: number },
): Promise<Touch[]> {
  mustBeAllowed(ctx, 'read')
  const contact = parseAddress(email)?.contact
  if (contact === undefined) throw new Fault('invalid', 'This is not an email address.', { field: 'email' })
  const { at: until, nth: shown } = page.from ?? { at: new Date(8_640_000_000_000), nth: 0 }
  const limit = page.limit + shown
  const nameOf = (id: unknown) =>
    sql<string | null>`(SELECT a.name FROM ${agents} a WHERE a.tenant_id = ${ctx.tenantId} AND a.id = ${id})`
  const [sent, received, held] = await ctx.db.batch([
    ctx.db
      .select({
        at: sendRecipients.createdAt,
        agentId: sendRecipients.agentId,
        agentName: nameOf(sendRecipients.agentId),
        what: sendRecipients.state,
        sendId: sendRecipients.sendId,
        state: sends.state,
      })
      .from(sendRecipients)
      .innerJoin(sends, and(eq(sends.tenantId, sendRecipients.tenantId), eq(sends.id, sendRecipients.sendId)))
      .where(
        and(
          eq(sendRecipients.tenantId, ctx.tenantId),
          eq(sendRecipients.contact, contact),
          lte(sendRecipients.createdAt, until),
        ),
      )
      .orderBy(desc(sendRecipients.sendId))
      .limit(limit),
    ctx.db
      .select({ at: messages.createdAt, what: messages.subject })
      .from(views)
      .innerJoin(messages, and(eq(messages.tenantId, views.tenantId), eq(messages.id, views.messageId)))
      .where(
        and(
          eq(views.tenantId, ctx.tenantId),
          eq(views.fromContact, contact),
          eq(views.folder, 'inbox'),
          lte(messages.createdAt, until),
        ),
      )
      .orderBy(desc(views.at))
      .limit(limit),
    ctx.db
      .select({
        at: leaseEvents.at,
        agentId: leaseEvents.agentId,
        agentName: nameOf(leaseEvents.agentId),
        what: leaseEvents.kind,
      })
      .from(leaseEvents)
      .where(
        and(
          eq(leaseEvents.tenantId, ctx.tenantId),
          eq(leaseEvents.contact, contact),
          lte(leaseEvents.at, until),
        ),
      )
      .orderBy(desc(leaseEvents.id))
      .limit(limit),
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
    ...held.map((touch) => ({ ...touch, kind: 'lease' as const, sendId: null })),
  ]
  const counted = new Map<number, number>()
  return touches
    .sort((a, b) => b.at.getTime() - a.at.getTime())
    .map((touch) => {
      const nth = (counted.get(touch.at.getTime()) ?? 0) + 1
      counted.set(touch.at.getTime(), nth)
      return { ...touch, nth }
    })
    .filter(({ at, nth }) => at < until || nth > shown)
    .slice(0, page.limit)
}
