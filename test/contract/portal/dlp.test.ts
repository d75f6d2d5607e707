import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { newPerson, signIn } from '../../support/portal.ts'
import { secretsOf } from '../../support/secrets.ts'
import { newTenant } from '../../support/tenant.ts'

const SCRIPT = '<script>boom()</script>'
const secret = secretsOf(1).stripe_secret_key?.secret ?? ''

test('an owner sets the DLP policy, plants canaries, and sees the kind of each finding but never its text', async () => {
  const tenant = await newTenant()
  const owner = await signIn((await newPerson(tenant.id, 'owner')).email)
  const viewer = await signIn((await newPerson(tenant.id, 'viewer')).email)
  const send = (held: string) =>
    tenant.send(`reader-${crypto.randomUUID()}@example.com`, crypto.randomUUID(), {
      payload: { firstName: held },
    })
  const policy = async () => (await tenant.get('/v1/oversight/dlp')).body

  const page = await owner.get('/portal/dlp')
  expect(page.body).toMatch(/<option value="monitor" selected="">/)
  expect(page.body).toContain('Nothing has been found.')
  expect(page.body).toContain('No canary is planted.')
  expect((await send(secret)).body.status).toBe('queued')
  const noted = await owner.get('/portal/dlp')
  expect(noted.body).toMatch(/data-label="Found"><div[^>]*>stripe secret key, 3 times</)
  expect(noted.body).not.toContain(secret)

  // The form sets the policy; a rule without a tick is switched on.
  expect((await owner.post('/portal/dlp', { mode: 'nothing' })).status).toBe(422)
  expect((await owner.post('/portal/dlp', { mode: 'block', 'off-no_rule': 'on' })).status).toBe(422)
  expect(await policy()).toMatchObject({ mode: 'monitor', disabled_rules: [] })
  expect((await owner.post('/portal/dlp', { mode: 'block', 'off-stripe_secret_key': 'on' })).status).toBe(303)
  expect(await policy()).toMatchObject({ mode: 'block', disabled_rules: ['stripe_secret_key'] })
  expect((await owner.get('/portal/dlp')).body).toMatch(/name="off-stripe_secret_key" checked=""/)
  expect((await send(secret)).body.status).toBe('queued')
  expect((await owner.post('/portal/dlp', { mode: 'block' })).status).toBe(303)
  expect(await policy()).toMatchObject({ mode: 'block', disabled_rules: [] })
  expect((await send(secret)).body).toMatchObject({ status: 'blocked' })

  // A canary is shown once. A text that is too short is refused at its field, which keeps the typed value.
  const short = await owner.post('/portal/dlp/canaries', { label: SCRIPT, value: '"><script>a()' })
  expect(short.status).toBe(422)
  expect(short.body).toMatch(/id="value"[^>]*aria-invalid="true" value="&quot;&gt;&lt;script&gt;a\(\)"/)
  expect(short.body).not.toContain('<script>a')
  const planted = await owner.post('/portal/dlp/canaries', { label: SCRIPT })
  const canary = /canary_[0-9a-z]{20,}/.exec(planted.body)?.[0] ?? ''
  expect(planted.body).toContain(`<p class="secret">${canary}</p>`)
  expect((await send(canary.toUpperCase())).body).toMatchObject({ status: 'blocked' })
  const found = await owner.get('/portal/dlp')
  for (const kept of [canary, secret, SCRIPT]) expect(found.body).not.toContain(kept)
  expect(found.body).toContain('the canary &lt;script&gt;boom()&lt;/script&gt;')
  expect(found.body).toMatch(/data-label="Messages refused"><div[^>]*>1</)
  expect(found.body.match(/href="\/portal\/sends\/req_/g)).toHaveLength(3)

  const lift = /\/portal\/dlp\/canaries\/canary_[0-9a-z]+\/lift/.exec(found.body)?.[0] ?? ''
  const seen = await viewer.get('/portal/dlp')
  expect(seen.body).toContain('Your role may only read this.')
  expect(seen.body).not.toContain(lift)
  for (const path of ['/portal/dlp', '/portal/dlp/canaries', lift]) {
    expect((await viewer.post(path, { mode: 'monitor' })).status).toBe(403)
  }
  expect((await owner.post(lift)).status).toBe(303)
  expect((await send(canary)).body.status).toBe('queued')
  expect((await owner.get('/portal/dlp')).body).toContain('a canary that has been removed')
  const { body: log } = await tenant.owner.get('/v1/compliance/audit-log?limit=100')
  const actions = log.data.map(({ action }: { action: string }) => action)
  for (const action of ['dlp.changed', 'canary.planted', 'canary.tripped', 'canary.lifted']) {
    expect(actions).toContain(action)
  }
})

test('old findings are reached page by page, past sends without findings', async () => {
  const tenant = await newTenant()
  const owner = await signIn((await newPerson(tenant.id, 'owner')).email)
  await tenant.send('old@example.com', 'old', { payload: { firstName: secret } })
  const { results } = await env.DB.prepare("SELECT name FROM pragma_table_info('sends')").all<{
    name: string
  }>()
  const names = results.map(({ name }) => name)
  const values = names.map((name) =>
    name === 'id' ? "'req_z' || n" : ['dedupe_key', 'burned_key', 'next_at'].includes(name) ? 'NULL' : name,
  )
  // These sends have no trace, so nothing was found in them.
  await env.DB.prepare(
    `WITH RECURSIVE count(n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM count WHERE n < 1599)
     INSERT INTO sends (${names}) SELECT ${values} FROM sends CROSS JOIN count WHERE tenant_id = ?1`,
  )
    .bind(tenant.id)
    .run()
  const first = await owner.get('/portal/dlp')
  expect(first.body).toContain('Nothing was found in these sends. Look at older ones.')
  const older = /href="(\/portal\/dlp\?before=[^"]+)"/.exec(first.body)?.[1] ?? ''
  const second = await owner.get(older)
  expect(second.body).toContain('old@example.com')
  expect(second.body).not.toContain('rel="next"')
})
