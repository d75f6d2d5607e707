import { checkExclusivity, type LeaseRecord } from '../../bench/prove/lease-history.ts'
import { listAgents, registerAgent } from '../../src/core/accounts/agents/agents.ts'
import { heartbeat } from '../../src/core/accounts/agents/heartbeat.ts'
import { acquireLease } from '../../src/core/coordination/leases/acquire.ts'
import { leaseHistory, listLeases } from '../../src/core/coordination/leases/list.ts'
import { releaseLease } from '../../src/core/coordination/leases/release.ts'
import type { Ctx } from '../../src/core/ground/ctx.ts'

/** The simulated clock starts far in the future, so that the real clock sets off no alarm of an object. */
export const START = Date.UTC(2100, 0, 1)
const MINUTE = 60_000

/**
 * How far the clock may jump, in ms: around the five minutes after which an agent is inactive, and around the ends of
 * leases.
 */
export const JUMPS = [1, 1_000, MINUTE, 299_999, 300_000, 300_001, 30 * MINUTE, 3 * 3_600_000]

/** A random generator with numbers from 0 to 1. The same seed gives the same numbers. */
export function seeded(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export function pick<Item>(random: () => number, from: readonly Item[]): Item {
  return from[Math.floor(random() * from.length)] as Item
}

/** Registers agents with these names and returns their ids. */
export async function agentsOf(ctx: Ctx, names: string[]): Promise<string[]> {
  const registered = await Promise.all(names.map((name) => registerAgent(ctx, { name, role: 'general' })))
  return registered.map((agent) => agent.id)
}

/** The whole lease history of a contact, as the API returns it. */
export async function historyOf(ctx: Ctx, contact: string): Promise<LeaseRecord[]> {
  const events = await leaseHistory(ctx, contact, { limit: 10_000 })
  return events.map(({ kind, at, leaseId, epoch, agentId, holderId, expiresAt }) => ({
    ...{ kind, at: at.toISOString(), leaseId, epoch, agentId, holderId },
    expiresAt: expiresAt.toISOString(),
  }))
}

/** The last heartbeat of each agent. */
export async function heartbeatsOf(ctx: Ctx): Promise<Record<string, string>> {
  const agents = await listAgents(ctx, { isActive: null, limit: 1_000 })
  return Object.fromEntries(agents.map((agent) => [agent.id, agent.lastHeartbeatAt.toISOString()]))
}

/**
 * Runs random operations of three agents on two contacts and compares every answer with a model: a map from contact to
 * holder and expiry. `disturb` holds further steps by name, which may disturb the objects in between.
 */
export async function playModel({
  tenantId,
  random,
  steps,
  ctx: at,
  disturb,
}: {
  tenantId: string
  random: () => number
  steps: number
  ctx: (now: number) => Ctx
  disturb: Record<string, (now: number) => Promise<void>>
}): Promise<{ operations: number; divergences: string[] }> {
  const divergences: string[] = []
  let now = START
  const names = ['a', 'b', 'c']
  const contacts = ['x@example.com', 'y@example.com']
  const ids = await agentsOf(at(now), names)
  const beats = new Map(ids.map((id) => [id, now]))
  const holds = new Map<string, { id: string; agentId: string; expiresAt: number }>()
  const past: { id: string; contact: string }[] = []
  const isLive = (hold: { agentId: string; expiresAt: number }) =>
    hold.expiresAt > now && now - (beats.get(hold.agentId) ?? 0) <= 300_000
  const beat = (agentId: string) => {
    if (now - (beats.get(agentId) ?? 0) > 300_000) {
      for (const [contact, hold] of holds) if (hold.agentId === agentId) holds.delete(contact)
    }
    beats.set(agentId, now)
  }
  const moves = [
    'acquire',
    'acquire',
    'acquire',
    'release',
    'beat',
    'clock',
    'clock',
    'list',
    ...Object.keys(disturb),
  ]

  for (let step = 0; step < steps; step++) {
    const agentId = pick(random, ids)
    const contact = pick(random, contacts)
    const what = pick(random, moves)
    const compare = (found: unknown, expected: unknown) => {
      if (JSON.stringify(found) === JSON.stringify(expected)) return
      divergences.push(
        `${tenantId}/${step} ${what}: ${JSON.stringify(found)} for ${JSON.stringify(expected)}`,
      )
    }
    await disturb[what]?.(now)
    if (what === 'clock') now += pick(random, JUMPS)
    if (what === 'beat') {
      await heartbeat(at(now), { id: agentId, name: null })
      beat(agentId)
    }
    if (what === 'acquire') {
      const durationMinutes = pick(random, [1, 4, 30, 1_440])
      const agent = { id: agentId, name: null }
      const got = await acquireLease(at(now), {
        agent,
        contactEmail: contact,
        intent: 'general',
        durationMinutes,
      })
      beat(agentId)
      const held = holds.get(contact)
      const before = held && isLive(held) ? held : null
      if (before && before.agentId !== agentId) {
        const agentName = names[ids.indexOf(before.agentId)]
        const expiresAt = new Date(before.expiresAt)
        compare(got, { held: false, by: { agentId: before.agentId, agentName, expiresAt } })
        continue
      }
      const expiresAt = Math.max(before?.expiresAt ?? 0, now + durationMinutes * MINUTE)
      compare(got.held && [got.lease.agentId, got.lease.expiresAt.getTime()], [agentId, expiresAt])
      if (!got.held) continue
      const isNew = past.every((lease) => lease.id !== got.lease.id)
      compare([isNew, got.lease.id], [before === null, before?.id ?? got.lease.id])
      past.push({ id: got.lease.id, contact })
      holds.set(contact, { id: got.lease.id, agentId, expiresAt })
    }
    if (what === 'release' && past.length > 0) {
      const lease = random() < 0.5 ? past.at(-1) : pick(random, past)
      const hold = lease && holds.get(lease.contact)
      const wasLive = hold !== undefined && hold.id === lease?.id && isLive(hold)
      compare(await releaseLease(at(now), lease?.id ?? ''), wasLive)
      if (wasLive && lease) holds.delete(lease.contact)
    }
    if (what === 'list') {
      const listed = await listLeases(at(now), { limit: 10 })
      const expected = [...holds].filter(([, hold]) => isLive(hold)).sort(([a], [b]) => (a < b ? -1 : 1))
      compare(
        listed.map((lease) => [lease.contact, lease.id, lease.expiresAt.getTime()]),
        expected.map(([name, hold]) => [name, hold.id, hold.expiresAt]),
      )
    }
  }
  for (const contact of contacts) {
    const heartbeats = await heartbeatsOf(at(now))
    const { violations } = checkExclusivity(await historyOf(at(now), contact), [], { heartbeats })
    for (const violation of violations)
      divergences.push(`${tenantId} ${contact}: ${JSON.stringify(violation)}`)
  }
  return { operations: steps, divergences }
}
