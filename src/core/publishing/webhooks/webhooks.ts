import { and, desc, eq, sql } from 'drizzle-orm'
import { agents } from '../../../schema/accounts.ts'
import type { EventType } from '../../../schema/journal.ts'
import { webhookAttempts, webhookDeliveries, webhooks } from '../../../schema/publishing.ts'
import { isStanding, mustStillStand } from '../../accounts/grants.ts'
import { actorName, agentOfKey, type Ctx, keyIdOf, mustBeAllowed } from '../../ground/ctx.ts'
import { findTarget } from '../../ground/egress/post.ts'
import { Fault } from '../../ground/fault.ts'
import { newId } from '../../ground/ids.ts'
import { fragment } from '../../ground/sql.ts'
import { audited } from '../../journal/audit.ts'
import { isLiveWebhook } from '../../policy/live-key.ts'
import { newWebhookSecret, replacing } from './secret.ts'

export { EVENT_TYPES, type EventType } from '../../../schema/journal.ts'
export type Webhook = typeof webhooks.$inferSelect
export type Delivery = typeof webhookDeliveries.$inferSelect

/** How many webhooks an agent may have, and a tenant in addition to those of its agents. */
const WEBHOOKS_AT_MOST = 100

/** No event types means all of them. */
export type WebhookRequest = {
  url: string
  eventTypes: EventType[]
  description: string | null
  isActive: boolean
  /** The agent whose events it gets; null for those of the whole tenant. A key of an agent always gets that agent's. */
  agentId: string | null
}

export type WebhookChange = Partial<Pick<WebhookRequest, 'url' | 'eventTypes' | 'description' | 'isActive'>>

/**
 * Registers a webhook and returns it with the secret that signs its events, which is never shown again. Throws `invalid` for
 * a URL that may not be called, `agent_not_found`, and `conflict` if the agent has 100 webhooks already.
 */
export async function createWebhook(ctx: Ctx, request: WebhookRequest): Promise<Webhook> {
  mustBeAllowed(ctx, 'manage')
  const agentId = agentOfKey(ctx) ?? request.agentId
  if (agentId !== null) await mustBeAgent(ctx, agentId)
  await mustBeCallable(ctx, request.url)
  const id = newId('wh', ctx.now)
  const now = ctx.now.getTime()
  const [[created]] = await ctx.db.batch([
    ctx.db
      .insert(webhooks)
      .select(
        sql`SELECT ${ctx.tenantId}, ${id}, ${agentId}, ${request.url}, ${JSON.stringify(unique(request.eventTypes))},
        ${request.description}, ${request.isActive ? 1 : 0}, NULL, ${newWebhookSecret()}, '[]', NULL, NULL, ${actorName(ctx.actor)},
        ${keyIdOf(ctx.actor)}, ${now}, ${now}
      WHERE (SELECT count(*) FROM webhooks w WHERE w.tenant_id = ${ctx.tenantId} AND w.agent_id IS ${agentId})
        < ${WEBHOOKS_AT_MOST} AND ${isStanding(ctx)}`,
      )
      .returning(),
    ...audited(ctx, [{ action: 'webhook.created', target: id, detail: { ...request, agentId } }]),
  ])
  if (created) return created
  await mustStillStand(ctx)
  throw new Fault('conflict', `There are ${WEBHOOKS_AT_MOST} webhooks already. Delete one first.`, {
    limit: WEBHOOKS_AT_MOST,
  })
}

/** The webhooks that the actor may see, newest first: an agent's own, or all of the tenant. */
export async function listWebhooks(
  ctx: Ctx,
  page: { before?: string | undefined; limit: number },
): Promise<Webhook[]> {
  mustBeAllowed(ctx, 'read')
  return await ctx.db
    .select()
    .from(webhooks)
    .where(and(isVisible(ctx), page.before ? sql`${webhooks.id} < ${page.before}` : undefined))
    .orderBy(desc(webhooks.id))
    .limit(page.limit)
}

/** Among how many of the newest deliveries the one that was attempted last is searched: an older one may have been replayed. */
const LOOKED_AT = 50

/** One webhook, and the delivery that was attempted last. */
export async function getWebhook(
  ctx: Ctx,
  id: string,
): Promise<{ webhook: Webhook; lastDelivery: Delivery | null }> {
  mustBeAllowed(ctx, 'read')
  const newest = ctx.db
    .select()
    .from(webhookDeliveries)
    .where(
      and(
        eq(webhookDeliveries.tenantId, ctx.tenantId),
        eq(webhookDeliveries.webhookId, id),
        sql`${webhookDeliveries.attempts} > 0`,
      ),
    )
    .orderBy(desc(webhookDeliveries.id))
    .limit(LOOKED_AT)
    .as('newest')
  const [found, last] = await ctx.db.batch([
    ctx.db.select().from(webhooks).where(isIt(ctx, id)),
    ctx.db.select().from(newest).orderBy(desc(newest.updatedAt), desc(newest.id)).limit(1),
  ])
  const [webhook] = found
  if (!webhook) throw noSuchWebhook()
  return { webhook, lastDelivery: last[0] ?? null }
}

/**
 * Changes the given fields of a webhook, and nothing that others change at the same time. Switched on again, or with a new URL,
 * it counts as not failing.
 */
export async function updateWebhook(ctx: Ctx, id: string, change: WebhookChange): Promise<Webhook> {
  mustBeAllowed(ctx, 'manage')
  const { webhook } = await getWebhook(ctx, id)
  const { url, isActive, eventTypes, description } = change
  if (url !== undefined && url !== webhook.url) await mustBeCallable(ctx, url)
  const isFresh = sql`(${webhooks.url} <> ${url ?? webhooks.url}
    OR (${isActive === true ? 1 : 0} AND NOT ${webhooks.isActive}))`
  const isTaken = sql`(${isFresh} OR (${isActive === true ? 1 : 0}
    AND NOT ${fragment(isLiveWebhook('webhooks'), { now: ctx.now.getTime() })}))`
  const isOff = isActive === undefined ? sql`NOT ${webhooks.isActive}` : sql`${isActive ? 0 : 1}`
  const [[changed]] = await ctx.db.batch([
    ctx.db
      .update(webhooks)
      .set({
        ...(url === undefined ? {} : { url }),
        ...(isActive === undefined ? {} : { isActive }),
        ...(eventTypes === undefined ? {} : { eventTypes: unique(eventTypes) }),
        ...(description === undefined ? {} : { description }),
        failingSince: sql`iif(${isFresh}, NULL, ${webhooks.failingSince})`,
        // The sweep releases its waiting deliveries now, or ends them.
        releaseAt: sql`iif(${isFresh} OR ${isOff}, ${ctx.now.getTime()}, ${webhooks.releaseAt})`,
        ...(isActive ? { disabledReason: null } : {}),
        // With a new URL, or switched on again, it is the actor's own and ends with the actor.
        createdBy: sql`iif(${isTaken}, ${actorName(ctx.actor)}, ${webhooks.createdBy})`,
        makerKeyId: sql`iif(${isTaken}, ${keyIdOf(ctx.actor)}, ${webhooks.makerKeyId})`,
        updatedAt: ctx.now,
      })
      .where(and(isIt(ctx, id), isStanding(ctx)))
      .returning(),
    ...audited(ctx, [{ action: 'webhook.changed', target: id, detail: change }]),
  ])
  if (changed) return changed
  await mustStillStand(ctx)
  throw noSuchWebhook()
}

/** Deletes a webhook with its deliveries and attempts. An attempt that is under way is not stopped. */
export async function deleteWebhook(ctx: Ctx, id: string): Promise<void> {
  mustBeAllowed(ctx, 'manage')
  await getWebhook(ctx, id)
  const isOfIt = and(eq(webhookDeliveries.tenantId, ctx.tenantId), eq(webhookDeliveries.webhookId, id))
  await ctx.db.batch([
    ctx.db
      .delete(webhookAttempts)
      .where(
        and(
          eq(webhookAttempts.tenantId, ctx.tenantId),
          sql`${webhookAttempts.deliveryId} IN (SELECT id FROM ${webhookDeliveries} WHERE ${isOfIt})`,
        ),
      ),
    ctx.db.delete(webhookDeliveries).where(isOfIt),
    ctx.db.delete(webhooks).where(isIt(ctx, id)),
    ...audited(ctx, [{ action: 'webhook.deleted', target: id }]),
  ])
}

/** Gives a webhook a new secret, which is shown once. The old one signs as well for 24 hours, even if it is replaced again. */
export async function rotateSecret(ctx: Ctx, id: string): Promise<Webhook> {
  mustBeAllowed(ctx, 'manage')
  const [[rotated]] = await ctx.db.batch([
    ctx.db
      .update(webhooks)
      .set({
        replacedSecrets: replacing(ctx.now),
        secret: newWebhookSecret(),
        updatedAt: ctx.now,
      })
      .where(isIt(ctx, id))
      .returning(),
    ...audited(ctx, [{ action: 'webhook.secret_rotated', target: id }]),
  ])
  if (!rotated) throw noSuchWebhook()
  return rotated
}

async function mustBeAgent(ctx: Ctx, id: string): Promise<void> {
  const [agent] = await ctx.db
    .select({ id: agents.id })
    .from(agents)
    .where(and(eq(agents.tenantId, ctx.tenantId), eq(agents.id, id)))
  if (!agent) throw new Fault('agent_not_found', 'No such agent.', { field: 'agentId' })
}

async function mustBeCallable(ctx: Ctx, url: string): Promise<void> {
  const target = await findTarget(ctx.env, url)
  if (!target.ok) throw new Fault('invalid', `url ${target.reason}`, { field: 'url' })
}

function isIt(ctx: Ctx, id: string) {
  return and(isVisible(ctx), eq(webhooks.id, id))
}

function isVisible(ctx: Ctx) {
  const own = agentOfKey(ctx)
  return and(eq(webhooks.tenantId, ctx.tenantId), own === null ? undefined : eq(webhooks.agentId, own))
}

function unique(types: EventType[]): EventType[] {
  return [...new Set(types)]
}

function noSuchWebhook(): Fault {
  return new Fault('not_found', 'No such webhook.')
}
