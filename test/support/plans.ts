import { env } from 'cloudflare:workers'
import type { Env } from '../../src/env.ts'

export type Statements = [sql: string, binds: unknown[]][]

/** An environment that records every D1 statement. */
export function recordingStatements(): { env: Env; statements: Statements } {
  const statements: Statements = []
  const DB = new Proxy(env.DB, {
    get(db, name) {
      if (name !== 'prepare') return Reflect.get(db, name).bind(db)
      return (sql: string) => {
        const recorded: Statements[number] = [sql, []]
        statements.push(recorded)
        return new Proxy(db.prepare(sql), {
          get(target, method) {
            const value = Reflect.get(target, method)
            if (method !== 'bind') return typeof value === 'function' ? value.bind(target) : value
            return (...binds: unknown[]) => {
              recorded[1] = binds
              return target.bind(...binds)
            }
          },
        })
      }
    },
  })
  return { env: { ...env, DB }, statements }
}

/**
 * The steps of these statements' query plans that read a whole table. Scans that are always short are left out: of an index, of
 * the subquery `o`, which has a limit, and of the table `sessions`.
 */
export async function wholeScans(statements: Statements): Promise<string[]> {
  const steps = await planOf(statements)
  return steps.flatMap(({ sql, step }) =>
    /^SCAN (?!.*USING (?:COVERING )?INDEX|\(|CONSTANT|json_each|o$|sessions$)/.test(step)
      ? `${step}: ${sql}`
      : [],
  )
}

/** The query plan of these statements, step by step. */
export async function planOf(statements: Statements): Promise<{ sql: string; step: string }[]> {
  const steps: { sql: string; step: string }[] = []
  for (const [sql, binds] of statements) {
    const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .bind(...binds)
      .all<{ detail: string }>()
    steps.push(...results.map(({ detail }) => ({ sql, step: detail })))
  }
  return steps
}
