import { env } from 'cloudflare:workers'
import type { Env } from '../../src/env.ts'

export type Asked = [sql: string, binds: unknown[]][]

/** An environment that records every D1 statement. */
export function overheard(): { env: Env; asked: Asked } {
  const asked: Asked = []
  const DB = new Proxy(env.DB, {
    get(db, name) {
      if (name !== 'prepare') return Reflect.get(db, name).bind(db)
      return (sql: string) => {
        const unbound: Asked[number] = [sql, []]
        asked.push(unbound)
        return new Proxy(db.prepare(sql), {
          get(target, method) {
            const value = Reflect.get(target, method)
            if (method !== 'bind') return typeof value === 'function' ? value.bind(target) : value
            return (...binds: unknown[]) => {
              unbound[1] = binds
              return target.bind(...binds)
            }
          },
        })
      }
    },
  })
  return { env: { ...env, DB }, asked }
}

/**
 * What reads a table from end to end, by its plan. An index of its own holds only what is left to do; `o` is a list that was
 * cut before; sessions are few, and short.
 */
export async function wholeScans(asked: Asked): Promise<string[]> {
  const steps = await planOf(asked)
  return steps.flatMap(({ sql, step }) =>
    /^SCAN (?!.*USING (?:COVERING )?INDEX|\(|CONSTANT|json_each|o$|sessions$)/.test(step)
      ? `${step}: ${sql}`
      : [],
  )
}

/** The query plan of these statements, step by step. */
export async function planOf(asked: Asked): Promise<{ sql: string; step: string }[]> {
  const steps: { sql: string; step: string }[] = []
  for (const [sql, binds] of asked) {
    const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .bind(...binds)
      .all<{ detail: string }>()
    steps.push(...results.map(({ detail }) => ({ sql, step: detail })))
  }
  return steps
}
