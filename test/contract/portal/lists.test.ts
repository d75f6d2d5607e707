import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { type Browser, newPerson, signIn } from '../../support/portal.ts'
import { newTenant, type Tenant } from '../../support/tenant.ts'

/** Copies the one row of a table until there are `count`. `change` gives SQL for columns that differ; `n` counts from 2. */
async function fill(
  table: string,
  where: string,
  binds: string[],
  count: number,
  change: Record<string, string>,
) {
  const { results } = await env.DB.prepare('SELECT name FROM pragma_table_info(?1)')
    .bind(table)
    .all<{ name: string }>()
  const names = results.map(({ name }) => name)
  const { meta } = await env.DB.prepare(
    `WITH RECURSIVE counted(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM counted WHERE n < ${count})
     INSERT INTO ${table} (${names.join(', ')})
     SELECT ${names.map((name) => change[name] ?? `t.${name}`).join(', ')} FROM ${table} t, counted WHERE ${where}`,
  )
    .bind(...binds)
    .run()
  expect(meta.changes).toBeGreaterThanOrEqual(count - 1)
}

const numbered = (text: string) => `'${text}' || substr('0000' || n, -5)`

/** Every page of a list, from the newest on, by the link to its next page. */
async function walk(browser: Browser, from: string, by = 'before') {
  const pages: string[] = []
  for (let path: string | undefined = from; path !== undefined; ) {
    const { status, body } = await browser.get(path)
    expect([path, status]).toEqual([path, 200])
    pages.push(body)
    const links: string[] = [...body.matchAll(/rel="next" href="([^"]+)"/g)].map(([, to = '']) =>
      to.replaceAll('&amp;', '&'),
    )
    path = links.find(
      (link) =>
        new URL(link, 'http://x').searchParams.get(by) !==
        new URL(path ?? '', 'http://x').searchParams.get(by),
    )
    if (pages.length > 20) throw new Error(`${from} has no last page`)
  }
  return pages
}

const found = (pages: string[], what: RegExp) =>
  pages.flatMap((body) => [...body.matchAll(what)].map(([, it]) => it))

async function newWorld(): Promise<{ tenant: Tenant; owner: Browser; email: string }> {
  const tenant = await newTenant()
  const { email } = await newPerson(tenant.id, 'owner')
  return { tenant, email, owner: await signIn(email) }
}

test('leases are listed page by page in the order of their contacts, each once, and only those of the tenant', async () => {
  const [{ tenant, owner }, other] = [await newWorld(), await newWorld()]
  for (const each of [tenant, other.tenant]) {
    const { body } = await each.post('/v1/agent/coordination/lease', {
      agentId: each.agentId,
      contactEmail: `first-${each.id}@example.com`,
    })
    expect(body.agentId).toBe(each.agentId)
  }
  await fill('leases', 't.tenant_id = ?1', [tenant.id], 120, {
    id: numbered('lease_0'),
    contact: numbered('held-'),
    contact_email: `${numbered('held-')} || '@example.com'`,
  })
  const { body: vote } = await tenant.post('/v1/agent/coordination/consensus', {
    ...{
      requestingAgentId: tenant.agentId,
      action: 'escalate',
      contactEmail: 'a@example.com',
      reason: 'why',
    },
  })
  const pages = await walk(owner, '/portal/coordination', 'leases')
  const released = found(pages, /coordination\/leases\/([^/"]+)\/release/g)
  const shown = found(pages, /contacts\?email=([^%"]+)%40example\.com"/g)
  expect([pages.length, shown.length, new Set(released).size]).toEqual([3, 120, 120])
  expect(shown).toEqual([...new Set(shown)].sort())
  expect(pages.every((body) => body.includes(vote.id))).toBe(true)
  expect(shown.filter((contact) => !contact?.startsWith('held-'))).toEqual([`first-${tenant.id}`])

  const foreign = await other.owner.get('/portal/coordination?leases=a')
  expect(foreign.body).toContain(`first-${other.tenant.id}`)
  expect(foreign.body).not.toContain('held-')
  expect((await owner.get('/portal/coordination?leases=%00&before=x')).status).toBe(200)
})

test('every list can be read to its end: unknown sends, sessions, history, template versions and CSV exports', async () => {
  const { tenant, owner, email } = await newWorld()
  const { body: send } = await tenant.send('first@example.com', 'one')
  await tenant.settled(send.requestId)
  await env.DB.prepare(`UPDATE sends SET state = 'unknown', next_at = NULL WHERE tenant_id = ?1`)
    .bind(tenant.id)
    .run()
  await fill('sends', 't.tenant_id = ?1', [tenant.id], 110, {
    id: `t.id || ${numbered('')}`,
    dedupe_key: 'NULL',
    burned_key: 'NULL',
  })
  const unknown = found(await walk(owner, '/portal/trouble', 'unknown'), /trouble\/unknown\/([^/"]+)"/g)
  expect([unknown.length, new Set(unknown).size]).toEqual([110, 110])
  expect(/trouble">([^<]+)<\/a><\/dd>/.exec((await owner.get('/portal')).body)?.[1]).toBe('100+')

  await fill('sessions', 't.contact = ?1', [email], 60, {
    token_hash: `${numbered(email)}`,
    id: numbered('ses_0'),
  })
  const sessions = await walk(owner, '/portal/sessions')
  expect(found(sessions, /sessions\/(ses_0\d+)\/end/g)).toHaveLength(59)

  // Many entries of one and the same moment, and one that is older.
  await tenant.post('/v1/agent/coordination/lease', {
    agentId: tenant.agentId,
    contactEmail: 'Busy@example.com',
  })
  await fill('lease_events', "t.tenant_id = ?1 AND t.contact = 'busy@example.com'", [tenant.id], 121, {
    id: numbered('lev_0'),
    at: 't.at - 1000 - (n = 121)',
  })
  const touches = await walk(owner, '/portal/contacts?email=busy@example.com')
  expect(touches.map((body) => body.split('Lease of').length - 1)).toEqual([50, 50, 21])

  await fill('template_versions', 't.tenant_id = ?1 AND t.version = 1', [tenant.id], 45, { version: 'n' })
  const path = '/portal/templates/tpl_welcome'
  const listed = async (version: number) => {
    const { body } = await owner.get(`${path}?version=${version}`)
    expect(body).toContain(`<h2>Version ${version}</h2>`)
    return [...body.matchAll(/<option value="(\d+)"/g)].map(([, each]) => Number(each))
  }
  expect([(await listed(45)).at(-1), (await listed(25)).at(-1), (await listed(5)).at(-1)]).toEqual([26, 6, 1])
  expect((await owner.get(path)).body).toContain(`href="${path}?version=25"`)
  expect((await owner.get(`${path}/versions/1/preview`)).status).toBe(200)
  for (const version of ['46', '0', '1e999', 'x'])
    expect((await owner.get(`${path}/versions/${version}/preview`)).status).toBe(404)
  for (const version of ['46', '0', '1e999', 'x'])
    expect((await owner.get(`${path}?version=${version}`)).status).toBe(200)

  await tenant.owner.post('/v1/suppressions', { recipientEmail: 'first@example.com' })
  await tenant.owner.post('/v1/consent', {
    recipientEmail: 'first@example.com',
    basis: 'contractual',
    source: 'test',
  })
  const address = { contact: numbered('a'), email: `${numbered('a')} || '@example.com'` }
  await fill('suppressions', 't.tenant_id = ?1', [tenant.id], 10_500, { ...address, id: numbered('sup_0') })
  await fill('consents', 't.tenant_id = ?1', [tenant.id], 2_000, { ...address, id: numbered('con_0') })
  for (const [name, count] of [
    ['suppressions', 10_500],
    ['consents', 2_000],
  ] as const) {
    const { body, headers } = await owner.get(`/portal/${name}.csv`)
    expect(headers.get('content-disposition')).toBe(`attachment; filename="${name}.csv"`)
    const [head, ...lines] = body.trimEnd().split('\r\n')
    expect(head).toMatch(/^email,/)
    expect([lines.length, new Set(lines.map((line) => line.split(',')[0])).size]).toEqual([count, count])
  }
  expect((await owner.get('/portal/consents')).body).toMatch(/rel="next" href="[^"]*">Next page</)
}, 60_000)
