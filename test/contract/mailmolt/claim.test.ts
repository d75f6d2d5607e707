import { expect, test } from 'vitest'
import { mailedTokens, newUnclaimed, post, someone } from '../../support/claim.ts'
import { sql } from '../../support/matrix-dump.ts'
import { call } from '../../support/tenant.ts'

/** The headers that every page behind a link must have. */
function expectStrict({ headers }: { headers: Headers }) {
  expect(headers.get('content-type')).toBe('text/html; charset=UTF-8')
  expect(headers.get('cache-control')).toBe('no-store')
  expect(headers.get('referrer-policy')).toBe('no-referrer')
  expect(headers.get('x-frame-options')).toBe('DENY')
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  const policy = headers.get('content-security-policy') ?? ''
  expect(policy).toMatch(/^default-src 'none'; style-src 'nonce-[0-9a-f-]{36}'; form-action 'self'; /)
  expect(policy).toMatch(/base-uri 'none'; frame-ancestors 'none'$/)
}

test('register → sandbox; human claims → supervised; human verifies email → trusted', async () => {
  const agent = await newUnclaimed({ description: 'Reads <b>papers</b>' })
  const email = someone()
  expect(agent.url).toMatch(new RegExp(`^https?://.*/claim/${agent.token}$`))
  expect(agent.token).toMatch(/^[A-Za-z0-9_-]{43}$/)
  const level = async () => (await agent.get('/v1/agents/me')).body.permission_level

  expect(await level()).toBe('sandbox')
  expect(await agent.send('reader@example.com')).toMatchObject({
    status: 403,
    body: { error: { code: 'provisional_account' } },
  })
  const form = await call('GET', `/claim/${agent.token}`)
  expect(form.status).toBe(200)
  expectStrict(form)
  expect(form.body).toContain(`Claim ${agent.name}`)
  expect(form.body).toContain(agent.address)
  expect(form.body).toContain('Reads &lt;b&gt;papers&lt;/b&gt;')
  expect(form.body).toContain('shown as unverified')
  expect(form.body).not.toMatch(/<script|\son[a-z]+=|style=|https?:\/\//i)
  expect(await level()).toBe('sandbox')

  const claimed = await post(`/claim/${agent.token}`, { email, x_handle: '@ann_x' })
  expect(claimed.status).toBe(200)
  expectStrict(claimed)
  expect(claimed.body).toContain('Check your mail')
  expect((await agent.get('/v1/agents/me')).body).toMatchObject({
    status: 'active',
    permission_level: 'supervised',
    trust_score: 40,
    owner: { email, email_verified: false, x_handle: 'ann_x', plan_key: 'free' },
  })
  expect(await agent.send('reader@example.com')).toMatchObject({
    status: 200,
    body: { status: 'queued', message: expect.stringContaining('held for approval') },
  })
  const neighbour = await newUnclaimed()
  // Before the address is verified, every send is held: to our own mailboxes and to the owner, too.
  expect((await agent.send(neighbour.address)).body.message).toContain('held for approval')
  expect((await agent.send(email)).body.message).toContain('held for approval')

  const [token = ''] = await mailedTokens(email)
  const confirm = await call('GET', `/verify/${token}`)
  expect(confirm.status).toBe(200)
  expectStrict(confirm)
  expect(confirm.body).toContain(`Confirm ${email}`)
  expect(await level()).toBe('supervised')

  const verified = await post(`/verify/${token}`)
  expect(verified.status).toBe(200)
  expectStrict(verified)
  expect((await agent.get('/v1/agents/me')).body).toMatchObject({
    permission_level: 'trusted',
    trust_score: 55,
    owner: { email, email_verified: true },
  })
  expect((await agent.send('reader@example.com')).body.status).toBe('sending')
  // Sends to the verified address of the owner are never held.
  await sql(`UPDATE tenants SET level = 'supervised' WHERE id = ?1`, agent.id)
  expect((await agent.send('reader@example.com')).body.status).toBe('queued')
  expect((await agent.send(email)).body.status).toBe('sending')
})

test('an unknown token is 404, a used one 409 and an expired one 410, as pages and as JSON', async () => {
  const agent = await newUnclaimed()
  const verify = (token: string) => call('POST', '/v1/claim/verify-email', { body: { token } })
  const claim = (token: string) => call('POST', `/v1/claim/${token}`, { body: { email: someone() } })
  const unknown = agent.token.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'))
  for (const token of [unknown, 'x', `${agent.token}%00`, '%F0%9F', 'a'.repeat(5000), "' OR 1=1"]) {
    for (const path of [`/claim/${token}`, `/verify/${token}`]) {
      for (const answer of [await call('GET', path), await post(path, { email: someone() })]) {
        expect({ path, status: answer.status }).toEqual({ path, status: 404 })
        expectStrict(answer)
      }
    }
    expect((await verify(token.slice(0, 200))).status).toBe(404)
  }
  expect(await claim(unknown)).toMatchObject({ status: 404, body: { error: 'not_found' } })

  await sql('UPDATE claims SET expires_at = ?2 WHERE tenant_id = ?1', agent.id, Date.now())
  expect(await claim(agent.token)).toMatchObject({ status: 410, body: { error: 'expired' } })
  for (const answer of [
    await call('GET', `/claim/${agent.token}`),
    await post(`/claim/${agent.token}`, { email: someone() }),
  ]) {
    expect(answer.status).toBe(410)
    expectStrict(answer)
    expect(answer.body).not.toContain('<form')
  }
  await sql('UPDATE claims SET expires_at = ?2 WHERE tenant_id = ?1', agent.id, Date.now() + 60_000)

  const email = someone()
  const claimed = await agent.claim(email)
  expect(claimed).toMatchObject({
    status: 200,
    body: {
      agent_id: agent.agentId,
      status: 'active',
      permission_level: 'supervised',
      human_owner: { email, email_verified: false },
      verification: { sent: true },
    },
  })
  expect(JSON.stringify(claimed.body)).not.toContain('/verify/')
  expect((await agent.get('/v1/agents/me')).body.owner.email).toBe(email)

  const [token = ''] = await mailedTokens(email)
  await sql('UPDATE verifications SET expires_at = ?2 WHERE tenant_id = ?1', agent.id, Date.now())
  expect(await verify(token)).toMatchObject({ status: 410, body: { error: 'expired' } })
  for (const answer of [await call('GET', `/verify/${token}`), await post(`/verify/${token}`)]) {
    expect(answer.status).toBe(410)
    expectStrict(answer)
  }
  await sql('UPDATE verifications SET expires_at = ?2 WHERE tenant_id = ?1', agent.id, Date.now() + 60_000)
  expect(await verify(token)).toMatchObject({
    status: 200,
    body: { email, email_verified: true, permission_level: 'trusted' },
  })
  expect(await claim(agent.token)).toMatchObject({ status: 409, body: { error: 'conflict' } })
  const page = await post(`/claim/${agent.token}`, { email: someone() })
  expect(page.status).toBe(409)
  expectStrict(page)
  expect((await agent.get('/v1/agents/me')).body.owner.email).toBe(email)
  expect(await verify(token)).toMatchObject({ status: 409, body: { error: 'conflict' } })
  for (const answer of [await call('GET', `/verify/${token}`), await post(`/verify/${token}`)]) {
    expect(answer.status).toBe(409)
    expectStrict(answer)
  }
})

test('using a link a second time changes nothing: it neither lowers a level nor restores one', async () => {
  const agent = await newUnclaimed()
  const email = someone()
  await agent.claim(email)
  await post(`/claim/${agent.token}`, { again: '1' })
  const [first = '', second = ''] = await mailedTokens(email, 2)
  expect(second).not.toBe(first)
  await sql(`UPDATE tenants SET level = 'autonomous' WHERE id = ?1`, agent.id)
  expect((await post(`/verify/${first}`)).status).toBe(200)
  expect((await agent.get('/v1/agents/me')).body).toMatchObject({
    permission_level: 'autonomous',
    owner: { email_verified: true },
  })
  await sql(`UPDATE tenants SET level = 'supervised' WHERE id = ?1`, agent.id)
  for (const token of [first, second]) expect((await post(`/verify/${token}`)).status).toBe(409)
  expect((await post(`/claim/${agent.token}`, { email: someone() })).status).toBe(409)
  expect((await post(`/claim/${agent.token}`, { again: '1' })).status).toBe(409)
  expect((await agent.get('/v1/agents/me')).body.permission_level).toBe('supervised')

  // A used link stays used, even after its effect was undone.
  await sql('UPDATE owners SET verified_at = NULL WHERE tenant_id = ?1', agent.id)
  expect((await post(`/verify/${first}`)).status).toBe(409)
  expect((await post(`/verify/${second}`)).status).toBe(200)
  await sql('DELETE FROM owners WHERE tenant_id = ?1', agent.id)
  expect((await agent.claim(someone())).status).toBe(409)
  expect((await post(`/claim/${agent.token}`, { email: someone() })).status).toBe(409)
})

test('a form posted from another site is refused, and an invalid form shows what is wrong', async () => {
  const agent = await newUnclaimed()
  const email = someone()
  for (const headers of [
    { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
    { origin: 'https://evil.example' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'null' },
    {},
  ]) {
    for (const path of [`/claim/${agent.token}`, '/verify/anything']) {
      const refused = await post(path, { email }, headers)
      expect({ headers, status: refused.status }).toEqual({ headers, status: 403 })
      expectStrict(refused)
    }
  }
  for (const [fields, words] of [
    [{}, 'is not an email address'],
    [{ email: 'ann' }, 'is not an email address'],
    [{ email: 'Ann <ann@example.com>' }, 'is not an email address'],
    [{ email: 'ann@example.com\r\nBcc: all@example.com' }, 'is not an email address'],
    [{ email: agent.address }, 'Give an address of your own'],
    [{ email, x_handle: '<script>' }, 'An X handle has'],
  ] as const) {
    const wrong = await post(`/claim/${agent.token}`, fields)
    expect({ fields, status: wrong.status }).toEqual({ fields, status: 422 })
    expectStrict(wrong)
    expect(wrong.body).toContain(words)
    expect(wrong.body).not.toContain('<script>')
  }
  for (const [type, body] of [
    ['multipart/form-data; boundary=x', 'garbage'],
    ['multipart/form-data', '--'],
    ['application/x-www-form-urlencoded', '%%%=%ff&email[]=1'],
    ['text/plain', email],
  ]) {
    const headers = { 'content-type': type ?? '', 'sec-fetch-site': 'same-origin' }
    expect((await call('POST', `/claim/${agent.token}`, { body, headers })).status).toBe(422)
  }
  expect(await call('POST', `/v1/claim/${agent.token}`, { body: { email: 7 } })).toMatchObject({
    status: 422,
    body: { error: 'invalid' },
  })
  expect(await agent.claim(agent.address)).toMatchObject({ status: 422, body: { field: 'email' } })
  expect((await agent.get('/v1/agents/me')).body).toMatchObject({ status: 'pending_claim' })
  expect((await post(`/claim/${agent.token}`, { email })).status).toBe(200)
})

test('the link is mailed again on request, but only a limited number of times to one address', async () => {
  const agent = await newUnclaimed()
  const email = someone()
  expect((await post(`/claim/${agent.token}`, { again: '1' })).status).toBe(422)
  await agent.claim(email)
  const again = await Promise.all(
    Array.from({ length: 12 }, () => post(`/claim/${agent.token}`, { again: '1' })),
  )
  const statuses = again.map(({ status }) => status).sort()
  expect(statuses).toEqual([...Array(4).fill(200), ...Array(8).fill(429)])
  const refused = again.find(({ status }) => status === 429)
  expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(new Set(await mailedTokens(email, 5)).size).toBe(5)

  // A claim of another agent with the same address counts, too; the claim itself succeeds.
  const other = await newUnclaimed()
  expect(await other.claim(email)).toMatchObject({
    status: 200,
    body: { permission_level: 'supervised', verification: { sent: false, retry_at: expect.any(String) } },
  })
  expect((await other.get('/v1/agents/me')).body.owner).toMatchObject({ email, email_verified: false })
})

test('a claim that is not proved grants nothing, and the person who proves their address replaces it', async () => {
  const agent = await newUnclaimed()
  const neighbour = await newUnclaimed()
  const [stranger, owner] = [someone(), someone()]
  await agent.claim(stranger)
  const held = await agent.send(neighbour.address)
  expect(held.body).toMatchObject({ status: 'queued', message: expect.stringContaining('held for approval') })
  const post1 = (path: string, body: unknown) => call('POST', path, { key: agent.key, body })
  for (const refused of [
    await post1('/v1/custom-domains', { domain: 'unproved.example.org', mode: 'byoc' }),
    await post1('/v1/bonds', { tier: 'starter' }),
    await post1('/v1/billing/checkout', { plan_key: 'starter' }),
  ])
    expect(refused).toMatchObject({
      status: 403,
      body: { error: 'not_claimed', message: expect.stringContaining('not confirmed their address') },
    })
  await post('/portal/sign-in', { email: stranger })

  // The claim link still works, and the page says that the claim is not proved.
  const page = await call('GET', `/claim/${agent.token}`)
  expect(page.status).toBe(200)
  expect(page.body).toContain('has not confirmed their address yet')
  expect(page.body).not.toContain(stranger)
  expect(await agent.claim(owner)).toMatchObject({ status: 200, body: { human_owner: { email: owner } } })
  const [[lost = ''], [token = '']] = [await mailedTokens(stranger), await mailedTokens(owner)]
  expect((await post(`/verify/${token}`)).status).toBe(200)
  expect((await agent.get('/v1/agents/me')).body).toMatchObject({
    permission_level: 'trusted',
    owner: { email: owner, email_verified: true },
  })
  expect((await post(`/verify/${lost}`)).status).toBe(404)
  expect((await agent.claim(stranger)).status).toBe(409)
  const { body } = await call('GET', `/dev/outbox?to=${encodeURIComponent(stranger)}`)
  expect(body.items.filter((mail: { text: string }) => mail.text.includes('/portal/enter/'))).toEqual([])
  expect((await agent.send(neighbour.address)).body.status).toBe('delivered')
})
