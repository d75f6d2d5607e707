import {
  abortAllDurableObjects,
  evictDurableObject,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import type { Known, Wanted } from '../../src/core/policy/lease-hold.ts'

/** Far in the future, because alarms follow the real clock. */
const START = Date.UTC(2100, 0, 1)
const HOUR = 3_600_000

const named = (name: string) => env.CONTACT_LEASE.get(env.CONTACT_LEASE.idFromName(`test:${name}`))
const fresh = () => named(crypto.randomUUID())
const wanted = (agentId: string, from = START, to = from + 60_000): Wanted => ({
  id: `${agentId}-${from}`,
  agentId,
  intent: 'general',
  createdAt: from,
  expiresAt: to,
})

test('of 10, 100 and 1,000 concurrent callers exactly one is granted, and all others are answered with its hold', async () => {
  for (const callers of [10, 100, 1_000]) {
    const object = fresh()
    const answers = await Promise.all(
      Array.from({ length: callers }, (_, i) => object.acquire(wanted(`agent-${i}`), null, START)),
    )
    const granted = answers.filter((answer) => answer.granted)
    expect(granted).toHaveLength(1)
    expect(new Set(answers.map((answer) => JSON.stringify(answer.hold))).size).toBe(1)
  }
})

test('a hold survives eviction and abort, expires to the millisecond, and can be ended only by its own epoch', async () => {
  const name = crypto.randomUUID()
  let object = named(name)
  const first = await object.acquire(wanted('a'), null, START)
  expect(first).toMatchObject({ granted: true, hold: { epoch: 1, agentId: 'a' } })
  await evictDurableObject(object)
  expect(await object.acquire(wanted('b'), null, START + 59_999)).toEqual({
    granted: false,
    hold: first.hold,
  })
  await abortAllDurableObjects()
  object = named(name)
  expect(await object.acquire(wanted('b'), null, START + 59_999)).toEqual({
    granted: false,
    hold: first.hold,
  })

  const renewed = await object.acquire(wanted('a', START + 1, START + 90_000), null, START + 1)
  expect(renewed.hold).toEqual({ ...first.hold, expiresAt: START + 90_000 })
  const shorter = await object.acquire(wanted('a', START + 2, START + 30_000), null, START + 2)
  expect(shorter.hold).toEqual(renewed.hold)

  expect(await object.acquire(wanted('b', START + 89_999), null, START + 89_999)).toMatchObject({
    granted: false,
  })
  const second = await object.acquire(wanted('b', START + 90_000), null, START + 90_000)
  expect(second).toMatchObject({ granted: true, hold: { epoch: 2, agentId: 'b' } })
  await object.end(1)
  expect(await object.acquire(wanted('c', START + 90_001), null, START + 90_001)).toEqual({
    granted: false,
    hold: second.hold,
  })
  await object.end(2)
  expect(await object.acquire(wanted('c', START + 90_001), null, START + 90_001)).toMatchObject({
    granted: true,
    hold: { epoch: 3 },
  })
})

test('the object follows D1: a lease that is over is granted anew, and a live lease is kept if the object forgot it', async () => {
  const object = fresh()
  const { hold } = await object.acquire(wanted('a'), null, START)
  const over: Known = { ...hold, isOver: true }
  expect(await object.acquire(wanted('b'), over, START)).toMatchObject({
    granted: true,
    hold: { epoch: 2, agentId: 'b' },
  })
  // What D1 knows is older than the hold: it is about the first epoch.
  expect(await object.acquire(wanted('c'), over, START)).toMatchObject({ granted: false, hold: { epoch: 2 } })

  const forgetful = fresh()
  const known: Known = { ...wanted('a'), epoch: 7, isOver: false }
  expect(await forgetful.acquire(wanted('b'), known, START)).toMatchObject({
    granted: false,
    hold: { epoch: 7, agentId: 'a' },
  })
  expect(await forgetful.acquire(wanted('a', START + 1), known, START + 1)).toMatchObject({
    granted: true,
    hold: { id: known.id, epoch: 7, expiresAt: START + 60_001 },
  })
  const empty = fresh()
  expect(await empty.acquire(wanted('b'), { ...known, isOver: true }, START)).toMatchObject({
    granted: true,
    hold: { epoch: 8 },
  })
})

test('an early alarm keeps the hold, a late alarm deletes it, and epochs continue in both cases', async () => {
  const live = fresh()
  const { hold } = await live.acquire(wanted('a'), null, START)
  expect(await runDurableObjectAlarm(live)).toBe(true)
  expect(await live.acquire(wanted('b'), null, START + 1)).toEqual({ granted: false, hold })
  expect(await runInDurableObject(live, (_, state) => state.storage.getAlarm())).toBe(hold.expiresAt + HOUR)

  const past = Date.now() - 2 * HOUR
  const old = fresh()
  await old.acquire(wanted('a', past, past + 60_000), null, past)
  await runDurableObjectAlarm(old)
  expect(await runInDurableObject(old, (_, state) => [...state.storage.kv.list()])).toEqual([])
  const known: Known = { ...wanted('a', past, past + 60_000), epoch: 1, isOver: false }
  expect(await old.acquire(wanted('b', START), known, START)).toMatchObject({
    granted: true,
    hold: { epoch: 2 },
  })
})
