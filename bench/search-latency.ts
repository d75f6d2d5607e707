import { Agent } from 'node:http'
import { fire, type Shot } from './load.ts'
import type { Tenant, World } from './world/open.ts'

/** Mail in the one mailbox that is searched. */
export const MAILS = 10_000
const AT_ONCE = 500

const THINGS =
  'invoice contract shipment meeting refund server dentist holiday flight hotel newsletter interview budget backup password logo customs parcel library wedding'.split(
    ' ',
  )
const DEEDS = 'approve review cancel send pay move check sign print repair'.split(' ')
const NAMES = 'Alder Bramble Cobalt Dovetail Ember Foxglove Granite Harrow Inkwell Juniper Kestrel'.split(' ')

const QUERIES = [
  ...THINGS.slice(0, 8),
  'kestrel invoice',
  'pay the refund 4711',
  '"please sign"',
  'shipm*',
  'parcel customs delay',
  'who moved the meeting',
  'wedding hotel budget',
  'password backup server flight',
]

export type Latency = { name: string; ratios: number[] }

/**
 * What a search over `MAILS` messages takes, asked over HTTP, as a ratio to one full-text query for the same words on the
 * same rows: one of each in turn over one connection, at the median and at the 99th percentile of each pair of rounds.
 */
export async function measureSearch(
  world: World,
  tenant: Tenant,
  pairs: number,
  each: number,
): Promise<Latency[]> {
  await fill(world, tenant)
  const shots = await Promise.all(
    QUERIES.map(async (q): Promise<[Shot, Shot]> => {
      const { match } = await post<{ match: string }>(world, '/bench/search/match', { ...tenant, q })
      return [
        {
          method: 'GET',
          path: `/v1/search?q=${encodeURIComponent(q)}`,
          key: tenant.secret,
          body: undefined,
          expects: ({ data }) => (data?.length ?? 0) > 0,
        },
        {
          method: 'POST',
          path: '/bench/search/bare',
          key: null,
          body: { match },
          expects: ({ results }) => results !== undefined,
        },
      ]
    }),
  )
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const median: number[] = []
  const late: number[] = []
  for (let pair = 0; pair <= pairs; pair++) {
    const times: [number[], number[]] = [[], []]
    for (let at = 0; at < each; at++) {
      const both = shots[at % shots.length] ?? []
      for (const side of at % 2 === 0 ? [0, 1] : [1, 0]) {
        const shot = both[side]
        if (!shot) continue
        const begun = performance.now()
        await fire(world.address, agent, shot)
        times[side]?.push(performance.now() - begun)
      }
    }
    // The first round warms both sides up.
    if (pair === 0) continue
    median.push(percentile(times[0], 0.5) / percentile(times[1], 0.5))
    late.push(percentile(times[0], 0.99) / percentile(times[1], 0.99))
  }
  agent.destroy()
  return [
    { name: 'search p50', ratios: median },
    { name: 'search p99', ratios: late },
  ]
}

async function fill(world: World, tenant: Tenant) {
  for (let from = 0; from < MAILS; from += AT_ONCE) {
    const mails = Array.from({ length: AT_ONCE }, (_, at) => mailOf(from + at))
    await post(world, '/bench/search/mails', { ...tenant, after: from, mails })
  }
}

function mailOf(number: number) {
  const pick = (list: string[], step: number) => list[Math.floor(number / step) % list.length] ?? ''
  const [thing, other, deed, name] = [pick(THINGS, 1), pick(THINGS, 7), pick(DEEDS, 3), pick(NAMES, 5)]
  return {
    id: `msg_bench${number}`,
    fromName: `${name} office`,
    from: `${name.toLowerCase()}${number % 400}@example.com`,
    subject: `${name}: ${thing} ${number}`,
    text: `Hello, please ${deed} the ${thing} before we talk about the ${other}. Reference ${number * 7}. It was moved to week ${number % 52} because of a delay. Thank you, ${name}`,
  }
}

async function post<Body>(world: World, path: string, body: unknown): Promise<Body> {
  const answer = await fetch(new URL(path, world.address), { method: 'POST', body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(`${path} was answered ${answer.status}: ${await answer.text()}`)
  return (await answer.json()) as Body
}

function percentile(times: number[], at: number): number {
  const sorted = times.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? 0
}
