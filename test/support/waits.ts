import type { Env } from '../../src/env.ts'

/** How many calls an environment got, and how many sequential waits they took. */
export type Tally = {
  d1Calls: number
  statements: number
  rowsWritten: number
  objectCalls: number
  queueCalls: number
  /** The number of sequential waits. Calls that are under way at the same time are one wait. */
  waits: number
  largestBind: number
}

/**
 * An environment that counts every call to D1, objects and queues. With `dieBefore`, the wait with this number (1 is the first)
 * and all later ones throw, as after a crash. With `mute`, bells are counted but not rung.
 */
export function counted(
  env: Env,
  { dieBefore, mute = false }: { dieBefore?: number; mute?: boolean } = {},
): { env: Env; tally: Tally } {
  const tally: Tally = {
    d1Calls: 0,
    statements: 0,
    rowsWritten: 0,
    objectCalls: 0,
    queueCalls: 0,
    waits: 0,
    largestBind: 0,
  }
  let underWay = 0
  const during = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (underWay === 0) {
      if (dieBefore !== undefined && tally.waits + 1 >= dieBefore) throw new Error('killed')
      tally.waits += 1
    }
    underWay += 1
    try {
      return await work()
    } finally {
      underWay -= 1
    }
  }
  const DB = new Proxy(env.DB, {
    get(db, name) {
      if (name === 'prepare') return (sql: string) => statement(db.prepare(sql), tally)
      if (name === 'batch') {
        return (statements: D1PreparedStatement[]) =>
          during(async () => {
            tally.d1Calls += 1
            tally.statements += statements.length
            const results = await db.batch(statements.map((each) => RAW.get(each) ?? each))
            for (const result of results) tally.rowsWritten += result.meta.rows_written
            return results
          })
      }
      const value = Reflect.get(db, name)
      return typeof value === 'function' ? value.bind(db) : value
    },
  })
  const queue = <Body>(of: Queue<Body>) =>
    new Proxy(of, {
      get: (target, name) => (first: never, second: never) =>
        during(async () => {
          tally.queueCalls += 1
          if (mute) return undefined
          return (Reflect.get(target, name) as (...args: never[]) => Promise<unknown>).call(
            target,
            first,
            second,
          )
        }),
    })
  const objects = (of: DurableObjectNamespace) =>
    new Proxy(of, {
      get(target, name) {
        if (name !== 'get') {
          const value: unknown = Reflect.get(target, name)
          return typeof value === 'function' ? value.bind(target) : value
        }
        return (id: DurableObjectId) => {
          const stub = target.get(id)
          return new Proxy(stub, {
            get:
              (_, method) =>
              (...args: unknown[]) =>
                during(() => {
                  tally.objectCalls += 1
                  return (
                    stub as unknown as Record<string | symbol, (...all: unknown[]) => Promise<unknown>>
                  )[method]?.(...args) as Promise<unknown>
                }),
          })
        }
      },
    })
  return {
    tally,
    env: {
      ...env,
      DB,
      RENDER: queue(env.RENDER),
      DELIVER: queue(env.DELIVER),
      RATE_WINDOW: objects(
        env.RATE_WINDOW as unknown as DurableObjectNamespace,
      ) as unknown as Env['RATE_WINDOW'],
    },
  }
}

const RAW = new WeakMap<D1PreparedStatement, D1PreparedStatement>()

function statement(of: D1PreparedStatement, tally: Tally): D1PreparedStatement {
  const proxy = new Proxy(of, {
    get(target, name) {
      if (name !== 'bind') {
        const value = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      }
      return (...values: unknown[]) => {
        for (const value of values) {
          const size = typeof value === 'string' ? new TextEncoder().encode(value).byteLength : 0
          tally.largestBind = Math.max(tally.largestBind, size)
        }
        return statement(target.bind(...values), tally)
      }
    },
  })
  RAW.set(proxy, of)
  return proxy
}
