import { eq } from 'drizzle-orm'
import { agents } from '../../../schema/accounts.ts'
import { agentOfKey, type Ctx } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { fragment } from '../../ground/sql.ts'

const OF_AGENT =
  'x.tenant_id = audit_entries.tenant_id AND x.agent_id = :agentId AND x.id = audit_entries.target'

/**
 * SQL: the entry is about the agent `:agentId`: one of its keys acted, or the change was to the agent, to what belongs to it or
 * to a send from its mailboxes. In a tenant with a single agent, every entry is.
 */
const IS_OF_AGENT = `((SELECT count(*) FROM agents x WHERE x.tenant_id = audit_entries.tenant_id) = 1
  OR audit_entries.target = :agentId
  OR audit_entries.actor IN (SELECT 'key:' || x.id FROM keys x
    WHERE x.tenant_id = audit_entries.tenant_id AND x.agent_id = :agentId)
  OR ${['mailboxes', 'keys', 'webhooks', 'smtp_credentials']
    .map((table) => `EXISTS (SELECT 1 FROM ${table} x WHERE ${OF_AGENT})`)
    .join(' OR ')}
  OR EXISTS (SELECT 1 FROM approvals x JOIN mailboxes m ON m.tenant_id = x.tenant_id AND m.id = x.mailbox_id
    WHERE x.tenant_id = audit_entries.tenant_id AND x.id = audit_entries.target AND m.agent_id = :agentId))`

/** The condition of the entries that the actor may see; undefined if it may see all of the tenant. */
export function isVisible(ctx: Ctx) {
  const agentId = agentOfKey(ctx)
  return agentId === null ? undefined : fragment(IS_OF_AGENT, { agentId })
}

/** Throws `insufficient_scope` for an agent's key in a tenant with other agents: the chain verifies only as a whole. */
export async function mustSeeAll(ctx: Ctx): Promise<void> {
  if (agentOfKey(ctx) === null) return
  const some = await ctx.db
    .select({ id: agents.id })
    .from(agents)
    .where(eq(agents.tenantId, ctx.tenantId))
    .limit(2)
  if (some.length < 2) return
  const message = 'The whole log is also about other agents. Use a key of the whole tenant, or the portal.'
  throw new Fault('insufficient_scope', message)
}
