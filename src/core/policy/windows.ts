export type Unit = 'hour' | 'day' | 'month'

/** The most sends in one UTC calendar window of each length; null where there is no such limit. */
export type Limits = Record<Unit, number | null>

/** How far one window was used when it was read. Times are ms since 1970. */
export type WindowUse = {
  scope: 'mailbox' | 'plan'
  unit: Unit
  limit: number
  used: number
  resetsAt: number
}

/** The windows and cooldowns by which one send was judged. */
export type WindowSnapshot = { cooldowns: { contact: string; until: number }[]; windows: WindowUse[] }

type WindowRefusal =
  | { rule: 'cooldown'; contact: string; retryAt: number }
  | {
      rule: 'rate_limit_hourly' | 'rate_limit_daily' | 'rate_limit_monthly'
      window: WindowUse
      retryAt: number
    }

const RULE = {
  hour: 'rate_limit_hourly',
  day: 'rate_limit_daily',
  month: 'rate_limit_monthly',
} as const

/** The start of the UTC calendar window that contains `at`. */
export function windowStart(unit: Unit, at: number): number {
  const date = new Date(at)
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
  if (unit === 'month') return Date.UTC(year, month)
  if (unit === 'day') return Date.UTC(year, month, date.getUTCDate())
  return Date.UTC(year, month, date.getUTCDate(), date.getUTCHours())
}

/** The end of the UTC calendar window that contains `at`. The count then starts again from 0. */
export function windowEnd(unit: Unit, at: number): number {
  const start = new Date(windowStart(unit, at))
  if (unit === 'month') return Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1)
  return start.getTime() + (unit === 'day' ? 86_400_000 : 3_600_000)
}

/** The cooldown that refuses a send that leaves at `at`, if one does. */
export function cooldownRefusal(snapshot: WindowSnapshot, at: number): WindowRefusal | undefined {
  const latest = snapshot.cooldowns.filter((each) => each.until > at).sort((a, b) => b.until - a.until)[0]
  return latest && { rule: 'cooldown', contact: latest.contact, retryAt: latest.until }
}

/**
 * The full window of this length that refuses a send that leaves at `at`, if one does. Only the window that contains `at`
 * counts, so today's sends never refuse one that is scheduled for tomorrow.
 */
export function rateRefusal(snapshot: WindowSnapshot, unit: Unit, at: number): WindowRefusal | undefined {
  const full = snapshot.windows.find(
    (window) => window.unit === unit && window.used >= window.limit && at < window.resetsAt,
  )
  return full && { rule: RULE[unit], window: full, retryAt: full.resetsAt }
}

/** The first refusal of cooldown, hour, day and month, in the order in which the policy judges them. */
export function windowRefusal(snapshot: WindowSnapshot, at: number): WindowRefusal | undefined {
  return (
    cooldownRefusal(snapshot, at) ??
    rateRefusal(snapshot, 'hour', at) ??
    rateRefusal(snapshot, 'day', at) ??
    rateRefusal(snapshot, 'month', at)
  )
}
