import { eq, type SQL, sql } from 'drizzle-orm'
import { tenants } from '../../../schema/accounts.ts'
import { templates } from '../../../schema/letters.ts'
import { actNeedsPerson } from '../../accounts/loosen.ts'
import type { Ctx } from '../../ground/ctx.ts'
import type { Template } from './find.ts'

/** Whether a template of the tenant needs approval, the one with the id `except` aside. `read` is for `isApprovalAsRead`. */
export async function readApproval(ctx: Ctx, except = ''): Promise<{ isNeeded: boolean; read: number }> {
  const [row] = await ctx.db
    .select({ needing: needing(ctx, except) })
    .from(tenants)
    .where(eq(tenants.id, ctx.tenantId))
  const read = row?.needing ?? 0
  return { isNeeded: read > 0, read }
}

/** SQL: as many templates need approval as `readApproval` read. */
export const isApprovalAsRead = (ctx: Ctx, read: number, except = ''): SQL =>
  sql`${needing(ctx, except)} = ${read}`

const needing = (ctx: Ctx, except: string) => sql<number>`(SELECT count(*) FROM ${templates}
  WHERE ${templates.tenantId} = ${ctx.tenantId} AND ${templates.approvalRequired} = 1 AND ${templates.id} <> ${except})`

/** The refusal to create a template without approval, or to delete the last one with it. */
export function approvalNeedsPerson(last: Template | null) {
  const present = last
    ? `approvalRequired: it is true for "${last.slug}" only, so without it no template would need approval.`
    : 'approvalRequired: it is true for another template of this tenant, and false would let agents do more.'
  return actNeedsPerson(present, {
    ...{ kind: 'template', id: last?.id ?? null, field: 'approvalRequired' },
    loosens: ['approvalRequired'],
  })
}
