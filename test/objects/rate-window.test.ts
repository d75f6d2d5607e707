import { abortAllDurableObjects, evictDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Limits } from '../../src/core/policy/windows.ts'
import type { WindowRequest } from '../../src/objects/rate-window.ts'

/** Far in the future, because alarms follow the real clock. */
const START = Date.UTC(2100, 0, 1)
const NO_PLAN: Limits = { hour: null, day: null, month: null }

const named = (name: string) => env.RATE_WINDOW.get(env.RATE_WINDOW.idFromName(`test:${name}`))
const fresh = () => named(crypto.randomUUID())
const request = (sendId: string, leavesAt: number, more: Partial<WindowRequest> = {}): WindowRequest => ({
  sendId,
  mailboxId: 'm',
  contacts: [`${sendId}@example.com`],
  spend: true,
  leavesAt,
  cooldownMs: 0,
  ...more,
})
const limits = (hour: number | null, day: number | null = null, month: number | null = null) => ({
  m: { hour, day, month },
})
const usedAt = async (object: ReturnType<typeof named>, now: number) => {
  const all = { hour: 1e9, day: 1e9, month: 1e9 }
  return (await object.look('m', all, NO_PLAN, now)).map((window) => window.used)
}

test('of 500 concurrent reservations, limits of 1, 20 and 100 admit exactly that many, and so do limits of a plan', async () => {
  for (const limit of [1, 20, 100]) {
    for (const [own, plan] of [
      [limits(limit), NO_PLAN],
      [limits(null), { hour: null, day: limit, month: null }],
    ] as const) {
      const object = fresh()
      const answers = await Promise.all(
        Array.from({ length: 500 }, (_, i) => object.reserve([request(`s${i}`, START)], own, plan, START)),
      )
      expect(answers.flat().filter((answer) => answer.spent)).toHaveLength(limit)
      expect(await usedAt(object, START)).toEqual([limit, limit, limit])
    }
  }
})

test('a send reserves once, a peek and a refusal spend nothing, and the state survives eviction and abort', async () => {
  const name = crypto.randomUUID()
  let object = named(name)
  const reserve = (sendId: string, more: Partial<WindowRequest> = {}) =>
    object.reserve([request(sendId, START, more)], limits(2), NO_PLAN, START)
  const [first] = await reserve('a')
  const [again] = await reserve('a')
  expect(again).toEqual(first)
  expect(await usedAt(object, START)).toEqual([1, 1, 1])
  await evictDurableObject(object)
  expect((await reserve('a'))[0]).toEqual(first)
  expect((await reserve('peek', { spend: false }))[0]).toMatchObject({ spent: false })
  await reserve('b')
  await abortAllDurableObjects()
  object = named(name)
  expect((await reserve('c'))[0]).toMatchObject({
    spent: false,
    snapshot: { windows: [{ used: 2, limit: 2 }] },
  })
  expect((await reserve('b'))[0]).toMatchObject({ spent: true })
  expect(await usedAt(object, START)).toEqual([2, 2, 2])

  await object.refund(['a', 'unknown'], START)
  await object.refund(['a'], START)
  expect(await usedAt(object, START)).toEqual([1, 1, 1])
  expect((await reserve('c'))[0]).toMatchObject({ spent: true })
  expect((await reserve('a'))[0]).toMatchObject({ spent: false })
})

test('windows follow the UTC calendar, and a refund never counts in the next window', async () => {
  const turns: [string, string, number[]][] = [
    ['2100-01-01T10:59:59.999Z', '2100-01-01T11:00:00.000Z', [0, 1, 1]],
    ['2100-01-01T23:59:59.999Z', '2100-01-02T00:00:00.000Z', [0, 0, 1]],
    ['2100-01-31T23:59:59.999Z', '2100-02-01T00:00:00.000Z', [0, 0, 0]],
    ['2100-02-28T23:59:59.999Z', '2100-03-01T00:00:00.000Z', [0, 0, 0]],
    ['2104-02-28T23:59:59.999Z', '2104-02-29T00:00:00.000Z', [0, 0, 1]],
    ['2104-02-29T23:59:59.999Z', '2104-03-01T00:00:00.000Z', [0, 0, 0]],
    ['2104-04-30T23:59:59.999Z', '2104-05-01T00:00:00.000Z', [0, 0, 0]],
    ['2104-12-31T23:59:59.999Z', '2105-01-01T00:00:00.000Z', [0, 0, 0]],
  ]
  for (const [before, after, kept] of turns) {
    const object = fresh()
    const [from, to] = [Date.parse(before), Date.parse(after)]
    const [last] = await object.reserve([request('last', from)], limits(1, 1, 1), NO_PLAN, from)
    const resets = last?.snapshot.windows.map((window) => window.resetsAt) ?? []
    expect(Math.min(...resets), before).toBe(to)
    expect(await usedAt(object, from), before).toEqual([1, 1, 1])
    expect(await usedAt(object, to), after).toEqual(kept)

    const [next] = await object.reserve(
      [request('next', to)],
      limits(1, kept[1] ? 2 : 1, kept[2] ? 2 : 1),
      NO_PLAN,
      to,
    )
    expect(next, after).toMatchObject({ spent: true })
    await object.refund(['last'], to)
    expect(await usedAt(object, to), after).toEqual([1, 1, 1])
    await object.refund(['next'], to)
    expect(await usedAt(object, to), after).toEqual([0, 0, 0])
  }
})

test('a cooldown is per mailbox and contact, ends to the millisecond, and a refund restores the earlier cooldown', async () => {
  const object = fresh()
  const ask = (sendId: string, at: number, more: Partial<WindowRequest> = {}) =>
    object.reserve(
      [request(sendId, at, { contacts: ['ann@example.com'], cooldownMs: 600_000, ...more })],
      { ...limits(100), n: { hour: 100, day: null, month: null } },
      NO_PLAN,
      at,
    )
  expect((await ask('a', START))[0]).toMatchObject({ spent: true })
  const [refused] = await ask('b', START + 599_999)
  expect(refused).toMatchObject({
    spent: false,
    snapshot: { cooldowns: [{ contact: 'ann@example.com', until: START + 600_000 }] },
  })
  expect((await ask('other', START, { mailboxId: 'n' }))[0]).toMatchObject({ spent: true })
  expect((await ask('b', START + 600_000))[0]).toMatchObject({ spent: true })
  await object.refund(['b'], START + 600_001)
  expect((await ask('c', START + 600_001))[0]).toMatchObject({ spent: true })
})

test('a clock that goes back never frees a unit: no calendar hour admits more than the limit', async () => {
  const HOUR = 3_600_000
  let calls = 0
  const property = fc.asyncProperty(
    fc.integer({ min: 1, max: 5 }),
    fc.array(
      fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: 0, max: 600_000 }) },
        { weight: 3, arbitrary: fc.integer({ min: -5_000, max: -1 }) },
        { weight: 1, arbitrary: fc.constantFrom(HOUR, -HOUR, 2 * HOUR, -3 * HOUR) },
      ),
      { minLength: 10, maxLength: 40 },
    ),
    async (limit, steps) => {
      const object = named('adversary')
      const mailboxId = crypto.randomUUID()
      let now = START + HOUR / 2
      let latest = Number.NEGATIVE_INFINITY
      const admitted = new Map<number, number>()
      const answers = []
      for (const [i, step] of steps.entries()) {
        now += step
        latest = Math.max(latest, now)
        const sendId = `${mailboxId}-${i}`
        const hour = Math.floor(latest / HOUR)
        const own = { [mailboxId]: { hour: limit, day: null, month: null } }
        calls += 1
        answers.push(
          object.reserve([request(sendId, now, { mailboxId })], own, NO_PLAN, now).then(([answer]) => {
            if (answer?.spent) admitted.set(hour, (admitted.get(hour) ?? 0) + 1)
          }),
        )
      }
      await Promise.all(answers)
      // Counted by the latest hour in which the object was asked. No later call moves it back.
      return [...admitted.values()].every((count) => count <= limit)
    },
  )
  await fc.assert(property, { numRuns: 60 })
  expect(calls).toBeGreaterThan(600)
})
