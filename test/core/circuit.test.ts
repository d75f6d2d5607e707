import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Circuit, CLOSED, permit, report } from '../../src/core/policy/circuit.ts'

const fail = (circuit: Circuit, times: number, now: number) =>
  Array.from({ length: times }).reduce<Circuit>((current) => report(current, false, now), circuit)

test('a circuit opens at five failures in a row, and not at four', () => {
  expect(permit(fail(CLOSED, 4, 0), 0).allowed).toBe(true)
  expect(permit(fail(CLOSED, 5, 0), 0).allowed).toBe(false)
  expect(permit(fail(report(fail(CLOSED, 4, 0), true, 0), 4, 0), 0).allowed).toBe(true)
})

test('a circuit opens when half of at least twenty attempts within thirty seconds failed', () => {
  const mixed = (count: number, everyMs: number) =>
    Array.from({ length: count }).reduce<Circuit>(
      (current, _, i) => report(current, i % 2 === 1, i * everyMs),
      CLOSED,
    )
  expect(permit(mixed(19, 1_000), 19_000).allowed).toBe(true)
  expect(permit(mixed(20, 1_000), 20_000).allowed).toBe(false)
  expect(permit(mixed(40, 2_000), 80_000).allowed).toBe(true)
})

test('an open circuit lets one probe through after thirty seconds times its openings, five minutes at most', () => {
  let circuit = fail(CLOSED, 5, 0)
  let openedAt = 0
  for (const seconds of [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300]) {
    const wait = seconds * 1_000
    expect(permit(circuit, openedAt + wait - 1).allowed).toBe(false)
    const probe = permit(circuit, openedAt + wait)
    expect(probe.allowed).toBe(true)
    expect(permit(probe.circuit, openedAt + wait + 1).allowed).toBe(false)
    openedAt += wait
    circuit = report(probe.circuit, false, openedAt)
  }
  const healed = report(permit(circuit, openedAt + 300_000).circuit, true, openedAt + 300_000)
  expect(permit(healed, openedAt + 300_000).allowed).toBe(true)
  expect(permit(fail(healed, 4, openedAt + 300_000), openedAt + 300_000).allowed).toBe(true)
})

test('after any history of outcomes, a carrier is tried again within six minutes', () => {
  const events = fc.array(
    fc.record({ ok: fc.boolean(), waitMs: fc.integer({ min: 0, max: 90_000 }), ask: fc.boolean() }),
  )
  fc.assert(
    fc.property(events, (happened) => {
      let [circuit, now] = [CLOSED, 0]
      for (const { ok, waitMs, ask } of happened) {
        now += waitMs
        if (ask) circuit = permit(circuit, now).circuit
        circuit = report(circuit, ok, now)
        expect(circuit.outcomes.length).toBeLessThanOrEqual(200)
      }
      expect(permit(circuit, now + 360_000).allowed).toBe(true)
    }),
    { numRuns: 500 },
  )
})
