const MINUTE = 60_000
const HOUR = 3_600_000

/** How long after each failed attempt the next one follows, in ms; after the last there is none. */
const WAITS = [5_000, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]
const JITTER = 0.2

/** Attempts of one delivery: the first and one after each wait. */
export const ATTEMPTS_AT_MOST = WAITS.length + 1

/** How long to wait after so many failed attempts, in ms, spread by ±20 % by a number in [0, 1); null where all are made. */
export function waitAfter(attempts: number, random: number): number | null {
  const wait = WAITS[attempts - 1]
  return wait === undefined ? null : Math.round(wait * (1 - JITTER + 2 * JITTER * random))
}

/** How long every attempt of a webhook may fail before it is disabled, in ms. */
export const FAILING_AT_MOST_MS = 5 * 24 * HOUR
/** How long every attempt must have failed before the others wait for one at a time, in ms. */
export const TRIED_ALONE_AFTER_MS = 10_000
/** Attempts of one webhook that may be under way together while it answers. */
export const TOGETHER_AT_MOST = 20
/** How long one attempt may take, in ms, and how long whoever makes it holds the delivery. */
export const ATTEMPT_MS = 15_000
export const CLAIM_MS = 30_000
