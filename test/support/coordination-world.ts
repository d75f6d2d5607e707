import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import type { Locked } from '../../src/core/delivery/lock.ts'
import { type Ctx, newCtx } from '../../src/core/ground/ctx.ts'
import type { Env } from '../../src/env.ts'
import { ContactLease } from '../../src/objects/contact-lease.ts'

const MIGRATIONS = join(import.meta.dirname, '..', '..', 'migrations')

type Methods = Record<string, (...args: unknown[]) => unknown>
type Storage = { kv: Map<string, unknown>; alarm: number | null }

/**
 * Simulates the database and the lease objects in one process: SQLite with our migrations, and the real object class over
 * a map. Every call to the database or to an object first awaits `gate`, so that a test can choose the order of the calls.
 */
export function newWorld(Lease: new (state: never, env: never) => object = ContactLease) {
  const sqlite = new DatabaseSync(':memory:')
  for (const file of readdirSync(MIGRATIONS).filter((name) => name.endsWith('.sql'))) {
    sqlite.exec(readFileSync(join(MIGRATIONS, file), 'utf8').replaceAll('--> statement-breakpoint', ''))
  }
  const storages = new Map<string, Storage>()
  const living = new Map<string, Methods>()
  const world = {
    sqlite,
    gate: async (): Promise<void> => undefined,
    /** Evicts all objects: their memory is lost, their storage stays. */
    evict: () => living.clear(),
    /** Runs the alarm of every object that is due at `now`, with the clock set to `now`. */
    async ringAlarms(now: number) {
      const clock = Date.now
      Date.now = () => now
      try {
        for (const [name, storage] of storages) {
          if (storage.alarm === null || storage.alarm > now) continue
          storage.alarm = null
          await object(name).alarm?.()
        }
      } finally {
        Date.now = clock
      }
    },
    ctx: (tenantId: string, now: number): Ctx =>
      newCtx(env, new Date(now), tenantId, { kind: 'system', name: 'simulation' }),
  }
  const object = (name: string): Methods => {
    const known = living.get(name)
    if (known) return known
    const storage = storages.get(name) ?? { kv: new Map(), alarm: null }
    storages.set(name, storage)
    const made = new Lease({ storage: storageOver(storage) } as never, {} as never) as Methods
    living.set(name, made)
    return made
  }
  const env = {
    // The simulation publishes no events: only the rows count.
    JOBS: { send: async () => undefined, sendBatch: async () => undefined },
    ...{ MAIL_DOMAIN: 'moltpost.test', PUBLIC_URL: 'http://localhost:8787', CARRIERS: 'capture:1' },
    DB: databaseOver(sqlite, () => world.gate()),
    CONTACT_LEASE: {
      idFromName: (name: string) => name,
      get: (name: string) =>
        new Proxy(
          {},
          {
            get:
              (_, method) =>
              async (...args: unknown[]) => {
                await world.gate()
                return structuredClone(await object(name)[String(method)]?.(...structuredClone(args)))
              },
          },
        ),
    },
    RATE_WINDOW: { idFromName: (name: string) => name, get: () => ({ refund: async () => undefined }) },
  } as unknown as Env
  return Object.assign(world, { env })
}

export type World = ReturnType<typeof newWorld>

function storageOver(storage: Storage) {
  return {
    kv: {
      get: (key: string) => structuredClone(storage.kv.get(key)),
      put: (key: string, value: unknown) => void storage.kv.set(key, structuredClone(value)),
      delete: (key: string) => storage.kv.delete(key),
    },
    setAlarm: async (at: number) => {
      storage.alarm = at
    },
    deleteAll: async () => {
      storage.kv.clear()
      storage.alarm = null
    },
  }
}

type Prepared = { sql: string; values: SQLInputValue[] }

function databaseOver(sqlite: DatabaseSync, gate: () => Promise<void>) {
  const statements = new Map<string, ReturnType<DatabaseSync['prepare']>>()
  const execute = ({ sql, values }: Prepared) => {
    const statement = statements.get(sql) ?? sqlite.prepare(sql)
    statements.set(sql, statement)
    return { results: statement.all(...values) as Record<string, unknown>[], success: true, meta: {} }
  }
  const prepare = (sql: string, values: SQLInputValue[] = []) => {
    const prepared = { sql, values }
    const run = async () => {
      await gate()
      return execute(prepared)
    }
    return {
      ...prepared,
      bind: (...bound: SQLInputValue[]) => prepare(sql, bound),
      run,
      all: run,
      raw: async () => (await run()).results.map((row) => Object.values(row)),
    }
  }
  return {
    prepare,
    async batch(batched: Prepared[]) {
      await gate()
      sqlite.exec('BEGIN')
      try {
        const results = batched.map(execute)
        sqlite.exec('COMMIT')
        return results
      } catch (error) {
        sqlite.exec('ROLLBACK')
        throw error
      }
    },
  }
}

/** Inserts a send to one contact that is already locked for delivery. */
export function claimSend(
  world: World,
  tenantId: string,
  agentId: string,
  contact: string,
  now: number,
): Locked {
  const send = { id: crypto.randomUUID(), token: crypto.randomUUID() }
  const recipients = [{ kind: 'to' as const, email: contact, contact }]
  world.sqlite
    .prepare(`INSERT INTO sends (tenant_id, id, door, mailbox_id, agent_id, state, body_hash, recipients, lock_token,
      lock_until, locks, created_at, updated_at) VALUES (?1, ?2, 'molted', 'm', ?3, 'claimed', '', ?4, ?5, ?6, 1, ?7, ?7)`)
    .run(tenantId, send.id, agentId, JSON.stringify(recipients), send.token, now + 90_000, now)
  world.sqlite
    .prepare(`INSERT INTO send_recipients (tenant_id, contact, send_id, mailbox_id, agent_id, email, state, created_at, updated_at)
      VALUES (?1, ?2, ?3, 'm', ?4, ?2, 'pending', ?5, ?5)`)
    .run(tenantId, contact, send.id, agentId, now)
  const row = { tenantId, id: send.id, mailboxId: 'm', agentId, recipients, attempt: 0, ambiguousAt: null }
  const dates = { scheduledAt: null, createdAt: new Date(now) }
  return {
    env: world.env,
    db: world.ctx(tenantId, now).db,
    send: {
      ...row,
      ...dates,
      template: null,
      input: null,
      carrier: null,
      domainId: null,
    } as Locked['send'],
    hold: { tenantId, sendId: send.id, token: send.token },
  }
}
