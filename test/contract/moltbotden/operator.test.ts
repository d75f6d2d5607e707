import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { email, TIME } from '../../support/email.ts'
import { sql } from '../../support/matrix-dump.ts'
import { call, newTenant } from '../../support/tenant.ts'

const operator = (method: string, path: string, body?: unknown) =>
  call(method, `/admin/email${path}`, { body, headers: { 'X-API-Key': env.OPERATOR_KEY ?? '' } })

const register = (body: unknown) => call('POST', '/agents/register', { body })

test('an agent registers under the id it asks for, and only once', async () => {
  const id = `research-${crypto.randomUUID().slice(0, 8)}`
  const registered = await register({
    agent_id: id,
    profile: { display_name: 'Research Bot' },
    description: 'Reads.',
  })
  expect(registered.status).toBe(201)
  expect(registered.body).toEqual({
    agent_id: id,
    api_key: expect.stringMatching(/^mm_live_/),
    email_address: `${id}@${env.MAIL_DOMAIN}`,
    status: 'ACTIVE',
    created_at: expect.stringMatching(TIME),
    message: expect.any(String),
    tenant_id: expect.stringMatching(/^tenant_/),
    mailbox_id: expect.stringMatching(/^mbx_/),
    claim_url: expect.stringMatching(/^https?:\/\/.*\/claim\/[\w.-]{43,}$/),
  })
  const me = email({ key: registered.body.api_key })
  expect((await me.get('/email/account')).body).toMatchObject({
    email_address: `${id}@${env.MAIL_DOMAIN}`,
    status: 'active',
  })

  expect(await register({ agent_id: id })).toMatchObject({
    status: 409,
    body: { error: { code: 'conflict' } },
  })
  for (const reserved of ['postmaster', 'abuse', 'no-reply', 'noreply', 'mailer-daemon', 'post-master']) {
    expect(await register({ agent_id: reserved }), reserved).toMatchObject({ status: 409 })
  }
  for (const wrong of ['ab', 'a'.repeat(51), 'Upper', 'dot.ted', '-ab', 'ab-', 'a--b', 'a b', 'ä-ö-ü', '']) {
    expect(await register({ agent_id: wrong }), wrong).toMatchObject({
      status: 422,
      body: { error: { code: 'validation_error' } },
    })
  }
  expect(await register({})).toMatchObject({ status: 422 })
  expect(await register('{')).toMatchObject({ status: 400 })
  expect(await register({ name: 'Bad\u0007Name' })).toMatchObject({ status: 422 })
  const unnamed = await register({ name: 'Research Bot' })
  expect(unnamed).toMatchObject({ status: 201, body: { agent_id: expect.stringMatching(/^research-bot/) } })

  const contested = `race-${crypto.randomUUID().slice(0, 8)}`
  const racers = await Promise.all(Array.from({ length: 10 }, () => register({ agent_id: contested })))
  expect(racers.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)])
})

test('only the operator freezes an account and lifts a freeze or suspension', async () => {
  const tenant = await newTenant()
  const me = email(tenant)
  const id = tenant.address.split('@')[0]
  const frozen = await operator('POST', `/accounts/${id}/freeze`, { reason: 'spam reports' })
  expect(frozen).toMatchObject({
    status: 200,
    body: {
      agent_id: id,
      email_address: tenant.address,
      sending_frozen: true,
      frozen_reason: 'spam reports',
      frozen_by: 'operator',
      frozen_at: expect.stringMatching(TIME),
      updated_at: expect.stringMatching(TIME),
    },
  })
  const refused = await me.send('nobody@example.com')
  expect(refused).toMatchObject({ status: 403, body: { error: { code: 'sending_frozen' } } })
  expect(refused.body.detail).toContain('spam reports')
  expect((await me.get('/email/account')).body).toMatchObject({
    ...{ status: 'active', sending_frozen: true, frozen_reason: 'spam reports' },
  })

  await sql('UPDATE mailboxes SET reputation = 320 WHERE id = ?1', tenant.mailboxId)
  const lifted = await operator('POST', `/accounts/${id?.toUpperCase()}/unfreeze`)
  expect(lifted.body).toMatchObject({
    sending_frozen: false,
    frozen_reason: null,
    frozen_at: null,
    reputation_score: 0.5,
  })
  expect(await me.send('nobody@example.com')).toMatchObject({ status: 200 })
  // A reputation that does not suspend the account keeps its value.
  await sql('UPDATE mailboxes SET reputation = 777 WHERE id = ?1', tenant.mailboxId)
  expect((await operator('POST', `/accounts/${id}/unfreeze`)).body.reputation_score).toBe(0.777)

  for (const [path, body, status] of [
    ['/accounts/nobody-at-all/freeze', { reason: 'x' }, 404],
    ['/accounts/nobody-at-all/unfreeze', undefined, 404],
    [`/accounts/${id}/freeze`, { reason: ' ' }, 422],
    [`/accounts/${id}/freeze`, {}, 422],
    ['/nothing', {}, 404],
  ] as const) {
    expect(await operator('POST', path, body), path).toMatchObject({ status })
  }
  for (const headers of [
    {},
    { 'X-API-Key': tenant.key },
    { authorization: `Bearer ${tenant.ownerKey}` },
    { 'X-API-Key': `${env.OPERATOR_KEY}x` },
    { 'X-API-Key': `${env.OPERATOR_KEY}`.slice(1) },
  ]) {
    for (const [method, path] of [
      ['GET', '/accounts'],
      ['GET', '/stats'],
      ['POST', `/accounts/${id}/freeze`],
      ['GET', '/no'],
    ]) {
      const answer = await call(method ?? '', `/admin/email${path}`, { headers })
      expect(answer).toMatchObject({ status: 401, body: { error: { code: 'unauthorized' } } })
    }
  }
  const bearer = { authorization: `Bearer ${env.OPERATOR_KEY}` }
  expect(await call('GET', '/admin/email/stats', { headers: bearer })).toMatchObject({ status: 200 })
  // The key of the operator belongs to no account.
  expect(await call('GET', '/email/account', { headers: bearer })).toMatchObject({ status: 401 })
})

test('the operator lists the accounts of all tenants, page by page, and gets totals', async () => {
  const before = (await operator('GET', '/stats')).body
  const [good, bad, cold, off] = await Promise.all([
    newTenant(),
    newTenant({ mailbox: { reputation: 100 } }),
    newTenant({ mailbox: { frozen_at: 1 } }),
    newTenant({ mailbox: { status: 'paused' } }),
  ])
  await email(good).send([bad.address, cold.address])
  await email(good).send('outside@example.com')
  const after = (await operator('GET', '/stats')).body
  const grown = Object.fromEntries(
    Object.entries(after).map(([name, value]) => [name, Number(value) - before[name]]),
  )
  expect(grown).toEqual({
    total_accounts: 4,
    active_accounts: 2,
    frozen_accounts: 1,
    total_messages_sent: 2,
    total_messages_received: 2,
    total_internal: 1,
    total_external: 1,
    total_bounced: 0,
    total_spam_complaints: 0,
  })

  const all = async (query: string) => {
    const found: string[] = []
    for (let cursor = ''; ; ) {
      const { status, body, headers } = await operator('GET', `/accounts?limit=2${query}${cursor}`)
      expect(status).toBe(200)
      found.push(...body.map((account: { email_address: string }) => account.email_address))
      const next = headers.get('x-next-cursor')
      if (next === null) return found
      cursor = `&cursor=${next}`
    }
  }
  const everyone = await all('')
  expect(everyone).toEqual([...new Set(everyone)].sort())
  expect(everyone).toHaveLength(after.total_accounts)
  const has = async (query: string) => {
    const found = await all(query)
    return [good, bad, cold, off].map(({ address }) => found.includes(address))
  }
  expect(await has('&status=active')).toEqual([true, false, true, false])
  expect(await has('&status=suspended')).toEqual([false, true, false, false])
  expect(await has('&status=deactivated')).toEqual([false, false, false, true])
  expect(await has('&frozen_only=true')).toEqual([false, false, true, false])
  for (const query of ['limit=0', 'limit=501', 'status=frozen']) {
    expect(await operator('GET', `/accounts?${query}`)).toMatchObject({ status: 422 })
  }
  expect(await operator('GET', '/accounts?limit=500')).toMatchObject({ status: 200 })
})
