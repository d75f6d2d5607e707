import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { sweep } from '../../src/core/sweep.ts'
import { newTenant } from '../support/tenant.ts'

test('no statement of a sweep reads a table from end to end', async () => {
  await newTenant()
  const asked: [sql: string, binds: unknown[]][] = []
  const DB = new Proxy(env.DB, {
    get(db, name) {
      if (name !== 'prepare') return Reflect.get(db, name).bind(db)
      return (sql: string) => {
        const statement = db.prepare(sql)
        return new Proxy(statement, {
          get(target, method) {
            if (method !== 'bind') return Reflect.get(target, method).bind(target)
            return (...binds: unknown[]) => {
              asked.push([sql, binds])
              return target.bind(...binds)
            }
          },
        })
      }
    },
  })
  await sweep({ ...env, DB }, new Date())
  expect(asked.length).toBeGreaterThan(15)
  const whole: string[] = []
  for (const [sql, binds] of asked) {
    const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .bind(...binds)
      .all<{ detail: string }>()
    // An index of its own holds only what is left to do; `o` is a list that was cut before; sessions are few, and short.
    for (const { detail } of results)
      if (/^SCAN (?!.*USING (?:COVERING )?INDEX|\(|CONSTANT|json_each|o$|sessions$)/.test(detail))
        whole.push(`${detail}: ${sql}`)
  }
  expect(whole).toEqual([])
})
