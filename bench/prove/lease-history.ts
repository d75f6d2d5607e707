/** One entry of a contact's lease history, as `GET /v1/agent/coordination/leases/history` returns it. */
export type LeaseRecord = {
  kind: string
  at: string
  leaseId: string
  epoch: number
  /** The agent that acted. Not used, because every entry names the holder. */
  agentId?: string
  holderId: string
  expiresAt: string
}

/** One attempt to give a send for the contact to a carrier, from `at` to `until`. `until` is null while the outcome is unknown. */
export type Departure = { sendId: string; agentId: string | null; at: string; until: string | null }

/** The fields of `GET /v1/agent/sends/:requestId` that are used here. */
export type TracedSend = {
  requestId: string
  agentId: string | null
  status: string
  trace: { kind: string; at: string }[]
}

export type Violation = {
  kind: 'two_holders' | 'epoch_not_increasing' | 'revived' | 'no_grant' | 'foreign_departure'
  at: string
  detail: string
}

export type Exclusivity = { holds: boolean; holders: number; departures: number; violations: Violation[] }

/** How long after its last heartbeat an agent keeps its leases, in ms. */
const ACTIVE_FOR_MS = 300_000

/** The time for which one agent held the contact. */
type Tenure = { leaseId: string; holderId: string; epoch: number; from: number; to: number }

/**
 * Checks that only one agent at a time held a contact: the contact never has two holders, every grant has a greater epoch than
 * all grants before it, no lease continues after its end, and no agent's message leaves while another agent holds the contact.
 * Entries may be in any order. `heartbeats` has the last heartbeat of each agent: if the end of a lease is not recorded, the
 * lease ends five minutes after it. The times of departures come from another clock, so a departure may reach up to `skewMs`
 * into another agent's lease.
 */
export function checkExclusivity(
  history: LeaseRecord[],
  departures: Departure[],
  { heartbeats = {}, skewMs = 0 }: { heartbeats?: Record<string, string>; skewMs?: number } = {},
): Exclusivity {
  const violations: Violation[] = []
  const report = (kind: Violation['kind'], at: number, detail: string) =>
    violations.push({ kind, at: new Date(at).toISOString(), detail })

  const byLease = Map.groupBy(
    history.filter((entry) => entry.kind !== 'refused'),
    (entry) => entry.leaseId,
  )
  const tenures = [...byLease]
    .map(([leaseId, entries]) => tenureOf(leaseId, entries, heartbeats, report))
    .sort((a, b) => a.from - b.from || a.epoch - b.epoch)

  let latest: Tenure | undefined
  let greatest: Tenure | undefined
  for (const tenure of tenures) {
    if (latest && tenure.from < latest.to) {
      const both = `${latest.leaseId} of ${latest.holderId} and ${tenure.leaseId} of ${tenure.holderId}`
      report('two_holders', tenure.from, both)
    }
    if (greatest && tenure.epoch <= greatest.epoch) {
      const epochs = `${tenure.epoch} of ${tenure.leaseId} after ${greatest.epoch} of ${greatest.leaseId}`
      report('epoch_not_increasing', tenure.from, epochs)
    }
    if (!latest || tenure.to > latest.to) latest = tenure
    if (!greatest || tenure.epoch > greatest.epoch) greatest = tenure
  }

  for (const { sendId, agentId, at, until } of departures) {
    const [from, to] = [ms(at), until === null ? Number.POSITIVE_INFINITY : ms(until)]
    for (const tenure of tenures) {
      const [begin, end] = [tenure.from + skewMs, tenure.to - skewMs]
      const isDuring = begin < end && from < end && (to > begin || from >= begin)
      if (!isDuring || agentId === tenure.holderId) continue
      const who = `${sendId} of ${agentId ?? 'nobody'} during ${tenure.leaseId} of ${tenure.holderId}`
      report('foreign_departure', Math.max(from, tenure.from), who)
    }
  }
  return {
    holds: violations.length === 0,
    holders: tenures.length,
    departures: departures.length,
    violations,
  }
}

/**
 * The attempts of one send. An attempt begins with a routing step and ends with the delivery step that has its outcome. If the
 * outcome is missing and the send is in flight, the attempt is still under way. If the send is not in flight, no mail left.
 */
export function departuresOf({ requestId, agentId, status, trace }: TracedSend): Departure[] {
  return trace.flatMap((step, position) => {
    if (step.kind !== 'routing') return []
    const next = trace.slice(position + 1).find((each) => each.kind === 'routing' || each.kind === 'delivery')
    if (next?.kind === 'delivery') return { sendId: requestId, agentId, at: step.at, until: next.at }
    return status === 'in_flight' && !next ? { sendId: requestId, agentId, at: step.at, until: null } : []
  })
}

/** The time from the grant of a lease to its recorded end. If no end is recorded: to the last moment at which it may be valid. */
function tenureOf(
  leaseId: string,
  entries: LeaseRecord[],
  heartbeats: Record<string, string>,
  report: (kind: Violation['kind'], at: number, detail: string) => void,
): Tenure {
  const grants = entries.filter((entry) => entry.kind === 'granted')
  const ends = entries.filter((entry) => entry.kind === 'released' || entry.kind === 'expired')
  const renewals = entries.filter((entry) => entry.kind === 'renewed')
  const first = grants[0] ?? entries[0]
  if (!first) throw new Error('a lease without entries cannot be checked')
  const from = ms(first.at)
  const { holderId, epoch } = first
  if (grants.length === 0) report('no_grant', from, leaseId)
  if (grants.length > 1) report('revived', ms(grants[1]?.at ?? first.at), `${leaseId} was granted twice`)
  if (ends.length > 1) report('revived', ms(ends[1]?.at ?? first.at), `${leaseId} ended twice`)
  const other = entries.find((entry) => entry.epoch !== epoch || entry.holderId !== holderId)
  if (other) report('epoch_not_increasing', ms(other.at), `${leaseId} changed its epoch or its holder`)

  const promised = Math.max(...[...grants, ...renewals].map((entry) => ms(entry.expiresAt)), from)
  const lastBeat = heartbeats[holderId]
  const silent = lastBeat === undefined ? Number.POSITIVE_INFINITY : ms(lastBeat) + ACTIVE_FOR_MS + 1
  const to = ends.length > 0 ? Math.min(...ends.map((entry) => ms(entry.at))) : Math.min(promised, silent)
  const late = renewals.find((entry) => ms(entry.at) > to)
  if (late) report('revived', ms(late.at), `${leaseId} was renewed after its end`)
  return { leaseId, holderId, epoch, from, to: Math.max(from, to) }
}

function ms(at: string): number {
  const time = Date.parse(at)
  if (Number.isNaN(time)) throw new Error(`"${at}" is not a time`)
  return time
}
