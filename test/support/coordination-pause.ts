import type { Env } from '../../src/env.ts'

/** An environment that stops a request before its database batch of this number (from 1) until `goOn` is called. */
export function stalledAt(env: Env, number: number): { env: Env; reached: Promise<void>; goOn: () => void } {
  const reached = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  let batches = 0
  const DB = new Proxy(env.DB, {
    get(db, name) {
      const value = Reflect.get(db, name)
      if (name !== 'batch') return typeof value === 'function' ? value.bind(db) : value
      return async (statements: D1PreparedStatement[]) => {
        batches += 1
        if (batches === number) {
          reached.resolve()
          await release.promise
        }
        return await db.batch(statements)
      }
    },
  })
  return { env: { ...env, DB }, reached: reached.promise, goOn: release.resolve }
}
