import { and, desc, eq, gte, isNull, sql } from 'drizzle-orm'
import { deadLetters } from '../../schema/delivery.ts'
import { sends } from '../../schema/sending.ts'
import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { idFloor } from '../ground/ids.ts'
import { type SendStateFacts, STATES } from '../policy/states.ts'

const DAY_MS = 86_400_000

/** What became of a send, as the overview counts it. */
type Outcome = SendStateFacts['countedAs']['overview']

export type Day = { day: string } & Record<Outcome, number>

type Overview = {
  /** The last `days` days in UTC, oldest first. */
  days: Day[]
  totals: Record<Outcome, number>
  /** The reasons of blocked sends, most frequent first. */
  reasons: { reason: string; count: number }[]
  /** Sends whose outcome a person must decide, and dead letters, each counted up to 100. */
  unknown: number
  deadLetters: number
}

/** How long one count is reused, in ms. Counting reads every send of these days, and pages reload often. */
const SHOWN_MS = 5_000
const KEPT_AT_MOST = 200

const recent = new Map<string, { at: number; overview: Overview }>()

/**
 * The outcomes of the tenant's sends of the last days: how many were sent, held, or blocked and by which rule. The answer
 * may be five seconds old.
 */
export async function getOverview(ctx: Ctx, days: number): Promise<Overview> {
  mustBeAllowed(ctx, 'read')
  const key = `${days} ${ctx.tenantId}`
  const at = ctx.now.getTime()
  const known = recent.get(key)
  if (known && at >= known.at && at - known.at < SHOWN_MS) return known.overview
  const overview = await countOverview(ctx, days)
  recent.delete(key)
  recent.set(key, { at, overview })
  for (const oldest of recent.keys()) {
    if (recent.size <= KEPT_AT_MOST) break
    recent.delete(oldest)
  }
  return overview
}

async function countOverview(ctx: Ctx, days: number): Promise<Overview> {
  const today = Math.floor(ctx.now.getTime() / DAY_MS)
  const since = new Date((today - days + 1) * DAY_MS)
  const isRecent = and(eq(sends.tenantId, ctx.tenantId), gte(sends.id, idFloor('req', since)))
  const [counted, unknown, dead] = await ctx.db.batch([
    ctx.db
      .select({
        day: sql<number>`CAST(${sends.createdAt} / ${DAY_MS} AS INTEGER)`.as('day'),
        state: sends.state,
        reason: sql<string | null>`iif(${sends.state} = 'blocked', ${sends.reason}, NULL)`.as('why'),
        count: sql<number>`count(*)`,
      })
      .from(sends)
      .where(isRecent)
      .groupBy(sql`1, 2, 3`),
    ctx.db
      .select({ id: sends.id })
      .from(sends)
      .where(and(isRecent, eq(sends.state, 'unknown')))
      .limit(100),
    ctx.db
      .select({ id: deadLetters.id })
      .from(deadLetters)
      .where(and(eq(deadLetters.tenantId, ctx.tenantId), isNull(deadLetters.replayedAt)))
      .orderBy(desc(deadLetters.id))
      .limit(100),
  ])
  const shown = Array.from({ length: days }, (_, position): Day => {
    const day = today - days + 1 + position
    return { day: new Date(day * DAY_MS).toISOString().slice(0, 10), ...none() }
  })
  const totals = none()
  const reasons = new Map<string, number>()
  for (const { day, state, reason, count } of counted) {
    const outcome = STATES[state].countedAs.overview
    const of = shown[day - (today - days + 1)]
    if (of) of[outcome] += count
    totals[outcome] += count
    if (reason !== null) reasons.set(reason, (reasons.get(reason) ?? 0) + count)
  }
  return {
    days: shown,
    totals,
    reasons: [...reasons].map(([reason, count]) => ({ reason, count })).sort((a, b) => b.count - a.count),
    unknown: unknown.length,
    deadLetters: dead.length,
  }
}

const none = (): Record<Outcome, number> => ({ sent: 0, held: 0, blocked: 0, failed: 0, underway: 0 })
