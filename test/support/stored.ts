import { listDurableObjectIds, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import type { Env } from '../../src/env.ts'

/** A stored row, object or file. A row has its tenant's id. */
export type Stored = { place: string; text: string; tenantId?: unknown }

const { RATE_WINDOW, CARRIER_HEALTH, CONTACT_LEASE, CONSENSUS_REQUEST, EVENT_STREAM } = env
const SPACES = {
  RATE_WINDOW,
  CARRIER_HEALTH,
  CONTACT_LEASE,
  CONSENSUS_REQUEST,
  EVENT_STREAM,
} as unknown as Record<string, DurableObjectNamespace>

/** Everything that is stored, as text: all rows (also of the search index), all Durable Objects, and all files in R2. */
export async function everythingStored(): Promise<Stored[]> {
  const found: Stored[] = []
  const { results: names } = await env.DB.prepare(
    `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
     AND name NOT LIKE '\\_cf%' ESCAPE '\\'`,
  ).all<{ name: string }>()
  for (const { name } of names) {
    const { results } = await env.DB.prepare(`SELECT * FROM ${name}`).all()
    for (const row of results)
      found.push({ place: `table ${name}`, text: textOf(row), tenantId: row.tenant_id })
  }
  for (let cursor: string | undefined; ; ) {
    const page = await env.MAIL.list(cursor === undefined ? {} : { cursor })
    for (const { key } of page.objects) {
      const text = (await (await env.MAIL.get(key))?.text()) ?? ''
      found.push({ place: `R2 ${key}`, text: `${key}\n${text}` })
    }
    if (!page.truncated) break
    cursor = page.cursor
  }
  for (const [name, space] of Object.entries(SPACES)) {
    for (const id of await listDurableObjectIds(space)) {
      const text = await runInDurableObject(space.get(id), async (_, { storage }) => {
        const tables = storage.sql
          .exec("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'")
          .toArray()
        const rows = tables.flatMap((table) => storage.sql.exec(`SELECT * FROM "${table.name}"`).toArray())
        return JSON.stringify([rows, [...(await storage.list())]])
      })
      found.push({ place: `object ${name} ${id}`, text })
    }
  }
  return found
}

/** A row as text. D1 returns bytes as a list of numbers; they are turned into letters. */
const textOf = (row: Record<string, unknown>) =>
  JSON.stringify(row, (_, value) =>
    Array.isArray(value) && typeof value[0] === 'number' ? Buffer.from(value).toString('latin1') : value,
  )

/** An environment whose call with this number (1 is the first) throws, and all later ones: as if the process were killed. */
export function killedBefore(calls: number): Env {
  let left = calls
  const killable = <Target extends object>(target: Target): Target =>
    new Proxy(target, {
      get(of, name) {
        const value: unknown = Reflect.get(of, name)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          const isCall = of === env.MAIL || !['prepare', 'bind', 'idFromName', 'get'].includes(String(name))
          if (isCall && --left <= 0) throw new Error('killed')
          const given = args.map((each) => (Array.isArray(each) ? each.map(bare) : bare(each)))
          const result: unknown = Reflect.apply(value, of, given)
          if (isCall || typeof result !== 'object' || result === null) return result
          const wrapped = killable(result)
          BARE.set(wrapped, result)
          return wrapped
        }
      },
    })
  const entries = Object.entries(env).map(([name, each]) => [
    name,
    typeof each === 'object' && each !== null ? killable(each) : each,
  ])
  return Object.fromEntries(entries) as Env
}

const BARE = new WeakMap<object, object>()

const bare = (each: unknown) => (typeof each === 'object' && each !== null ? (BARE.get(each) ?? each) : each)

/** An environment that records every bell. */
export function recordingBells(): { env: Env; bells: string[] } {
  const bells: string[] = []
  const listen = <Body>(queue: Queue<Body>): Queue<Body> =>
    new Proxy(queue, {
      get(of, name) {
        const value: unknown = Reflect.get(of, name)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          bells.push(JSON.stringify(args))
          return Reflect.apply(value, of, args)
        }
      },
    })
  const { RENDER, DELIVER, WEBHOOK, JOBS } = env as unknown as Env
  const recording = {
    ...env,
    RENDER: listen(RENDER),
    DELIVER: listen(DELIVER),
    WEBHOOK: listen(WEBHOOK),
    JOBS: listen(JOBS),
  }
  return { env: recording as unknown as Env, bells }
}
