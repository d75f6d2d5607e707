/** The health of one carrier: plain data, so that it can be kept anywhere and tested without a clock. Times are ms. */
export type Circuit = {
  /** Newest last; only those of the last 30 s count. */
  outcomes: { at: number; ok: boolean }[]
  consecutiveFailures: number
  openedAt: number | null
  /** How often it opened in a row. It stays open longer each time. */
  openings: number
  probeAt: number | null
}

const WINDOW_MS = 30_000
const CONSECUTIVE = 5
const AT_LEAST = 20
const RATIO = 0.5
const BACK_OFF_MS = 30_000
const BACK_OFF_AT_MOST_MS = 300_000
/** A probe that never reported is forgotten after this long. */
const PROBE_MS = 60_000

export const CLOSED: Circuit = {
  outcomes: [],
  consecutiveFailures: 0,
  openedAt: null,
  openings: 0,
  probeAt: null,
}

/** Whether a send may go to this carrier now, and the circuit to keep. A half-open circuit allows one probe at a time. */
export function permit(circuit: Circuit, now: number): { allowed: boolean; circuit: Circuit } {
  if (circuit.openedAt === null) return { allowed: true, circuit }
  if (now < circuit.openedAt + openMs(circuit)) return { allowed: false, circuit }
  if (circuit.probeAt !== null && now < circuit.probeAt + PROBE_MS) return { allowed: false, circuit }
  return { allowed: true, circuit: { ...circuit, probeAt: now } }
}

/** The state of a circuit and its recent outcomes, for display. */
export type Health = { state: 'closed' | 'open' | 'half_open'; ok: number; failed: number }

export function healthOf(circuit: Circuit, now: number): Health {
  const recent = circuit.outcomes.filter(({ at }) => at > now - WINDOW_MS)
  const ok = recent.filter((each) => each.ok).length
  const state =
    circuit.openedAt === null ? 'closed' : now < circuit.openedAt + openMs(circuit) ? 'open' : 'half_open'
  return { state, ok, failed: recent.length - ok }
}

/** The circuit after one more outcome. It opens at 5 failures in a row, or at half of at least 20 within 30 s. */
export function report(circuit: Circuit, ok: boolean, now: number): Circuit {
  const outcomes = [...circuit.outcomes.filter(({ at }) => at > now - WINDOW_MS), { at: now, ok }].slice(-200)
  if (circuit.openedAt !== null) {
    if (ok) return { ...CLOSED, outcomes: [{ at: now, ok }] }
    if (circuit.probeAt === null) return { ...circuit, outcomes }
    return { ...circuit, outcomes, openedAt: now, openings: circuit.openings + 1, probeAt: null }
  }
  const consecutiveFailures = ok ? 0 : circuit.consecutiveFailures + 1
  const failures = outcomes.filter((each) => !each.ok).length
  const mustOpen =
    consecutiveFailures >= CONSECUTIVE || (outcomes.length >= AT_LEAST && failures / outcomes.length >= RATIO)
  const openings = mustOpen ? circuit.openings + 1 : ok ? 0 : circuit.openings
  return { outcomes, consecutiveFailures, openedAt: mustOpen ? now : null, openings, probeAt: null }
}

const openMs = ({ openings }: Circuit) => Math.min(BACK_OFF_MS * openings, BACK_OFF_AT_MOST_MS)
