import { sleep } from '../../../test/support/program.ts'
import type { Attack, Guard } from './attack.ts'
import { eventually, type Tenant, type World } from './world.ts'

type Stream = { heard: () => string; close: () => void }

/** What a listener has been told so far. Opens with server-sent events or, if `isSocket`, as a WebSocket. */
async function listen(
  world: World,
  key: string,
  { query = '', isSocket = false, cookie = '' }: { query?: string; isSocket?: boolean; cookie?: string } = {},
): Promise<Stream> {
  const path = cookie === '' ? `/v1/agent/events/stream${query}` : '/portal/live'
  if (isSocket) return await world.listenBySocket(path, key)
  let heard = ''
  const stop = new AbortController()
  const headers: Record<string, string> = cookie === '' ? { authorization: `Bearer ${key}` } : { cookie }
  const response = await fetch(world.address + path, { headers, signal: stop.signal })
  const follow = async () => {
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) heard += decoder.decode(chunk, { stream: true })
  }
  follow().catch(() => {})
  return { heard: () => heard, close: () => stop.abort() }
}

/** Makes an event of the tenant, and waits until somebody with full rights hears of it. */
async function happens(world: World, tenant: Tenant): Promise<void> {
  const watch = await listen(world, tenant.owner.key)
  const contactEmail = world.someone('contact')
  await sleep(200)
  await tenant.owner.post('/v1/agent/coordination/lease', { agentId: tenant.agentId, contactEmail })
  await eventually(async () => (watch.heard().includes('lease.acquired') ? true : undefined)).finally(
    watch.close,
  )
  await sleep(300)
}

type Opened = { tenant: Tenant; keyId: string; key: string; streams: Stream[] }

/** Tenant, a read key that the owner made for the attacker, and its two kinds of streams. */
async function opened(world: World, query = ''): Promise<Opened> {
  const tenant = await world.newTenant()
  const { body } = await tenant.owner.post('/v1/agent/keys', { label: 'listener', permissions: ['read'] })
  const key: string = body.rawKey
  const streams = [await listen(world, key, { query }), await listen(world, key, { query, isSocket: true })]
  await happens(world, tenant)
  for (const { heard } of streams)
    if (!heard().includes('lease.acquired')) throw new Error('the stream told nothing while it should')
  return { tenant, keyId: body.id, key, streams }
}

const told = (text: string) => text.split('lease.acquired').length

/** After the change nothing more may be told to the streams that were opened before. */
const goesOn = (does: string, change: (opened: Opened, world: World) => Promise<unknown>): Attack => ({
  line: 'A13',
  does,
  async run(world) {
    const of = await opened(world)
    const before = of.streams.map(({ heard }) => told(heard()))
    await change(of, world)
    await happens(world, of.tenant)
    const after = of.streams.map(({ heard }) => told(heard()))
    for (const { close } of of.streams) close()
    const at = after.findIndex((count, place) => count > (before[place] ?? 0))
    return at < 0 ? null : `the ${at === 0 ? 'event stream' : 'WebSocket'} went on`
  },
})

const write = (world: World, statement: string, ...values: (string | number)[]) =>
  world
    .db()
    .prepare(statement)
    .run(...values)

export const attacks: Attack[] = [
  goesOn('A stream goes on after its key was revoked.', ({ tenant, keyId }) =>
    tenant.owner.del(`/v1/agent/keys/${keyId}`),
  ),
  goesOn('A stream goes on after its key has expired.', async ({ tenant, keyId }) => {
    await tenant.owner.patch(`/v1/agent/keys/${keyId}`, {
      expiresAt: new Date(Date.now() + 1_500).toISOString(),
    })
    await sleep(2_000)
  }),
  goesOn('A stream goes on after its key was narrowed to another permission.', ({ tenant, keyId }) =>
    tenant.owner.patch(`/v1/agent/keys/${keyId}`, { permissions: ['send'] }),
  ),
  goesOn('A stream goes on after its key was narrowed to a mailbox.', async ({ tenant, keyId }) => {
    const mailboxScopes = [{ mailboxId: tenant.mailboxId, permissions: ['read'] }]
    await tenant.owner.patch(`/v1/agent/keys/${keyId}`, { mailboxScopes })
  }),
  goesOn(
    'A stream goes on after an end of its key was set by other means than the verbs that know of streams.',
    async ({ keyId }, world) =>
      write(world, 'UPDATE keys SET expires_at = ? WHERE id = ?', Date.now() - 1, keyId),
  ),
  goesOn('A stream goes on after its key got another secret.', async ({ keyId }, world) =>
    write(world, "UPDATE keys SET hash = hash || 'x' WHERE id = ?", keyId),
  ),
  {
    line: 'A13',
    does: 'A stream of an agent goes on after the agent was banned.',
    async run(world) {
      const tenant = await world.newTenant()
      const streams = [await listen(world, tenant.key), await listen(world, tenant.key, { isSocket: true })]
      await happens(world, tenant)
      write(world, "UPDATE agents SET status = 'banned' WHERE id = ?", tenant.agentId)
      const before = streams.map(({ heard }) => heard().length)
      const to = world.someone('reader')
      await tenant.owner.post(
        '/v1/messages',
        { to: [to], subject: 'x', text: 'x' },
        { 'x-agent-id': tenant.agentId },
      )
      await tenant.owner.post('/v1/suppressions', { contactEmail: to })
      await sleep(2_500)
      const grown = streams.findIndex(({ heard }, place) =>
        /event|"type"/.test(heard().slice(before[place] ?? 0)),
      )
      for (const { close } of streams) close()
      return grown < 0 ? null : 'it was told of an event'
    },
  },
  {
    line: 'A13',
    does: 'A key that made a stream is revoked with its maker.',
    async run(world) {
      const tenant = await world.newTenant()
      const maker = await tenant.owner.post('/v1/agent/keys', {
        label: 'maker',
        permissions: ['read', 'manage'],
      })
      const made = await world
        .asKey(maker.body.rawKey)
        .post('/v1/agent/keys', { label: 'made', permissions: ['read'] })
      const stream = await listen(world, made.body.rawKey, { isSocket: true })
      await happens(world, tenant)
      await tenant.owner.del(`/v1/agent/keys/${maker.body.id}`)
      const before = told(stream.heard())
      await happens(world, tenant)
      stream.close()
      return told(stream.heard()) > before ? 'the stream of the descendant went on' : null
    },
  },
  {
    line: 'A13',
    does: 'A narrowed key reads with Last-Event-ID what it may no longer read.',
    async run(world) {
      const { tenant, keyId, key, streams } = await opened(world)
      const id = /id: (evt_\w+)/.exec(streams[0]?.heard() ?? '')?.[1] ?? ''
      await happens(world, tenant)
      const mailboxScopes = [{ mailboxId: tenant.mailboxId, permissions: ['read'] }]
      await tenant.owner.patch(`/v1/agent/keys/${keyId}`, { mailboxScopes })
      const again = [
        await listen(world, key, { query: `?lastEventId=${id}` }),
        await listen(world, key, { query: `?lastEventId=${id}`, isSocket: true }),
      ]
      await sleep(1_500)
      for (const { close } of [...streams, ...again]) close()
      return again.some(({ heard }) => heard().includes('lease.acquired')) ? 'it was told of a lease' : null
    },
  },
  {
    line: 'A13',
    does: 'Streams are opened while their key is being revoked.',
    async run(world) {
      const tenant = await world.newTenant()
      for (let round = 0; round < 5; round++) {
        const { body } = await tenant.owner.post('/v1/agent/keys', {
          label: 'listener',
          permissions: ['read'],
        })
        const open = Array.from({ length: 6 }, (_, at) =>
          listen(world, body.rawKey, { isSocket: at % 2 === 0 }).catch(() => null),
        )
        await tenant.owner.del(`/v1/agent/keys/${body.id}`)
        const streams = (await Promise.all(open)).filter((each) => each !== null)
        const before = streams.map(({ heard }) => told(heard()))
        await happens(world, tenant)
        const grown = streams.some(({ heard }, place) => told(heard()) > (before[place] ?? 0))
        for (const { close } of streams) close()
        if (grown) return 'a stream that was opened during the revocation went on'
      }
      return null
    },
  },
  {
    line: 'A13',
    does: 'Open pages of the portal go on telling a person who signed out, was removed or got another role.',
    async run(world) {
      const ends: ((tenant: Tenant) => Promise<unknown>)[] = [
        (tenant) => tenant.person.post('/portal/sign-out'),
        async (tenant) => write(world, "UPDATE owners SET role = 'viewer' WHERE email = ?", tenant.email),
        async (tenant) => write(world, 'DELETE FROM owners WHERE email = ?', tenant.email),
        async (tenant) => write(world, "UPDATE tenants SET status = 'frozen' WHERE id = ?", tenant.tenantId),
      ]
      for (const end of ends) {
        const tenant = await world.newTenant()
        const page = await listen(world, '', { cookie: tenant.person.cookie })
        await happens(world, tenant)
        if (!page.heard().includes('lease.acquired')) throw new Error('the page was told nothing')
        await end(tenant)
        const before = told(page.heard())
        await tenant.owner.post('/v1/agent/coordination/lease', {
          agentId: tenant.agentId,
          contactEmail: world.someone('contact'),
        })
        await sleep(2_500)
        page.close()
        if (told(page.heard()) > before) return 'the page went on'
      }
      return null
    },
  },
]

export const guards: Guard[] = [
  {
    line: 'A13',
    what: 'the look-up of rights before events are sent, and the notice of changes',
    file: 'core/accounts/streams.ts',
    from: '  return rights.filter((right) => standing.has(nameOf(right)))',
    to: '  return rights.filter((right) => standing.has(nameOf(right)) || true)',
  },
  {
    line: 'A13',
    what: 'the version in the stamp of a key',
    file: 'core/accounts/streams.ts',
    from: "  SELECT k.id, k.version || ' ' ||",
    to: "  SELECT k.id, (SELECT max(1, k.version * 0 + 1)) || ' ' ||",
  },
  {
    line: 'A13',
    what: 'the role in the stamp of a person',
    file: 'core/accounts/streams.ts',
    from: "  SELECT s.id, o.id || ' ' || o.role || ' ' || (t.status = 'frozen'), s.expires_at",
    to: "  SELECT s.id, o.id || ' owner ' || (t.status = 'frozen'), s.expires_at",
  },
]
