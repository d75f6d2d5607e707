import { and, eq, type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import { mailboxes, tenants } from '../../schema/accounts.ts'
import type { Ctx } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { type AroundMailbox, MAILBOX } from '../policy/laxer.ts'
import { columnsOf } from '../policy/loosened.ts'

/** SQL: values as one text, by which a statement sees whether they are still as they were read. */
export const asText = (values: SQLWrapper[]) => sql<string>`json_array(${sql.join(values, sql`, `)})`

/** The mailboxes whose settings decide about a change, what these depend on, and all of it as one text. */
export type Terms = {
  rows: (typeof mailboxes.$inferSelect)[]
  around: AroundMailbox & { defaultMailboxId: string | null }
  read: string
}

/** Reads the mailboxes for which `which` holds. A statement with `isAsRead` writes only if nothing of it has changed since. */
export async function readTerms(ctx: Ctx, which: SQL): Promise<Terms> {
  const [[tenant], rows] = await ctx.db.batch([
    ctx.db
      .select({
        cooldownMs: tenants.cooldownMs,
        plan: tenants.plan,
        defaultMailboxId: tenants.defaultMailboxId,
        read: termsText(ctx, which),
      })
      .from(tenants)
      .where(eq(tenants.id, ctx.tenantId)),
    ctx.db
      .select()
      .from(mailboxes)
      .where(and(eq(mailboxes.tenantId, ctx.tenantId), which))
      .orderBy(mailboxes.id),
  ])
  if (!tenant) throw new Fault('not_found', 'This tenant no longer exists.')
  const { read, ...around } = tenant
  return { rows, around, read }
}

/** SQL: the settings that `readTerms` read are still the same. */
export const isAsRead = (ctx: Ctx, which: SQL, read: string) => sql`${termsText(ctx, which)} = ${read}`

function termsText(ctx: Ctx, which: SQL) {
  const settings = columnsOf(MAILBOX).map((column) => mailboxes[column])
  return sql<string>`(SELECT json_array(t.cooldown_ms, t.plan, t.default_mailbox_id, (
      SELECT json_group_array(${asText([mailboxes.id, ...settings])}) FROM ${mailboxes}
      WHERE ${mailboxes.tenantId} = ${ctx.tenantId} AND ${which}))
    FROM tenants t WHERE t.id = ${ctx.tenantId})`
}
