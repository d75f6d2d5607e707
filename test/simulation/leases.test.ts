import { expect, test, vi } from 'vitest'
import type { Answer, Hold, Known, Wanted } from '../../src/core/policy/lease-hold.ts'
import { upTo } from '../support/scale.ts'

vi.mock('cloudflare:workers', () => ({
  DurableObject: class {
    ctx: unknown
    constructor(ctx: unknown) {
      this.ctx = ctx
    }
  },
}))

const { heartbeat } = await import('../../src/core/accounts/agents/heartbeat.ts')
const { depart } = await import('../../src/core/delivery/depart.ts')
const { recordOutcome } = await import('../../src/core/delivery/outcome.ts')
const { Fault } = await import('../../src/core/ground/fault.ts')
const { checkExclusivity } = await import('../../bench/prove/lease-history.ts')
const { decideHold } = await import('../../src/core/policy/lease-hold.ts')
const { releaseLease } = await import('../../src/core/coordination/leases/release.ts')
const { acquireLease } = await import('../../src/core/coordination/leases/acquire.ts')
const { agentsOf, heartbeatsOf, historyOf, JUMPS, pick, playModel, START, seeded } = await import(
  '../support/coordination-model.ts'
)
const { claimSend, newWorld } = await import('../support/coordination-world.ts')
type World = ReturnType<typeof newWorld>

const MINUTE = 60_000

test('sequential operations get the answers that a simple model of the rules predicts', async () => {
  const world = newWorld()
  const divergences: string[] = []
  let operations = 0
  const games = upTo(80, 20)
  for (let seed = 0; seed < games; seed++) {
    const found = await playModel({
      tenantId: `model-${seed}`,
      random: seeded(seed),
      steps: 260,
      ctx: (now) => world.ctx(`model-${seed}`, now),
      disturb: {
        evict: async () => world.evict(),
        alarm: (now) => world.ringAlarms(now),
      },
    })
    operations += found.operations
    divergences.push(...found.divergences)
  }
  console.warn(`leases against the model: ${operations} operations, ${divergences.length} divergences`)
  expect(operations).toBeGreaterThanOrEqual(games * 250)
  expect(divergences.slice(0, 5)).toEqual([])
})

/**
 * Runs tasks one step at a time in a random order: each waits at the world's gate before its next step. A step may kill its
 * request. `check` runs after each step.
 */
async function interleave(
  world: World,
  random: () => number,
  clock: { now: number },
  deaths: number,
  tasks: (() => Promise<void>)[],
  check: () => void,
) {
  const waiting: { go: () => void; die: (error: Error) => void }[] = []
  let open = tasks.length
  world.gate = () => new Promise((go, die) => waiting.push({ go, die }))
  const running = tasks.map((task) => task().finally(() => open--))
  const settled = Promise.allSettled(running)
  while (open > 0) {
    await new Promise((resolve) => setImmediate(resolve))
    const [next] = waiting.splice(Math.floor(random() * waiting.length), 1)
    if (!next) continue
    clock.now += Math.floor(random() * 3)
    if (random() < deaths) next.die(new Error('killed'))
    else next.go()
    await new Promise((resolve) => setImmediate(resolve))
    check()
  }
  world.gate = async () => undefined
  await settled
}

type Seen = { problems: string[]; answers: Record<string, number> }

/** Three agents, six requests at a time, three rounds with a jump of the clock after each. */
async function storm(world: World, seed: number, deaths: number): Promise<Seen> {
  const random = seeded(seed)
  const tenantId = `storm-${seed}-${deaths}`
  const clock = { now: START }
  const contact = 'x@example.com'
  const ids = await agentsOf(world.ctx(tenantId, clock.now), ['a', 'b', 'c'])
  world.sqlite.exec(`INSERT INTO tenants (id, name, created_at) VALUES ('${tenantId}', 't', 0);
    INSERT INTO mailboxes (tenant_id, id, address, contact, created_at, updated_at)
    VALUES ('${tenantId}', 'm', '${tenantId}', '${tenantId}', 0, 0)`)
  const problems: string[] = []
  const answers: Record<string, number> = {}
  const departures: { sendId: string; agentId: string; at: string; until: string }[] = []
  /** The leases that agents were told they hold. */
  const believed = new Map<string, { agentId: string; until: number }>()
  const mine = new Map<string, string>()
  const given = new Set<string>()
  const beliefs = (but: string) =>
    [...believed].filter(([, belief]) => belief.agentId !== but && belief.until > clock.now)
  let longest = 0

  const leaving = world.sqlite.prepare(`SELECT count(*) AS n FROM leases l
    JOIN agents a ON a.tenant_id = l.tenant_id AND a.id = l.agent_id
    JOIN send_recipients r ON r.tenant_id = l.tenant_id AND r.contact = l.contact
    WHERE l.tenant_id = ?1 AND l.ended_at IS NULL AND l.expires_at > ?2 AND a.last_heartbeat_at >= ?2 - 300000
      AND r.state = 'in_flight' AND r.agent_id IS NOT l.agent_id`)
  const check = () => {
    if (Number(leaving.get(tenantId, clock.now)?.n) > 0)
      problems.push('mail was leaving during a lease of another')
  }

  const verbs = {
    async acquire(agentId: string) {
      const durationMinutes = pick(random, [1, 2, 30])
      const request = {
        agent: { id: agentId, name: null },
        contactEmail: contact,
        intent: 'general',
        durationMinutes,
      }
      const got = await acquireLease(world.ctx(tenantId, clock.now), request)
      if (!got.held) return 'refused'
      const others = beliefs(agentId)
      if (others.length > 0) problems.push(`${agentId} was told it holds what ${JSON.stringify(others)} hold`)
      const until = Math.max(got.lease.expiresAt.getTime(), believed.get(got.lease.id)?.until ?? 0)
      if (!given.has(got.lease.id)) believed.set(got.lease.id, { agentId, until })
      mine.set(agentId, got.lease.id)
      return 'held'
    },
    async release(agentId: string) {
      const id = mine.get(agentId)
      if (id === undefined) return 'nothing'
      given.add(id)
      believed.delete(id)
      return (await releaseLease(world.ctx(tenantId, clock.now), id)) ? 'released' : 'over'
    },
    async beat(agentId: string) {
      await heartbeat(world.ctx(tenantId, clock.now), { id: agentId, name: null })
      return 'beat'
    },
    async send(agentId: string) {
      const claimed = claimSend(world, tenantId, agentId, contact, clock.now)
      const departure = await depart(
        claimed,
        'capture',
        { asked: [contact], open: [contact] },
        new Date(clock.now),
      )
      if (!departure.departed) return String(departure.reason)
      const robbed = beliefs(agentId)
      if (robbed.length > 0) problems.push(`mail of ${agentId} left during ${JSON.stringify(robbed)}`)
      const at = new Date(clock.now).toISOString()
      for (let left = Math.floor(random() * 12); left > 0; left--) await world.gate()
      const until = new Date(clock.now).toISOString()
      departures.push({ sendId: claimed.send.id, agentId, at, until })
      const following = null
      const accepted = { kind: 'accepted' as const, carrierMessageId: null, delivered: true, refused: [] }
      await recordOutcome(claimed, [contact], accepted, {
        now: new Date(clock.now),
        carrier: 'capture',
        asked: [contact],
        isPostponed: false,
        callsInRound: 1,
        replayableMs: null,
        following,
        latencyMs: 0,
      })
      return 'sent'
    },
  }

  for (let round = 0; round < 3; round++) {
    const tasks = Array.from({ length: 6 }, () => async () => {
      for (let step = 0; step < 3; step++) {
        const verb = pick(random, [
          'acquire',
          'acquire',
          'acquire',
          'release',
          'beat',
          'send',
          'send',
        ] as const)
        const began = clock.now
        const answer = await verbs[verb](pick(random, ids)).catch((error: Error) => {
          if (error instanceof Fault || error.message === 'killed' || String(error.cause).includes('killed'))
            return error instanceof Fault ? error.code : 'killed'
          throw error
        })
        answers[answer] = (answers[answer] ?? 0) + 1
        longest = Math.max(longest, clock.now - began)
      }
    })
    const wrapped = tasks.map(
      (task) => () => task().catch((error) => void problems.push(String(error.stack))),
    )
    await interleave(world, random, clock, deaths, wrapped, check)
    clock.now += pick(random, JUMPS)
    world.sqlite.exec(`UPDATE sends SET state = 'unknown', lock_until = NULL WHERE tenant_id = '${tenantId}' AND lock_until <= ${clock.now};
      UPDATE send_recipients SET state = 'pending' WHERE tenant_id = '${tenantId}' AND state = 'in_flight' AND EXISTS (
        SELECT 1 FROM sends s WHERE s.tenant_id = send_recipients.tenant_id AND s.id = send_id AND s.state = 'unknown')`)
    if (random() < 0.5) world.evict()
    const beats = await heartbeatsOf(world.ctx(tenantId, clock.now))
    for (const [id, { agentId }] of believed) {
      const beatAt = Date.parse(beats[agentId] ?? '')
      if (clock.now - beatAt > 299_000) believed.delete(id)
    }
  }
  const history = await historyOf(world.ctx(tenantId, clock.now), contact)
  const heartbeats = await heartbeatsOf(world.ctx(tenantId, clock.now))
  const { violations } = checkExclusivity(history, departures, { heartbeats, skewMs: longest + 1 })
  const flaws = violations.map((violation) => JSON.stringify(violation))
  return { problems: [...problems, ...flaws].map((problem) => `seed ${seed}: ${problem}`), answers }
}

test('when requests overlap and die in random orders, two agents never hold a contact at once', async () => {
  const world = newWorld()
  const problems: string[] = []
  const answers: Record<string, number> = {}
  for (let seed = 0; seed < upTo(60, 15); seed++) {
    for (const deaths of [0, 0.03, 0.15]) {
      const seen = await storm(world, seed, deaths)
      problems.push(...seen.problems)
      for (const [answer, count] of Object.entries(seen.answers))
        answers[answer] = (answers[answer] ?? 0) + count
    }
  }
  console.warn(`leases under storms: ${JSON.stringify(answers)}, ${problems.length} problems`)
  expect(problems.slice(0, 8)).toEqual([])
})

test('an await between check and write lets an object grant several holds; without it there is one, and D1 always keeps one', async () => {
  /** A wrong implementation: while it awaits something, the next caller comes in. */
  class Hesitant {
    storage: DurableObjectStorage
    constructor({ storage }: { storage: DurableObjectStorage }) {
      this.storage = storage
    }

    async acquire(wanted: Wanted, known: Known | null, now: number): Promise<Answer> {
      const { kv } = this.storage
      const current = kv.get<Hold>('hold') ?? null
      await hesitant.gate()
      const answer = decideHold(current, kv.get<number>('epoch') ?? 0, wanted, known, now)
      if (answer.granted) kv.put('hold', answer.hold)
      return answer
    }

    end() {}
  }
  const hesitant = newWorld(Hesitant)
  const sound = newWorld()
  const grants = async (world: World, callers: number) => {
    let granted = 0
    const object = world.env.CONTACT_LEASE.get(world.env.CONTACT_LEASE.idFromName(`direct-${callers}`))
    const tasks = Array.from({ length: callers }, (_, i) => async () => {
      const wanted = {
        id: `${i}`,
        agentId: `agent-${i}`,
        intent: 'general',
        createdAt: START,
        expiresAt: START + MINUTE,
      }
      if ((await object.acquire(wanted, null, START)).granted) granted += 1
    })
    await interleave(world, seeded(callers), { now: START }, 0, tasks, () => undefined)
    return granted
  }
  for (const callers of [10, 100, upTo(1_000, 200)]) {
    expect(await grants(sound, callers)).toBe(1)
    expect(await grants(hesitant, callers)).toBeGreaterThan(1)
  }

  /** A wrong implementation that grants every request, each time under a greater epoch. */
  class Careless {
    epoch = 0
    acquire(wanted: Wanted): Answer {
      this.epoch += 1
      return { granted: true, hold: { ...wanted, epoch: this.epoch } }
    }

    end() {}
  }
  const names = Array.from({ length: 20 }, (_, i) => `agent ${i}`)
  const request = { contactEmail: 'x@example.com', intent: 'general', durationMinutes: 30 }
  for (const world of [hesitant, newWorld(Careless)]) {
    const ids = await agentsOf(world.ctx('twin', START), names)
    let held = 0
    const tasks = ids.map((id) => async () => {
      const ctx = world.ctx('twin', START)
      const got = await acquireLease(ctx, { agent: { id, name: null }, ...request }).catch(() => null)
      if (got?.held) held += 1
    })
    await interleave(world, seeded(1), { now: START }, 0, tasks, () => undefined)
    expect(held).toBe(1)
  }
})
