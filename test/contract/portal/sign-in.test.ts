import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { letters, mailedLink, newPerson, opened, post, signIn, visit } from '../../support/portal.ts'
import { newTenant } from '../../support/tenant.ts'

test('a person signs in by a mailed link, which works once, only by its button, and gives a new session secret', async () => {
  const tenant = await newTenant()
  const { email } = await newPerson(tenant.id, 'owner')

  expect(await visit('/portal')).toMatchObject({ status: 303, location: '/portal/sign-in' })
  const known = await post('/portal/sign-in', {
    email: email.toUpperCase().replace('EXAMPLE.COM', 'example.com'),
  })
  const unknown = await post('/portal/sign-in', { email: `nobody-${crypto.randomUUID()}@example.com` })
  expect(known.status).toBe(200)
  expect(unknown).toMatchObject({ status: known.status, body: known.body })
  expect(await post('/portal/sign-in', { email: 'no address' })).toMatchObject({
    status: 422,
    body: expect.stringContaining('aria-invalid="true"'),
  })

  // Scanners open links: the link still works afterwards, until it is used.
  const link = await mailedLink(email)
  for (let times = 0; times < 2; times++) {
    const seen = await visit(link)
    expect(seen).toMatchObject({ status: 200, body: expect.stringContaining(email) })
    expect(seen.headers.get('set-cookie')).toBeNull()
  }
  // A session secret that somebody planted in the browser is not used (session fixation).
  const planted = `__Host-moltpost=${'A'.repeat(43)}`
  const [entered, late] = await Promise.all([post(link, {}, { cookie: planted }), post(link)])
  expect([entered.status, late.status].sort()).toEqual([303, 410])
  const won = entered.status === 303 ? entered : late
  const cookie = won.headers.get('set-cookie') ?? ''
  expect(cookie).toMatch(
    /^__Host-moltpost=[A-Za-z0-9_-]{43}; Max-Age=604800; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
  )
  expect(cookie).not.toContain('AAAA')
  expect(await visit(link)).toMatchObject({ status: 410 })
  expect(await visit('/portal', planted)).toMatchObject({ status: 303 })

  const browser = await opened(won)
  const page = await browser.get('/portal')
  expect(page.status).toBe(200)
  const policy = page.headers.get('content-security-policy') ?? ''
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(policy).toContain("form-action 'self'")
  expect(policy).not.toContain('unsafe')
  for (const [name, value] of [
    ['strict-transport-security', 'max-age=31536000'],
    ['x-content-type-options', 'nosniff'],
    ['referrer-policy', 'no-referrer'],
    ['cache-control', 'no-store'],
  ] as const) {
    expect(page.headers.get(name)).toBe(value)
  }
  // No inline script, style or handler, and the page holds neither the secret nor its hash.
  expect(page.body).not.toMatch(/<script(?![^>]*src=)|<style|style="| on[a-z]+="/)
  expect(page.body).not.toContain(cookie.slice(16, 59))

  // Signing in again ends the browser's earlier session; signing out ends the present one.
  await post('/portal/sign-in', { email })
  const again = await opened(await post(await mailedLink(email, 2), {}, { cookie: browser.cookie }))
  expect(again.cookie).not.toBe(browser.cookie)
  expect(await browser.get('/portal')).toMatchObject({ status: 303 })
  expect(await again.get('/portal')).toMatchObject({ status: 200 })
  expect(await again.post('/portal/sign-out')).toMatchObject({ status: 303, location: '/portal/sign-in' })
  expect(await again.get('/portal')).toMatchObject({ status: 303 })

  const stored = await env.DB.prepare(
    'SELECT token_hash FROM sessions UNION SELECT token_hash FROM sign_ins',
  ).all()
  expect(JSON.stringify(stored.results)).not.toContain(link.slice(14))
})

test('a link expires after 15 minutes, a session after 12 idle hours or 7 days, and a person can end other sessions', async () => {
  const tenant = await newTenant()
  const { email } = await newPerson(tenant.id, 'owner')
  const set = (column: string, table: string, ms: number) =>
    env.DB.prepare(`UPDATE ${table} SET ${column} = ${column} - ?1 WHERE contact = ?2`).bind(ms, email).run()

  await post('/portal/sign-in', { email })
  const link = await mailedLink(email)
  await set('expires_at', 'sign_ins', 14.9 * 60_000)
  expect((await visit(link)).status).toBe(200)
  await set('expires_at', 'sign_ins', 0.2 * 60_000)
  expect((await visit(link)).status).toBe(410)
  expect((await post(link)).status).toBe(410)

  const enter = async (many: number) => {
    await post('/portal/sign-in', { email })
    return await opened(await post(await mailedLink(email, many)))
  }
  const [first, second] = [await enter(2), await enter(3)]
  const list = await second.get('/portal/sessions')
  const other = /\/portal\/sessions\/(ses_[a-z0-9]+)\/end/.exec(list.body)?.[1] ?? ''
  expect((await first.get('/portal')).status).toBe(200)
  expect((await second.post(`/portal/sessions/${other}/end`)).status).toBe(303)
  expect((await first.get('/portal')).status).toBe(303)
  expect((await second.post(`/portal/sessions/${other}/end`)).status).toBe(404)

  await set('seen_at', 'sessions', 11.9 * 3_600_000)
  expect((await second.get('/portal')).status).toBe(200)
  await set('seen_at', 'sessions', 12.1 * 3_600_000)
  expect((await second.get('/portal')).status).toBe(303)
  const third = await enter(4)
  await set('expires_at', 'sessions', 7.1 * 86_400_000)
  expect((await third.get('/portal')).status).toBe(303)

  // An address is mailed at most five times an hour. Unknown addresses are counted in the same way.
  expect((await post('/portal/sign-in', { email })).status).toBe(200)
  const sixth = await post('/portal/sign-in', { email })
  expect(sixth.status).toBe(429)
  expect(Number(sixth.headers.get('retry-after'))).toBeGreaterThan(0)
  await letters(email, 'Your link to sign in', 5)
})

test('a person with several accounts chooses one; a removal or a new role takes effect with the next request', async () => {
  const [a, b, c] = [await newTenant(), await newTenant(), await newTenant()]
  const { email, id } = await newPerson(a.id, 'owner')
  await newPerson(b.id, 'viewer', { email })
  const browser = await signIn(email)
  expect(await browser.get('/portal')).toMatchObject({ status: 303, location: '/portal/accounts' })
  const choice = await browser.get('/portal/accounts')
  expect(choice.body).toContain(a.id)
  expect(choice.body).toContain(b.id)
  expect(choice.body).not.toContain(c.id)
  expect((await browser.post('/portal/accounts', { tenant: c.id })).status).toBe(404)
  expect((await browser.post('/portal/accounts', { tenant: a.id })).status).toBe(303)
  expect((await browser.get('/portal')).status).toBe(200)

  await env.DB.prepare('DELETE FROM owners WHERE tenant_id = ?1 AND id = ?2').bind(a.id, id).run()
  expect(await browser.get('/portal')).toMatchObject({ status: 303, location: '/portal/accounts' })
  expect((await browser.post('/portal/accounts', { tenant: a.id })).status).toBe(404)
})
