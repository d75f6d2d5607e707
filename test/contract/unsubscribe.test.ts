import { expect, test } from 'vitest'
import { call, newTenant, type Tenant } from '../support/tenant.ts'

const NEWS = {
  slug: 'news',
  name: 'News',
  content: {
    subject: 'News',
    html: '<p>News</p><a href="{{ unsubscribe_url }}">stop</a>',
    text: 'News\n{{ unsubscribe_url }}',
  },
  autoPublish: true,
}

type Mail = { sendId: string; html: string; text: string; raw: string }

async function newsTenant() {
  const tenant = await newTenant()
  expect((await tenant.post('/v1/templates', NEWS)).body.publishedVersion).toBe(1)
  return tenant
}

/** Sends a message, waits for delivery, and returns the mail that the recipient gets. */
async function received(
  tenant: Tenant,
  to: string,
  dedupeKey: string,
  more: Record<string, unknown> = {},
): Promise<Mail> {
  const sent = await tenant.send(to, dedupeKey, { templateId: 'news', ...more })
  expect(sent.body.status).toBe('queued')
  expect((await tenant.settled(sent.body.requestId)).status).toBe('delivered')
  const { body } = await call('GET', `/dev/outbox?to=${encodeURIComponent(to)}`)
  return body.items.find((mail: Mail) => mail.sendId === sent.body.requestId)
}

const tokenIn = (mail: Mail) => /\/u\/([\w-]+)$/.exec(mail.text.trim())?.[1] ?? ''

const oneClick = (token: string) =>
  call('POST', `/u/${token}`, {
    body: 'List-Unsubscribe=One-Click',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })

const suppressionsOf = async (tenant: Tenant) => (await tenant.get('/v1/suppressions')).body.items

test('marketing mail to one recipient has one link, in the text and in both headers, that reveals nothing', async () => {
  const [tenant, stranger] = [await newsTenant(), await newsTenant()]
  const mail = await received(tenant, 'Zoe.Quill@example.com', 'first', { campaignId: 'springtide' })
  const token = tokenIn(mail)
  const url = `http://localhost:8787/u/${token}`
  expect(mail.text.trim()).toBe(`News\n${url}`)
  expect(mail.html).toContain(`<a href="${url}">stop</a>`)
  const head = (mail.raw.split('\r\n\r\n')[0] ?? '').replace(/\r\n[ \t]/g, ' ')
  expect(head.split('\r\n').filter((line) => /^list-/i.test(line))).toEqual([
    `List-Unsubscribe: <${url}>`,
    'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
  ])

  const bytes = atob(token.replaceAll('-', '+').replaceAll('_', '/')).toLowerCase()
  for (const word of ['zoe', 'quill', 'example', 'springtide', tenant.id.toLowerCase()]) {
    expect(bytes).not.toContain(word)
    expect(token.toLowerCase()).not.toContain(word)
  }
  const campaign = { campaignId: 'springtide' }
  expect(tokenIn(await received(tenant, 'zoe.quill@EXAMPLE.com', 'second', campaign))).toBe(token)
  const others = [
    await received(tenant, 'zoe.quill@example.com', 'third'),
    await received(tenant, 'zoe.quill@example.org', 'fourth', campaign),
    await received(stranger, 'zoe.quill@example.com', 'first', campaign),
  ]
  expect(new Set([token, ...others.map(tokenIn)]).size).toBe(4)

  const longest = `${'a'.repeat(64)}@${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(57)}.com`
  for (const campaignId of ['x'.repeat(200), 'ü'.repeat(200), '"'.repeat(200)]) {
    const long = tokenIn(await received(tenant, longest, `long ${campaignId}`, { campaignId }))
    expect((await call('GET', `/u/${long}`)).status).toBe(200)
  }
})

test('other mail has no such headers, and a payload cannot replace the link', async () => {
  const tenant = await newsTenant()
  const plain = await received(tenant, 'ann@example.com', 'plain', { templateId: 'welcome' })
  expect(plain.raw).not.toMatch(/^list-/im)
  const { content } = NEWS
  const notice = { slug: 'notice', name: 'Notice', type: 'transactional', content, autoPublish: true }
  await tenant.post('/v1/templates', notice)
  const linked = await received(tenant, 'ann@example.com', 'linked', { templateId: 'notice' })
  expect(linked.raw).not.toMatch(/^list-/im)
  const forged = { payload: { unsubscribe_url: 'https://evil.example' } }
  const mail = await received(tenant, 'ann@example.com', 'forged', forged)
  expect(mail.html + mail.text).not.toContain('evil')
  expect(tokenIn(mail)).toBe(tokenIn(linked))
  const shown = await tenant.post('/v1/templates/news/render', forged)
  expect(shown.body.text).toBe('News\nhttp://localhost:8787/u/sample')
  expect((await call('GET', '/u/sample')).status).toBe(404)
})

test('opening the link changes nothing; a hundred clicks at once make one suppression', async () => {
  const [tenant, stranger] = [await newsTenant(), await newsTenant()]
  const token = tokenIn(await received(tenant, 'ann@example.com', 'first'))

  const looked = await Promise.all(
    Array.from({ length: 100 }, (_, i) => call(i % 2 ? 'GET' : 'HEAD', `/u/${token}`)),
  )
  expect(new Set(looked.map((each) => each.status))).toEqual(new Set([200]))
  expect(await suppressionsOf(tenant)).toEqual([])
  await received(tenant, 'ann@example.com', 'second')
  expect((await tenant.send('ann@example.com', 'later', { scheduledAt: inAnHour() })).body.status).toBe(
    'scheduled',
  )

  const clicked = await Promise.all(Array.from({ length: 100 }, () => oneClick(token)))
  expect(new Set(clicked.map((each) => each.status))).toEqual(new Set([200]))
  const made = await suppressionsOf(tenant)
  expect(made).toMatchObject([
    {
      recipientEmail: 'ann@example.com',
      scope: 'tenant',
      reasonCode: 'unsubscribed',
      source: 'one-click',
      campaignId: null,
      expiresAt: null,
    },
  ])
  for (const templateId of ['news', 'welcome']) {
    const refused = await tenant.send('ANN@example.com', `after ${templateId}`, { templateId })
    expect(refused.body).toMatchObject({ status: 'blocked', reason: 'suppressed' })
  }
  expect((await tenant.send('bob@example.com', 'bob', { templateId: 'news' })).body.status).toBe('queued')
  expect((await stranger.send('ann@example.com', 'ann', { templateId: 'news' })).body.status).toBe('queued')
  expect(await suppressionsOf(stranger)).toEqual([])
})

test('an unsubscribe replaces a suppression that would expire, and works again after it was removed', async () => {
  const tenant = await newsTenant()
  const token = tokenIn(await received(tenant, 'ann@example.com', 'first'))
  const passing = { recipientEmail: 'ann@example.com', expiresAt: inAnHour() }
  const { id } = (await tenant.post('/v1/suppressions', passing)).body
  expect((await oneClick(token)).status).toBe(200)
  expect(await suppressionsOf(tenant)).toMatchObject([{ id, reasonCode: 'unsubscribed', expiresAt: null }])

  expect((await tenant.owner.del(`/v1/suppressions/${id}`)).status).toBe(200)
  expect((await tenant.send('ann@example.com', 'again')).body.status).toBe('queued')
  expect((await call('POST', `/u/${token}`)).status).toBe(200)
  expect((await tenant.send('ann@example.com', 'still')).body.reason).toBe('suppressed')
})

test('none of more than 300 altered tokens is accepted', async () => {
  const tenant = await newsTenant()
  const token = tokenIn(await received(tenant, 'ann@example.com', 'first'))
  const other = tokenIn(await received(tenant, 'bob@example.com', 'second'))
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const next = (letter: string) => letters.charAt((letters.indexOf(letter) + 1) % 64)
  const altered = [
    ...[...token].map((letter, i) => token.slice(0, i) + next(letter) + token.slice(i + 1)),
    ...[...token].map((_, i) => token.slice(0, i) + token.slice(i + 1)),
    ...[...letters].map((letter) => token.slice(0, -1) + letter),
    ...[...letters].map((letter) => token + letter),
    ...Array.from({ length: 40 }, (_, i) => token.slice(0, (i + 1) * 3) + other.slice((i + 1) * 3)),
    ...[`${token}=`, `${token}.`, `${token}==`, ` ${token}`, token.toUpperCase(), token + token],
    ...['sample', 'null', 'A'.repeat(200), 'A'.repeat(5_000), encodeURIComponent('ann@example.com')],
  ].filter((each) => each !== token && each !== other)
  expect(altered.length).toBeGreaterThan(300)

  const accepted: string[] = []
  for (let at = 0; at < altered.length; at += 50) {
    await Promise.all(
      altered.slice(at, at + 50).flatMap((each) =>
        ['GET', 'POST'].map(async (method) => {
          const { status } = await call(method, `/u/${encodeURIComponent(each)}`)
          if (status !== 404) accepted.push(`${method} ${status} ${each}`)
        }),
      ),
    )
  }
  expect(accepted).toEqual([])
  expect(await suppressionsOf(tenant)).toEqual([])
  expect((await oneClick(token)).status).toBe(200)
})

test('the pages run no script, set no cookie, and send no referrer', async () => {
  const tenant = await newsTenant()
  const token = tokenIn(await received(tenant, 'ann@example.com', 'first'))
  const pages = [
    await call('GET', `/u/${token}`),
    await oneClick(token),
    await call('GET', '/u/unknown'),
    await call('POST', '/u/unknown'),
  ]
  for (const { body, headers } of pages) {
    expect(headers.get('content-type')).toMatch(/^text\/html/)
    expect(headers.get('set-cookie')).toBeNull()
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(headers.get('cache-control')).toBe('no-store')
    const policy = headers.get('content-security-policy') ?? ''
    expect(policy).toMatch(/^default-src 'none'; style-src 'nonce-[\w-]+'; form-action 'self'/)
    expect(policy).toContain("frame-ancestors 'none'")
    expect(body).toContain(`nonce="${/nonce-([\w-]+)/.exec(policy)?.[1]}"`)
    expect(body).toMatch(
      /^<!DOCTYPE html><html lang="en">.*<title>.+<\/title>.*color-scheme: light dark.*<main><h1>/s,
    )
    expect(body).not.toMatch(/<script|\son\w+=|ann@example\.com|https?:/i)
  }
  expect(pages[0]?.body).toMatch(/<form method="post">.*<button type="submit">Unsubscribe<\/button>/s)
  expect(pages.map(({ status, body }) => [status, body.includes('<form')])).toEqual([
    [200, true],
    [200, false],
    [404, false],
    [404, false],
  ])
  const { body } = await call('GET', '/openapi.json')
  expect(Object.keys(body.paths).filter((path) => path.startsWith('/u/'))).toEqual([])
})

const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString()

test('an agent cannot undo an unsubscribe; a person can', async () => {
  const tenant = await newsTenant()
  await oneClick(tokenIn(await received(tenant, 'left@example.com', 'first')))
  const [row] = await suppressionsOf(tenant)
  expect(await tenant.del(`/v1/suppressions/${row.id}`)).toMatchObject({
    status: 403,
    body: { error: 'human_decision_required' },
  })
  const soon = new Date(Date.now() + 1_000).toISOString()
  const again = await tenant.post('/v1/suppressions', { recipientEmail: 'left@example.com', expiresAt: soon })
  expect(again.body).toMatchObject({ id: row.id, reasonCode: 'unsubscribed', expiresAt: null })
  expect((await tenant.send('left@example.com', 'second')).body.reason).toBe('suppressed')

  expect((await tenant.owner.del(`/v1/suppressions/${row.id}`)).status).toBe(200)
  expect((await tenant.send('left@example.com', 'second')).body.status).toBe('queued')
})
