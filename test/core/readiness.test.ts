import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { app } from '../../src/app.ts'
import type { Env } from '../../src/env.ts'
import { sql } from '../support/matrix-dump.ts'

async function ask(path: string, change: Partial<Env> = {}) {
  const answer = await app.fetch(new Request(`http://x${path}`), { ...env, ...change })
  const text = await answer.text()
  return { status: answer.status, text, body: JSON.parse(text) }
}

/** The names of the checks that fail with these settings. */
async function failing(change: Partial<Env> = {}): Promise<string[]> {
  const { status, body } = await ask('/ready', change)
  const failed = body.checks.filter(({ ok }: { ok: boolean }) => !ok)
  expect([status, body.status]).toEqual(failed.length > 0 ? [503, 'not_ready'] : [200, 'ready'])
  expect(body.checks).toHaveLength(4)
  return failed.map(({ name }: { name: string }) => name)
}

const broken = new Proxy({} as D1Database, {
  get() {
    throw new Error('no such database: 203.0.113.7')
  },
})

test('a Worker is ready if its settings, database, schema and carriers are, and names the checks that fail', async () => {
  expect(await failing()).toEqual([])
  expect(await failing({ DB: broken })).toEqual(['database', 'schema'])
  expect(await failing({ PUBLIC_URL: 'nowhere' })).toEqual(['settings', 'carriers'])
  expect(await failing({ CARRIERS: 'ses:1' })).toEqual(['carriers'])
  expect(await failing({ CARRIERS: 'ses:1', SES_REGION: 'eu-west-1' })).toEqual(['carriers'])
  const ses = { SES_REGION: 'eu-west-1', SES_ACCESS_KEY_ID: 'a', SES_SECRET_ACCESS_KEY: 'b' }
  expect(await failing({ CARRIERS: 'ses:1', ...ses })).toEqual([])
  expect(await failing({ LOCAL: '0', TOKEN_SECRET: 's'.repeat(32) })).toEqual(['carriers'])

  await sql("UPDATE d1_migrations SET name = 'x' WHERE name = '0001_search_and_triggers.sql'")
  expect(await failing()).toEqual(['schema'])
  await sql("UPDATE d1_migrations SET name = '0001_search_and_triggers.sql' WHERE name = 'x'")
  expect(await failing()).toEqual([])
})

test('no answer of health or readiness repeats a setting or an error, and /health reads nothing', async () => {
  const secret = 'sk_live_a_secret_in_the_wrong_place'
  const { text } = await ask('/ready', {
    CARRIERS: secret,
    DB: broken,
    TOKEN_SECRET: 'short',
    SMTP_PORT: secret,
  })
  expect(text).not.toMatch(/sk_live|short|203\.0/)
  expect(await ask('/health', { DB: broken, PUBLIC_URL: 'nowhere' })).toMatchObject({
    status: 200,
    body: { status: 'ok' },
  })
})
