import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { connect } from '../../support/mcp.ts'
import { newTenant } from '../../support/tenant.ts'

test('the same message twice within a minute is sent once, and the answer says so', async () => {
  const tenant = await newTenant()
  const { use } = await connect(tenant.key)
  const send = async (more: Record<string, unknown> = {}, as = use) =>
    (
      await as('send_template', {
        recipientEmail: 'ann@example.com',
        templateId: 'welcome',
        payload: { firstName: 'Ann' },
        ...more,
      })
    ).body

  const answers = await Promise.all(Array.from({ length: 20 }, () => send()))
  expect(answers.filter(({ status }) => status === 'queued')).toHaveLength(1)
  expect(answers.filter(({ status }) => status === 'duplicate')).toHaveLength(19)
  expect(new Set(answers.map(({ requestId }) => requestId)).size).toBe(1)
  expect(new Set(answers.map(({ dedupe }) => dedupe))).toEqual(new Set(['derived']))
  const simulated = await use('simulate_send', {
    recipientEmail: 'ann@example.com',
    templateId: 'welcome',
    payload: { firstName: 'Ann' },
  })
  expect(simulated.body).toMatchObject({ status: 'duplicate', dedupe: 'derived', wouldAllow: false })

  for (const other of [
    { recipientEmail: 'bea@example.com' },
    { payload: { firstName: 'Bea' } },
    { sendReason: 'another reason' },
    { mailboxId: tenant.mailboxId },
    { agentId: tenant.agentId },
  ]) {
    expect({ other, ...(await send(other)) }).toMatchObject({ status: 'queued', dedupe: 'derived' })
    expect({ other, ...(await send(other)) }).toMatchObject({ status: 'duplicate', dedupe: 'derived' })
  }
  const another = await connect(tenant.ownerKey)
  expect(await send({}, another.use)).toMatchObject({ status: 'queued' })

  const given = await send({ dedupeKey: 'mine' })
  expect(given).toMatchObject({ status: 'queued' })
  expect(given.dedupe).toBeUndefined()
  expect(await send({ dedupeKey: 'mine', payload: { firstName: 'Bea' } })).toMatchObject({
    status: 'duplicate',
    requestId: given.requestId,
  })

  const [first] = answers
  const row = await env.DB.prepare('SELECT door, created_at, burned_until FROM sends WHERE id = ?1')
    .bind(first.requestId)
    .first<{ door: string; created_at: number; burned_until: number }>()
  expect([row?.door, (row?.burned_until ?? 0) - (row?.created_at ?? 0)]).toEqual(['mcp', 60_000])
  await env.DB.prepare('UPDATE sends SET burned_until = 1 WHERE id = ?1').bind(first.requestId).run()
  const later = await send()
  expect(later).toMatchObject({ status: 'queued', dedupe: 'derived' })
  expect(later.requestId).not.toBe(first.requestId)
})

test('through tools, a repeat is recognised by the whole content with its files; elsewhere, only by its key', async () => {
  const tenant = await newTenant()
  const { use } = await connect(tenant.key)
  const letter = { to: 'ann@example.com', subject: 'Hello', text: 'Hello' }
  const file = (content: string) => ({ attachments: [{ filename: 'a.txt', content_base64: btoa(content) }] })

  const first = await use('send_message', { ...letter, ...file('one') })
  expect(first.body).toMatchObject({ dedupe: 'derived', message: { status: 'queued' } })
  expect(first.body.duplicate).toBeUndefined()
  const again = await use('send_message', { ...letter, ...file('one') })
  expect(again.body).toEqual({ ...first.body, duplicate: true })
  const other = await use('send_message', { ...letter, ...file('two') })
  expect(other.body.duplicate).toBeUndefined()
  expect(other.body.request_id).not.toBe(first.body.request_id)

  const keyed = await use('send_message', { ...letter, idempotencyKey: 'mine' })
  expect(keyed.body.dedupe).toBeUndefined()
  expect((await use('send_message', { ...letter, idempotencyKey: 'mine' })).body).toEqual(keyed.body)
  expect(await use('send_message', { ...letter, text: 'Other', idempotencyKey: 'mine' })).toMatchObject({
    isError: true,
    body: { error: 'idempotency_mismatch' },
  })
  const stored = await env.MAIL.list({ prefix: `files/${tenant.id}/` })
  expect(stored.objects).toHaveLength(2)

  const [one, two] = [await tenant.post('/v1/messages', letter), await tenant.post('/v1/messages', letter)]
  expect(one.body.request_id).not.toBe(two.body.request_id)
  expect(one.body.dedupe).toBeUndefined()
  const pretending = { 'x-moltpost-door': 'mcp', door: 'mcp', errand: '{"door":"mcp"}' }
  const body = { recipientEmail: 'ann@example.com', templateId: 'welcome', payload: { firstName: 'Ann' } }
  expect(await tenant.post('/v1/agent/request-send', body, pretending)).toMatchObject({
    status: 400,
    body: { error: 'dedupe_key_required' },
  })
})
