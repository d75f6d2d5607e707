import { expect, test } from 'vitest'
import {
  checkExclusivity,
  type Departure,
  departuresOf,
  type LeaseRecord,
} from '../../bench/prove/lease-history.ts'
import { decideHold, type Hold, type Wanted } from '../../src/core/policy/lease-hold.ts'

const START = Date.UTC(2100, 0, 1)
const iso = (ms: number) => new Date(START + ms).toISOString()

test('a hold is live to its last millisecond, only its own agent renews it, and each new hold has a greater epoch', () => {
  const wanted = (agentId: string, from: number, to: number): Wanted => ({
    ...{ id: `${agentId}${from}`, agentId, intent: 'general' },
    ...{ createdAt: from, expiresAt: to },
  })
  const first = decideHold(null, 0, wanted('a', 0, 100), null, 0)
  expect(first).toEqual({ granted: true, hold: { ...wanted('a', 0, 100), epoch: 1 } })
  const { hold } = first
  expect(decideHold(hold, 1, wanted('b', 99, 199), null, 99)).toEqual({ granted: false, hold })
  expect(decideHold(hold, 1, wanted('b', 100, 200), null, 100).hold).toMatchObject({ agentId: 'b', epoch: 2 })
  expect(decideHold(hold, 1, wanted('a', 50, 150), null, 50).hold).toEqual({ ...hold, expiresAt: 150 })
  expect(decideHold(hold, 1, wanted('a', 50, 60), null, 50).hold).toEqual(hold)

  const over = { ...hold, isOver: true }
  expect(decideHold(hold, 1, wanted('b', 50, 150), over, 50).hold).toMatchObject({ agentId: 'b', epoch: 2 })
  const later: Hold = { ...wanted('c', 50, 150), epoch: 2 }
  expect(decideHold(later, 2, wanted('b', 60, 160), over, 60)).toEqual({ granted: false, hold: later })
  const live = { ...hold, isOver: false }
  expect(decideHold(null, 0, wanted('b', 50, 150), live, 50)).toEqual({ granted: false, hold })
  expect(decideHold(null, 0, wanted('b', 100, 200), live, 100).hold).toMatchObject({ epoch: 2 })
})

test('the checker accepts a correct history and names each kind of violation added to it', () => {
  const entry = (
    kind: string,
    at: number,
    lease: string,
    epoch: number,
    holder: string,
    to: number,
  ): LeaseRecord => ({
    ...{ kind, at: iso(at), leaseId: lease, epoch, agentId: holder, holderId: holder, expiresAt: iso(to) },
  })
  const sound = [
    entry('granted', 0, 'one', 1, 'ann', 60_000),
    entry('refused', 10, 'one', 1, 'ann', 60_000),
    entry('renewed', 1_000, 'one', 1, 'ann', 120_000),
    entry('released', 5_000, 'one', 1, 'ann', 120_000),
    entry('granted', 5_000, 'two', 2, 'bob', 65_000),
    entry('expired', 65_000, 'two', 2, 'bob', 65_000),
    entry('granted', 70_000, 'three', 5, 'ann', 3_600_000),
  ]
  const leave = (agentId: string | null, at: number, until: number | null): Departure => ({
    ...{ sendId: `send ${at}`, agentId, at: iso(at), until: until === null ? null : iso(until) },
  })
  const lawful = [
    leave('ann', 100, 200),
    leave('bob', 5_000, 64_000),
    leave(null, 65_000, 70_000),
    leave('cat', 66_000, 66_000),
  ]
  const kinds = (history: LeaseRecord[], departures: Departure[] = lawful, options = {}) => {
    const { holds, violations } = checkExclusivity(history, departures, options)
    expect(holds).toBe(violations.length === 0)
    return [...new Set(violations.map((violation) => violation.kind))].sort()
  }
  expect(kinds(sound)).toEqual([])
  expect(kinds([...sound].reverse())).toEqual([])
  expect(kinds([])).toEqual([])

  const altered = (at: number, change: Partial<LeaseRecord>) =>
    sound.map((each, i) => (i === at ? { ...each, ...change } : each))
  expect(kinds(altered(4, { at: iso(4_999) }), [])).toEqual(['two_holders'])
  expect(
    kinds(
      sound.filter((_, i) => i !== 3),
      [],
    ),
  ).toEqual(['two_holders'])
  expect(kinds(altered(6, { at: iso(64_999) }), [])).toEqual(['two_holders'])
  expect(kinds(altered(6, { epoch: 2 }))).toEqual(['epoch_not_increasing'])
  expect(kinds(altered(6, { epoch: 1 }))).toEqual(['epoch_not_increasing'])
  expect(kinds(altered(2, { holderId: 'bob' }))).toEqual(['epoch_not_increasing'])
  expect(kinds([...sound, entry('renewed', 5_001, 'one', 1, 'ann', 120_000)])).toEqual(['revived'])
  expect(kinds([...sound, entry('granted', 4_000, 'one', 1, 'ann', 120_000)])).toEqual(['revived'])
  expect(kinds([...sound, entry('expired', 120_000, 'one', 1, 'ann', 120_000)])).toEqual(['revived'])
  expect(kinds(sound.filter((_, i) => i !== 4))).toEqual(['no_grant'])

  for (const planted of [
    leave('bob', 4_999, 4_999),
    leave('bob', 100, 200),
    leave(null, 100, 200),
    leave('ann', 4_000, 5_001),
    leave('ann', 64_999, 65_100),
    leave('bob', 69_000, 70_001),
    leave('bob', 66_000, null),
    leave('bob', 70_000, 70_000),
  ]) {
    expect(kinds(sound, [...lawful, planted]), JSON.stringify(planted)).toEqual(['foreign_departure'])
  }

  // A lease without a recorded end is over when its holder's heartbeats stop, if the last heartbeat is given.
  const later = [...lawful, leave('bob', 370_001, 370_100)]
  expect(kinds(sound, later)).toEqual(['foreign_departure'])
  expect(kinds(sound, later, { heartbeats: { ann: iso(70_000) } })).toEqual([])
  expect(kinds(sound, later, { heartbeats: { ann: iso(70_001) } })).toEqual(['foreign_departure'])
  expect(kinds(sound, [leave('bob', 64_999, 70_003)], { skewMs: 3 })).toEqual([])
  expect(kinds(sound, [leave('bob', 64_999, 70_004)], { skewMs: 3 })).toEqual(['foreign_departure'])
  expect(() =>
    checkExclusivity(
      [entry('granted', 0, 'x', 1, 'a', 1), { ...entry('renewed', 0, 'x', 1, 'a', 1), at: 'soon' }],
      [],
    ),
  ).toThrow('soon')
})

test('the departures of a send are its routing steps that have a delivery step or are still under way', () => {
  const step = (kind: string, at: number) => ({ kind, at: iso(at) })
  const send = { requestId: 's', agentId: 'ann', status: 'in_flight' }
  const trace = [step('decision', 0), step('routing', 1), step('delivery', 2), step('routing', 3)]
  const first = { sendId: 's', agentId: 'ann', at: iso(1), until: iso(2) }
  expect(departuresOf({ ...send, trace })).toEqual([first, { ...first, at: iso(3), until: null }])
  expect(departuresOf({ ...send, status: 'blocked', trace })).toEqual([first])
  expect(departuresOf({ ...send, trace: [] })).toEqual([])
})
