const MINUTE = 60_000
const HOUR = 3_600_000

/** How long after each failed attempt the next one follows, in ms. */
const WAITS = [5_000, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]
const JITTER = 0.2

/** How long to wait after this many failed attempts, in ms, spread by ±20 % with `random` in [0, 1); null after the last. */
export function waitAfter(attempts: number, random: number): number | null {
  const wait = WAITS[attempts - 1]
  return wait === undefined ? null : Math.round(wait * (1 - JITTER + 2 * JITTER * random))
}

/** How long every attempt of a webhook may fail before it is disabled, in ms. */
export const FAILING_AT_MOST_MS = 5 * 24 * HOUR
/** How long every attempt must have failed before a webhook gets one attempt at a time, in ms. */
export const FAILING_AFTER_MS = 10_000
/** How many attempts of one webhook may be under way at the same time while it answers. */
export const CONCURRENT_AT_MOST = 20
/** How long one attempt may take, in ms, and how long its consumer locks the delivery. */
export const ATTEMPT_MS = 15_000
export const LOCK_MS = 30_000
