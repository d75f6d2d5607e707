import { env } from 'cloudflare:workers'
import { drizzle } from 'drizzle-orm/d1'
import { expect, test } from 'vitest'
import { fragment, statement } from '../../src/core/ground/sql.ts'

test('a statement binds its named parameters, in any order and any number of times', async () => {
  const echo = statement<{ a: string; b: number; again: string; quoted: string }>(
    `SELECT :first AS a, :second AS b, :first AS again, ':first' || "x" AS quoted FROM (SELECT ':y' AS "x")`,
  )
  expect(await echo.first(env, { first: 'one', second: 2 })).toEqual({
    a: 'one',
    b: 2,
    again: 'one',
    quoted: ':first:y',
  })
  expect(await echo.all(env, { second: 2, first: 'one' })).toHaveLength(1)
  const [result] = await env.DB.batch([echo.bind(env, { first: 'one', second: 2 })])
  expect(echo.rows(result)).toMatchObject([{ a: 'one' }])
  expect(echo.rows(undefined)).toEqual([])
})

test('a statement refuses a value without a parameter, and a parameter without a value', () => {
  const echo = statement('SELECT :known')
  expect(() => echo.bind(env, {})).toThrow('the parameter :known has no value')
  expect(() => echo.bind(env, { known: 1, other: 2 })).toThrow('the statement has no parameter :other')
  expect(() => fragment('x = :known', { other: 1 })).toThrow(':other')
})

test('a rule written once as text works in a statement and in the query builder', async () => {
  const rule = `x.value > :least AND x.value <> ':least'`
  const { count } = (await statement<{ count: number }>(
    `SELECT count(*) AS count FROM json_each('[1,2,3]') x WHERE ${rule}`,
  ).first(env, { least: 1 })) ?? { count: 0 }
  const built = await drizzle(env.DB).all<{ count: number }>(
    fragment(`SELECT count(*) AS count FROM json_each('[1,2,3]') x WHERE ${rule}`, { least: 1 }),
  )
  expect(count).toBe(2)
  expect(built).toEqual([{ count: 2 }])
})
