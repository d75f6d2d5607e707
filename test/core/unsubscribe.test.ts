import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { readUnsubscribe, unsubscribe, unsubscribeUrl } from '../../src/core/contacts/unsubscribe.ts'
import { renderSend } from '../../src/core/delivery/render.ts'
import type { SendRequest } from '../../src/core/sending/prepare.ts'
import { requestSends } from '../../src/core/sending/request.ts'
import { type Env, settings } from '../../src/env.ts'
import { doorFor } from '../support/door.ts'
import { newTenant } from '../support/tenant.ts'
import { counted } from '../support/waits.ts'

const NEWS = {
  slug: 'news',
  name: 'News',
  content: { subject: 'News', text: 'News {{ unsubscribe_url }}' },
  autoPublish: true,
}

/** The environment of a deployed Worker. Its queues deliver nothing. */
const deployed = (secret?: string): Env => {
  const { LOCAL: _, AUTO_CLAIM: __, ...rest } = counted(env, { mute: true }).env
  return { ...rest, TOKEN_SECRET: secret }
}

const news = (dedupeKey: string, ...to: string[]): SendRequest => ({
  to: to.map((email) => ({ kind: 'to', email })),
  template: 'news',
  dedupeKey,
  payload: {},
})

const SECRET = 'a secret of thirty-two characters'

test('in production without a TOKEN_SECRET, a send that needs the link is refused and no token is valid', async () => {
  const tenant = await newTenant()
  await tenant.post('/v1/templates', NEWS)
  const none = deployed()
  const refused = {
    status: 'error',
    code: 'template_render_failed',
    details: { field: 'payload', missing: ['unsubscribe_url'] },
  }
  const [bare] = await requestSends(await doorFor(none, tenant.key), [news('a', 'ann@example.com')])
  expect(bare).toMatchObject(refused)
  const someone = { tenantId: tenant.id, contact: 'ann@example.com', campaignId: null }
  expect(await unsubscribeUrl(none, someone)).toBeNull()

  const secrets = [SECRET, `${SECRET}!`, undefined]
  const tokenUnder = async (on: Env) => (await unsubscribeUrl(on, someone))?.split('/u/')[1] ?? ''
  const token = await tokenUnder(deployed(SECRET))
  const read = await Promise.all(secrets.map((secret) => readUnsubscribe(deployed(secret), token)))
  expect(read).toEqual([someone, null, null])
  expect(await readUnsubscribe(deployed(SECRET), await tokenUnder(env))).toBeNull()
  expect(await unsubscribe(none, new Date(), token)).toBeNull()
  expect((await tenant.get('/v1/suppressions')).body.items).toEqual([])
  expect(() => settings(deployed('too short'))).toThrow(/TOKEN_SECRET/)
})

test('a send to several recipients has no unsubscribe link, so a template that needs one fails', async () => {
  const tenant = await newTenant()
  await tenant.post('/v1/templates', NEWS)
  const door = await doorFor(deployed(SECRET), tenant.key)
  const results = await requestSends(door, [
    news('one', 'ann@example.com'),
    news('twice the same', 'ann@example.com', 'ANN@example.com'),
    news('two', 'ann@example.com', 'bob@example.com'),
  ])
  expect(results).toMatchObject([
    { status: 'queued' },
    { status: 'queued' },
    { status: 'error', code: 'template_render_failed', details: { missing: ['unsubscribe_url'] } },
  ])
})

test('a send fails if its link can no longer be made', async () => {
  const tenant = await newTenant()
  await tenant.post('/v1/templates', NEWS)
  const door = await doorFor(deployed(SECRET), tenant.key)
  const [sent] = await requestSends(door, [news('one', 'ann@example.com')])
  const bell = { tenantId: tenant.id, sendId: String(sent?.requestId) }
  expect(await renderSend(deployed(), bell, () => new Date())).toEqual({ isReady: false })
  const { body } = await tenant.get(`/v1/agent/sends/${bell.sendId}`)
  expect(body).toMatchObject({ status: 'failed', reason: 'render_failed' })
  expect(JSON.stringify(body)).toContain('missing variables: unsubscribe_url')
})

test("a template with an optional link can go to several recipients, and our List-Unsubscribe header replaces the caller's", async () => {
  const tenant = await newTenant()
  const text = 'News{% if unsubscribe_url %} {{ unsubscribe_url }}{% endif %}'
  await tenant.post('/v1/templates', { ...NEWS, content: { subject: 'News', text } })
  const on = deployed(SECRET)
  const headers = { 'list-unsubscribe': '<https://example.com/own>' }
  const results = await requestSends(await doorFor(on, tenant.key), [
    { ...news('one', 'ann@example.com'), headers },
    news('two', 'ann@example.com', 'bob@example.com'),
  ])
  const [one, two] = await Promise.all(
    results.map(async ({ requestId }) => {
      const bell = { tenantId: tenant.id, sendId: String(requestId) }
      expect(await renderSend(on, bell, () => new Date())).toEqual({ isReady: true })
      const row = await env.DB.prepare('SELECT rendered_key FROM sends WHERE id = ?1').bind(requestId).first()
      const kept = await env.MAIL.get(String(row?.rendered_key))
      return (await kept?.json()) as { text: string; headers: Record<string, string> }
    }),
  )
  const contact = 'ann@example.com'
  const url = await unsubscribeUrl(on, { tenantId: tenant.id, contact, campaignId: null })
  expect(one).toMatchObject({ text: `News ${url}`, headers: { 'List-Unsubscribe': `<${url}>` } })
  expect(Object.keys(one?.headers ?? {}).sort()).toEqual([
    'List-Unsubscribe',
    'List-Unsubscribe-Post',
    'X-MailMolt-Trust-Score',
    'X-Moltpost-Send-Id',
  ])
  expect(two?.text).toBe('News')
  expect(Object.keys(two?.headers ?? {})).toEqual(['X-MailMolt-Trust-Score', 'X-Moltpost-Send-Id'])
})
