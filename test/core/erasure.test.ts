import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { linkEntries } from '../../src/core/governance/audit/link.ts'
import { buildArchive } from '../../src/core/governance/compliance/archive.ts'
import { eraseSome, SETTLE_MS } from '../../src/core/governance/compliance/erasing.ts'
import { RULES, TENANT_TABLES } from '../../src/core/governance/compliance/tables.ts'
import { newWorld } from '../support/matrix.ts'
import { dumpTenant, tables } from '../support/matrix-dump.ts'
import { everythingStored, killedBefore } from '../support/stored.ts'
import { call, eventually } from '../support/tenant.ts'

test('every table has a rule for deletion, and the database ignores new rows of an erased tenant', async () => {
  const known = [...(await tables()).keys()].filter((name) => name !== 'd1_migrations').sort()
  const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  expect(Object.keys(RULES).map(snake).sort()).toEqual(known)
  expect(TENANT_TABLES.filter(({ key }) => key.length === 0)).toEqual([])
  const { results } = await env.DB.prepare(
    "SELECT tbl_name AS name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%\\_fenced' ESCAPE '\\'",
  ).all<{ name: string }>()
  const fenced = results.map(({ name }) => name).sort()
  const erased = TENANT_TABLES.filter(({ rule, tenantId }) => !rule.isKept && tenantId !== null)
  // `npm run migrate` writes the fence of a new table.
  expect(fenced).toEqual(erased.map(({ name }) => snake(name)).sort())
})

test('an export holds everything that a tenant has written and no secret, is listed, and its link needs no key', async () => {
  const { canary, tenant, key } = await newWorld()
  const { body: ordered, status } = await call('POST', '/v1/compliance/export', { key })
  expect(status).toBe(202)
  expect(ordered).toMatchObject({ export_id: expect.stringMatching(/^exp_/), status: 'queued' })
  const again = await call('POST', '/v1/compliance/export', { key })
  expect([202, 409]).toContain(again.status)
  // Built at the same time by the queue and here, it is one archive.
  await buildArchive(env, { tenantId: tenant.id, archiveId: ordered.export_id }, () => new Date())
  const ready = await eventually(async () => {
    const { body } = await call('GET', `/v1/compliance/export/${ordered.export_id}`, { key })
    return body.status === 'ready' ? body : undefined
  })
  const { body: list } = await call('GET', '/v1/compliance/export', { key })
  expect(list.data.map((each: { export_id: string }) => each.export_id)).toContain(ordered.export_id)
  const path = new URL(ready.download_url).pathname
  const { body: archive, headers, status: opened } = await call('GET', path)
  expect(opened).toBe(200)
  expect(headers.get('content-type')).toBe('application/zip')
  expect((await call('GET', path.replace(/.$/, path.endsWith('A') ? 'B' : 'A'))).status).toBe(404)

  const rows = await dumpTenant(tenant.id)
  for (const { name, rule } of TENANT_TABLES) {
    if (!rule.isExported || rule.hidden.length > 0 || name === 'archives') continue
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    const isSaid = rows.get(snake)?.some((row) => JSON.stringify(row).includes(canary))
    const at = archive.indexOf(`tables/${name}.ndjson`, archive.indexOf('left_out'))
    expect({ name, isThere: at >= 0 }).toEqual({ name, isThere: true })
    if (!isSaid) continue
    const part = archive.slice(at, archive.indexOf('tables/', at + 10))
    expect({ name, holds: part.includes(canary) }).toEqual({ name, holds: true })
  }
  const { results } = await env.DB.prepare('SELECT hash FROM keys WHERE tenant_id = ?1').bind(tenant.id).all()
  for (const { hash } of results) expect(archive).not.toContain(hash)
  expect(archive).not.toContain('whsec_')
})

test('a deletion stops keys at once, survives a crash at any point, and leaves only the declared residue', async () => {
  const [{ canary, tenant, key, ids }, bystander] = await Promise.all([newWorld(), newWorld()])
  for (const confirm of [undefined, 'delete', '']) {
    expect((await call('POST', '/v1/compliance/delete', { key, body: { confirm } })).status).toBe(422)
  }
  // A message to another tenant belongs to that tenant.
  const letter = {
    to: bystander.tenant.address,
    subject: 'Between us',
    text: `To a neighbour ${ids.tenantId}`,
  }
  await env.DB.prepare("UPDATE mailboxes SET autonomy = 'auto' WHERE tenant_id = ?1").bind(tenant.id).run()
  const sent = await call('POST', '/v1/messages', { key, body: letter })
  expect(sent.status).toBe(202)
  await eventually(async () => {
    const { body } = await call('GET', '/v1/messages?limit=100', { key: bystander.key })
    return JSON.stringify(body).includes('Between us') ? true : undefined
  })
  const standing = await dumpTenant(bystander.ids.tenantId)

  // Other requests go on writing during and after the deletion request.
  const write = (nth: number) =>
    call('PUT', `/v1/agents/me/memory/late-${nth}`, { key, body: { value: `${canary} late` } })
  const [ordered, ...written] = await Promise.all([
    call('POST', '/v1/compliance/delete', { key, body: { confirm: 'DELETE' } }),
    ...Array.from({ length: 20 }, (_, nth) => write(nth)),
  ])
  expect(ordered.status).toBe(202)
  expect(ordered.body).toMatchObject({ status: 'queued', residue: expect.any(Array) })
  expect(written.every(({ status }) => status < 600)).toBe(true)
  expect((await write(99)).status).toBe(401)

  const { request_id, status_token } = ordered.body
  const path = `/v1/compliance/delete/${request_id}`
  expect((await call('GET', path)).status).toBe(404)
  expect((await call('GET', path, { key: bystander.key })).status).toBe(404)
  const at = Date.now()
  for (let nth = 0; nth < 20; nth++) {
    const killed = killedBefore(1 + Math.floor(Math.random() * 120))
    await eraseSome(killed, tenant.id, () => new Date(at + nth)).catch(() => undefined)
  }
  for (let nth = 0; nth < 5; nth++) {
    await eraseSome(env, tenant.id, () => new Date(at + SETTLE_MS + nth * 120_000))
  }
  // The sweep would link the log, at some time.
  await linkEntries(env, new Date(), tenant.id)
  const { body: status } = await call('GET', path, { key: status_token })
  expect(status).toMatchObject({ status: 'completed', completed_at: expect.any(String) })

  const left = await dumpTenant(tenant.id)
  const kept = [...left].filter(([, rows]) => rows.length > 0).map(([name]) => name)
  expect(kept.sort()).toEqual([
    ...['audit_entries', 'audit_heads', 'bonds', 'erasures', 'given_addresses', 'sanctions', 'subscriptions'],
  ])
  for (const name of ['audit_entries', 'audit_heads', 'erasures'])
    expect(JSON.stringify(left.get(name))).not.toContain(canary)
  expect(await traces(canary, tenant.id, bystander.ids.tenantId)).toEqual([])
  const others = await dumpTenant(bystander.ids.tenantId)
  expect(others.get('messages')).toEqual(standing.get('messages'))
  const lines = await call('GET', `${path}/audit-log`, { key: status_token })
  expect(String(lines.body)).toContain('tenant.erased')
  expect(String(lines.body)).not.toContain(canary)
})

/** The places in R2, objects and tables that still hold a word or a folder of the tenant, without the receiver's rows. */
async function traces(word: string, tenantId: string, receiver: string): Promise<string[]> {
  const found = (await everythingStored()).filter(
    ({ place, text, tenantId: whose }) =>
      (text.includes(word) && whose !== receiver) || (place.startsWith('R2') && place.includes(tenantId)),
  )
  const places = found.map(({ place, text }) => (place.startsWith('object') ? `${place}: ${text}` : place))
  return places.filter((place) => !['table bonds', 'table sanctions', 'table subscriptions'].includes(place))
}
