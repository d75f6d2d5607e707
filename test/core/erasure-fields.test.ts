import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { archiveKey, buildArchive } from '../../src/core/governance/compliance/archive.ts'
import { eraseSome, SETTLE_MS } from '../../src/core/governance/compliance/erasing.ts'
import worker from '../../src/index.ts'
import { plant, type Request as Written, writingRoutes } from '../support/fields.ts'
import { ENTRIES, newWorld, type World } from '../support/matrix.ts'
import { quiet } from '../support/matrix-dump.ts'
import { everythingStored, killedBefore, recordingBells, type Stored } from '../support/stored.ts'
import { call, eventually, grant } from '../support/tenant.ts'

/** Letters only, so that a canary is always one word. Nine letters, so that they can be recognised in base64, too. */
const RUN = `${Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => letterAt(byte % 20)).join('')}x`

type Opened = { world: World; by: Record<string, string>; smtp: Record<string, string>; said: Written[] }

test('text written into any field of any endpoint is in the export, and nowhere after the deletion', async () => {
  const canaries = new Map<string, string>()
  const wordFor = (name: string) => {
    const known = [...canaries].find(([, each]) => each === name)
    if (known) return known[0]
    const nth = canaries.size
    const word = `${letterAt(nth / 400)}${letterAt((nth / 20) % 20)}${letterAt(nth % 20)}${RUN}`
    canaries.set(word, name)
    return word
  }
  const { env: heard, bells } = recordingBells()
  const broken: string[] = []
  const ask = async (by: Record<string, string>, { method, path, query, body, headers }: Written) => {
    const url = `http://moltpost.test${path.join('/')}?${new URLSearchParams(query)}`
    const type = body === undefined ? {} : { 'content-type': 'application/json' }
    const sent = { method, headers: { ...type, ...by, ...headers }, body: JSON.stringify(body) ?? null }
    const response = await worker.fetch(new Request(url, sent), heard, createExecutionContext())
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('/json')
    if (response.status >= 500) broken.push(`${method} ${path.join('/')}: ${text}`)
    return { status: response.status, body: isJson ? JSON.parse(text) : {} }
  }
  const receive = async (to: string, raw: string) => {
    let rejected: string | null = null
    const message = {
      from: 'ann@example.com',
      to,
      raw: new Response(raw).body,
      rawSize: raw.length,
      headers: new Headers(),
      setReject: (reason: string) => {
        rejected = reason
      },
    } as unknown as ForwardableEmailMessage
    await worker.email(message, heard, createExecutionContext())
    return rejected
  }

  // A request that cannot be answered in one world is tried in a fresh one.
  const worlds: Opened[] = []
  const open = async (): Promise<Opened> => {
    const world = await newWorld()
    const { body } = await call('POST', '/v1/smtp-credentials', { key: world.tenant.key, body: {} })
    const smtp = { authorization: `Basic ${btoa(`${body.username}:${body.password}`)}` }
    const said: Written[] = []
    const opened = { world, by: { authorization: `Bearer ${world.key}` }, smtp, said }
    worlds.push(opened)
    return opened
  }
  const { body: document } = await call('GET', '/openapi.json')
  const routes = writingRoutes(document).filter((route) => route !== 'POST /v1/smtp/submissions')
  const planted: string[] = []
  const left: string[] = []
  let ids = 0
  for (const route of routes) {
    const needs = ENTRIES[route]?.needs
    let result: Awaited<ReturnType<typeof plant>> = null
    for (let nth = 0; nth < 5 && result === null; nth++) {
      const { world, by, smtp, said } = worlds[nth] ?? (await open())
      const as = needs === 'open' ? {} : needs === 'smtp' ? smtp : by
      result = await plant(document, route, world, wordFor, (request) => ask(as, request))
      if (result && needs !== 'open')
        said.push({ ...result.request, headers: { ...result.request.headers, ...as } })
    }
    expect({ route, isAnswered: result !== null }).toEqual({ route, isAnswered: true })
    planted.push(...(result?.planted ?? []))
    left.push(...(result?.left ?? []))
    ids += result?.ids ?? 0
  }
  const [first] = worlds
  if (!first) throw new Error('there is no world')
  const { tenant } = first.world
  const author = `${wordFor('mail received: From')}@example.com`
  const arrived = letter(author, tenant.address, (what) => wordFor(`mail received: ${what}`))
  expect(await receive(tenant.address, arrived)).toBeNull()
  const submission = {
    body: letter(tenant.address, 'fresh@example.com', (what) => wordFor(`mail submitted: ${what}`)),
    headers: {
      ...first.smtp,
      'content-type': 'message/rfc822',
      'x-envelope-from': encodeURIComponent(tenant.address),
      'x-envelope-to': encodeURIComponent('fresh@example.com'),
    },
  }
  expect((await call('POST', '/v1/smtp/submissions', submission)).status).toBe(202)
  await quiet()
  await eventually(async () => {
    const row = await env.DB.prepare(
      "SELECT count(*) AS waiting FROM arrivals WHERE state = 'received'",
    ).first()
    return row?.waiting === 0 ? true : undefined
  })

  const before = await everythingStored()
  const canariesIn = (stored: Stored[]) =>
    new Set(stored.flatMap(({ text }) => wordsIn(text)).filter((word) => canaries.has(word)))
  const held = canariesIn(before)
  const tenants = new Map(worlds.map(({ world }) => [world.ids.tenantId, world.key]))
  const { results } = await env.DB.prepare('SELECT tenant_id AS id FROM agents WHERE name LIKE ?1')
    .bind(`%${RUN}%`)
    .all<{ id: string }>()
  for (const { id } of results)
    if (!tenants.has(id)) tenants.set(id, await grant(id, ['read', 'send', 'manage']))
  const archives = await Promise.all([...tenants].map(([tenantId, key]) => archiveOf(tenantId, key)))
  const exported = canariesIn(archives)
  const nameOf = (word: string) => canaries.get(word) ?? word
  const placesOf = (word: string) => [
    ...new Set(before.filter((each) => canariesIn([each]).has(word)).map(({ place }) => place.split('/')[0])),
  ]
  const lacking = [...held].filter((word) => !exported.has(word))
  const unheld = [...canaries].filter(
    ([word, name]) => (planted.includes(name) || name.startsWith('mail')) && !held.has(word),
  )
  console.warn(
    `erasure: ${routes.length} routes, ${planted.length} fields planted, ${left.length} not free text, ${ids} ids, ${worlds.length} worlds, ` +
      `${tenants.size} tenants, ${held.size} canaries stored, ${exported.size} exported, ${bells.length} bells\n` +
      `not planted:\n  ${left.join('\n  ')}\nplanted and not stored:\n  ${unheld.map(([, name]) => name).join('\n  ')}\n` +
      `stored and not exported:\n  ${lacking.map((word) => `${nameOf(word)} in ${placesOf(word).join()}`).join('\n  ')}`,
  )
  expect(lacking.map(nameOf)).toEqual([])

  // Everything is written once more during the deletion request.
  const ordered = await Promise.all(
    [...tenants].map(async ([tenantId, key]) => {
      const world = worlds.find((each) => each.world.ids.tenantId === tenantId)
      const again = (world?.said ?? []).map((request) => ask({}, afresh(request)))
      const mail = world ? [receive(world.world.tenant.address, arrived)] : []
      const [{ status, body }] = await Promise.all([
        call('POST', '/v1/compliance/delete', { key, body: { confirm: 'DELETE' } }),
        ...again,
        ...mail,
      ])
      expect(status).toBe(202)
      return { tenantId, path: `/v1/compliance/delete/${body.request_id}`, token: body.status_token }
    }),
  )
  const at = Date.now()
  let killed = 0
  for (let nth = 0; nth < 20; nth++) {
    const dying = killedBefore(1 + Math.floor(Math.random() * 120))
    await eraseSome(dying, first.world.ids.tenantId, () => new Date(at + nth)).catch(() => killed++)
  }
  for (const nth of [1, 2])
    for (const { tenantId } of ordered) await eraseSome(env, tenantId, () => new Date(at + nth * SETTLE_MS))
  for (const { path, token } of ordered)
    expect((await call('GET', path, { key: token })).body).toMatchObject({ status: 'completed' })
  const after = (await everythingStored()).filter(({ text }) => isMarked(text))
  expect(after.map(({ place, text }) => `${place}: ${text.slice(0, 300)}`)).toEqual([])
  expect(broken).toEqual([])
  expect(killed).toBeGreaterThan(5)
  expect(bells.length).toBeGreaterThan(20)
  expect(bells.filter(isMarked)).toEqual([])
}, 240_000)

async function archiveOf(tenantId: string, key: string): Promise<Stored> {
  const { status, body } = await call('POST', '/v1/compliance/export', { key })
  expect(status).toBe(202)
  await buildArchive(env, { tenantId, archiveId: body.export_id }, () => new Date())
  // If the queue's consumer was first, it builds the archive.
  const object = await eventually(
    async () => (await env.MAIL.get(archiveKey({ tenantId, id: body.export_id }))) ?? undefined,
  )
  return { place: 'archive', text: await object.text() }
}

/** The canaries in a text, also across the line breaks of mail and in base64. */
function wordsIn(text: string): string[] {
  const whole = unbroken(text).matchAll(new RegExp(`[a-z]{3}${RUN}`, 'gi'))
  const encoded = text.matchAll(new RegExp(`[A-Za-z0-9+/]{4}${btoa(RUN)}`, 'g'))
  return [
    ...Array.from(whole, ([word]) => word.toLowerCase()),
    ...Array.from(encoded, ([word]) => atob(word)),
  ]
}

const isMarked = (text: string) => unbroken(text).toLowerCase().includes(RUN) || text.includes(btoa(RUN))

const unbroken = (text: string) => text.replace(/=(?:\r\n|\\r\\n)/g, '')

/** The same request without its idempotency key. */
function afresh({ headers: { 'idempotency-key': _, ...headers }, ...request }: Written): Written {
  return { ...request, headers }
}

/** A mail with a different word in each part. */
function letter(from: string, to: string, word: (what: string) => string): string {
  return [
    `From: "${word('name')}" <${from}>`,
    `To: "${word('recipient')}" <${to}>`,
    `Cc: ${word('Cc')}@example.com`,
    `Reply-To: ${word('Reply-To')}@example.com`,
    `Subject: Hello ${word('subject')}`,
    'Date: Sat, 21 Nov 2026 09:00:00 +0000',
    `Message-ID: <${word('Message-ID')}@example.com>`,
    `X-Note: ${word('field of its own')}`,
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary="b1"',
    '',
    '--b1',
    'Content-Type: text/plain',
    '',
    `Hello ${word('text')}`,
    '--b1',
    'Content-Type: text/html',
    '',
    `<p title="${word('attribute')}">Hello ${word('html')}</p>`,
    '--b1',
    `Content-Type: application/octet-stream; name="${word('file name')}.bin"`,
    'Content-Disposition: attachment',
    'Content-Transfer-Encoding: base64',
    '',
    btoa(word('file')),
    '--b1--',
    '',
  ].join('\r\n')
}

/** A letter that no encoding changes. */
function letterAt(at: number): string {
  return 'abcdefghiklmnopqrtuv'.charAt(Math.floor(at))
}
