import { and, desc, eq, gte, inArray, lt } from 'drizzle-orm'
import { webhookAttempts, webhookDeliveries } from '../../../schema/publishing.ts'
import { type Ctx, mustBeAllowed, prepared } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { idFloor, newId, newToken } from '../../ground/ids.ts'
import { statement } from '../../ground/sql.ts'
import { publishedEvent } from '../../journal/event-rows.ts'
import { ringDeliveries } from '../../journal/webhook-bells.ts'
import { type Attempted, attemptDelivery } from './attempt.ts'
import { LOCK_MS } from './schedule.ts'
import { RELEASE_FIRST } from './waiting.ts'
import { type Delivery, getWebhook, type Webhook } from './webhooks.ts'

export type { Delivery } from './webhooks.ts'
export type Attempt = typeof webhookAttempts.$inferSelect
export const DELIVERY_STATES = webhookDeliveries.state.enumValues

/** The deliveries of a webhook, newest first. */
export async function listDeliveries(
  ctx: Ctx,
  webhookId: string,
  page: { state?: Delivery['state'] | undefined; before?: string | undefined; limit: number },
): Promise<Delivery[]> {
  await getWebhook(ctx, webhookId)
  return await ctx.db
    .select()
    .from(webhookDeliveries)
    .where(
      and(
        isOf(ctx, webhookId),
        page.state && eq(webhookDeliveries.state, page.state),
        page.before ? lt(webhookDeliveries.id, page.before) : undefined,
      ),
    )
    .orderBy(desc(webhookDeliveries.id))
    .limit(page.limit)
}

/** One delivery with its attempts, in order. */
export async function getDelivery(
  ctx: Ctx,
  webhookId: string,
  id: string,
): Promise<{ delivery: Delivery; attempts: Attempt[] }> {
  await getWebhook(ctx, webhookId)
  const [found, attempts] = await ctx.db.batch([
    ctx.db
      .select()
      .from(webhookDeliveries)
      .where(and(isOf(ctx, webhookId), eq(webhookDeliveries.id, id))),
    ctx.db
      .select()
      .from(webhookAttempts)
      .where(and(eq(webhookAttempts.tenantId, ctx.tenantId), eq(webhookAttempts.deliveryId, id)))
      .orderBy(webhookAttempts.attempt),
  ])
  const [delivery] = found
  if (!delivery) throw new Fault('not_found', 'No such delivery.')
  return { delivery, attempts }
}

/**
 * Delivers an event again, with the whole schedule of attempts and under its own id. A pending delivery stays as it is. Throws
 * `conflict` if the webhook is switched off.
 */
export async function replayDelivery(ctx: Ctx, webhookId: string, id: string): Promise<Delivery> {
  await mustBeReplayable(ctx, webhookId)
  const { delivery } = await getDelivery(ctx, webhookId, id)
  const [revived] = await ctx.db
    .update(webhookDeliveries)
    .set(anew(ctx))
    .where(
      and(
        isOf(ctx, webhookId),
        eq(webhookDeliveries.id, id),
        inArray(webhookDeliveries.state, ['delivered', 'dead']),
      ),
    )
    .returning()
  if (revived) await ringDeliveries(ctx.env, [{ tenantId: ctx.tenantId, deliveryId: id }])
  return revived ?? delivery
}

/**
 * Makes all dead deliveries pending again that were created since a time. They wait until the webhook can take them. Returns
 * how many there are.
 */
export async function replayDead(ctx: Ctx, webhookId: string, since: Date): Promise<number> {
  await mustBeReplayable(ctx, webhookId)
  const { env, tenantId } = ctx
  const revive = ctx.db
    .update(webhookDeliveries)
    .set({ ...anew(ctx), nextAt: null, isWaiting: true })
    .where(
      and(
        isOf(ctx, webhookId),
        gte(webhookDeliveries.id, idFloor('whd', since)),
        eq(webhookDeliveries.state, 'dead'),
      ),
    )
  const [, revived, released] = await env.DB.batch([
    prepared(env, revive),
    CHANGES.bind(env, {}),
    RELEASE_FIRST.bind(env, { tenantId, webhookId, now: ctx.now.getTime() }),
  ])
  await ringDeliveries(
    env,
    RELEASE_FIRST.rows(released).map(({ id }) => ({ tenantId, deliveryId: id })),
  )
  return CHANGES.rows(revived)[0]?.count ?? 0
}

/** What the statement before has changed itself, without its triggers. */
const CHANGES = statement<{ count: number }>('SELECT changes() AS count')

const ADD_LOCKED = statement(`
  INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, event_id, event_type, state, attempts, next_at, lock_token,
    lock_until, created_at, updated_at)
  VALUES (:tenantId, :id, :webhookId, :eventId, 'ping', 'pending', 1, :until, :token, :until, :now, :now)`)

/** Sends a webhook a `ping` now, even if it is switched off, and returns the outcome. A failed test is not repeated. */
export async function testWebhook(ctx: Ctx, webhookId: string): Promise<Attempted> {
  mustBeAllowed(ctx, 'manage')
  const { webhook } = await getWebhook(ctx, webhookId)
  const { tenantId, now } = ctx
  const eventId = `evt_${newToken()}`
  const id = newId('whd', now)
  const token = newToken()
  const payload = JSON.stringify(pingOf(webhook, eventId, now))
  const at = now.getTime()
  await ctx.env.DB.batch([
    publishedEvent(
      ctx.env,
      { tenantId, id: eventId, type: 'ping', agentId: webhook.agentId },
      { refs: { webhookId }, payload, now },
    ),
    ADD_LOCKED.bind(ctx.env, { tenantId, id, webhookId, eventId, until: at + LOCK_MS, token, now: at }),
  ])
  const { url, secret, replacedSecrets } = webhook
  const locked = { url, secret, replacedSecrets, tenantId, id, token, attempts: 1 }
  const event = { eventId, eventType: 'ping' as const, payload, webhookId }
  return await attemptDelivery(ctx.env, { ...locked, ...event }, { clock: () => new Date() })
}

function pingOf({ id, agentId, tenantId }: Webhook, eventId: string, now: Date) {
  return {
    id: eventId,
    type: 'ping',
    created_at: now.toISOString(),
    tenant_id: tenantId,
    agent_id: agentId,
    mailbox_id: null,
    data: { webhook_id: id },
  }
}

async function mustBeReplayable(ctx: Ctx, webhookId: string): Promise<void> {
  mustBeAllowed(ctx, 'manage')
  const { webhook } = await getWebhook(ctx, webhookId)
  if (webhook.isActive) return
  throw new Fault('conflict', 'The webhook is switched off. Switch it on, then replay.')
}

function anew({ now }: Ctx) {
  return {
    state: 'pending' as const,
    attempts: 0,
    error: null,
    statusCode: null,
    nextAt: now,
    updatedAt: now,
  }
}

function isOf(ctx: Ctx, webhookId: string) {
  return and(eq(webhookDeliveries.tenantId, ctx.tenantId), eq(webhookDeliveries.webhookId, webhookId))
}
