import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { devDatabase } from '../../../test/support/dev-database.ts'
import { freePort, type Program, sleep, startDev, startProgram } from '../../../test/support/program.ts'
import { startRelay } from './relay.ts'

// biome-ignore lint/suspicious/noExplicitAny: an attack reads whatever the wire brings
export type Json = any
export type Answer = { status: number; body: Json; headers: Headers }

export const OPERATOR_KEY = 'operator-of-the-attacks-and-nobody-else'

type Asked = {
  key?: string | null | undefined
  body?: unknown
  headers?: Record<string, string> | undefined
}

/** The development server under attack, and everybody who lives on it. */
export type World = Awaited<ReturnType<typeof openWorld>>

/** Starts the server from the project in `root`. */
export async function openWorld(root?: string) {
  const state = await mkdtemp(join(tmpdir(), 'moltpost-attacks-'))
  const [smtpPort, smtpTlsPort] = [await freePort(), await freePort()]
  const relay = await startRelay()
  const env = {
    OPERATOR_KEY,
    AUTO_CLAIM: '',
    REGISTRATIONS_PER_HOUR: '10000',
    REGISTRATIONS_PER_DAY: '10000',
    ...{ SMTP_HOST: '127.0.0.1', SMTP_PORT: String(relay.port), SMTP_SECURITY: 'none' },
    SMTP_SUBMISSION_PORT: String(smtpPort),
    SMTP_SUBMISSION_TLS_PORT: String(smtpTlsPort),
  }
  const server = await startDev(state, env, root)
  let bridge: Promise<Program> | null = null
  let database: DatabaseSync | null = null
  let count = 0

  /** One request, as any client would make it. */
  async function call(
    method: string,
    path: string,
    { key, body, headers = {} }: Asked = {},
  ): Promise<Answer> {
    const response = await fetch(server.address + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(key ? { authorization: `Bearer ${key}` } : {}),
        ...(body === undefined || body instanceof URLSearchParams
          ? {}
          : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined
        ? {}
        : {
            body: typeof body === 'string' || body instanceof URLSearchParams ? body : JSON.stringify(body),
          }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') && text !== ''
    return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers }
  }

  /** The mails that left for an address, newest first. */
  async function outbox(to: string): Promise<Json[]> {
    const { body } = await call('GET', `/dev/outbox?to=${encodeURIComponent(to)}&limit=1000`)
    return body.items
  }

  /** A link of our own server in the newest mail to an address, once there is one. */
  async function mailedLink(to: string, pattern: RegExp): Promise<string> {
    return await eventually(async () => {
      for (const { text } of await outbox(to)) {
        const link = pattern.exec(text ?? '')?.[0]
        if (link) return link
      }
      return undefined
    })
  }

  /** Signs a person in with the link that is mailed to them, as their browser would. */
  async function signIn(email: string) {
    await call('POST', '/portal/sign-in', { body: new URLSearchParams({ email }), headers: SAME_ORIGIN })
    const path = await mailedLink(email, /\/portal\/enter\/[A-Za-z0-9_-]+/)
    const entered = await call('POST', path, { body: new URLSearchParams(), headers: SAME_ORIGIN })
    const cookie = /__Host-moltpost=[^;]+/.exec(entered.headers.get('set-cookie') ?? '')?.[0] ?? ''
    const get = (page: string) => call('GET', page, { headers: { cookie } })
    const csrf = /name="csrf" value="([0-9a-f]{64})"/.exec((await get('/portal/accounts')).body)?.[1] ?? ''
    return {
      cookie,
      csrf,
      get,
      post: (page: string, fields: Record<string, string> = {}) =>
        call('POST', page, {
          body: new URLSearchParams({ csrf, ...fields }),
          headers: { cookie, ...SAME_ORIGIN },
        }),
    }
  }

  const unique = () => `${Date.now().toString(36)}${count++}`

  /** A new address of a person outside. */
  const someone = (name = 'person') => `${name}-${unique()}@example.com`

  function asKey(key: string) {
    return {
      key,
      get: (path: string, headers?: Record<string, string>) => call('GET', path, { key, headers }),
      del: (path: string, body?: unknown) => call('DELETE', path, { key, body }),
      post: (path: string, body: unknown = {}, headers?: Record<string, string>) =>
        call('POST', path, { key, body, headers }),
      patch: (path: string, body: unknown) => call('PATCH', path, { key, body }),
      put: (path: string, body: unknown) => call('PUT', path, { key, body }),
    }
  }

  /** An agent that has registered and that nobody has claimed yet. */
  async function newAgent(name = `Agent ${unique()}`) {
    const { body } = await call('POST', '/v1/agents/register', { body: { name } })
    return {
      name,
      tenantId: body.tenant_id as string,
      mailboxId: body.mailbox_id as string,
      agentId: body.agent.id as string,
      address: body.agent.email as string,
      claimToken: body.claim_token as string,
      ...asKey(body.api_key as string),
    }
  }

  /**
   * An agent whose owner has claimed it and proved their address. `owner` is a key that the owner made in the portal, with every
   * permission. `person` is the owner's browser.
   */
  async function newTenant(name?: string) {
    const agent = await newAgent(name)
    const email = someone('owner')
    await call('POST', `/v1/claim/${agent.claimToken}`, { body: { email } })
    const verify = await mailedLink(email, /\/verify\/[A-Za-z0-9_-]+/)
    await call('POST', verify, { body: new URLSearchParams(), headers: SAME_ORIGIN })
    const person = await signIn(email)
    const { body } = await person.post('/portal/keys', {
      label: 'the owner',
      ...{ read: 'on', send: 'on', manage: 'on', approve: 'on', loosen: 'on' },
    })
    const ownerKey = /mm_live_[0-9A-Za-z]{49}/.exec(body)?.[0]
    if (!ownerKey) throw new Error(`the owner got no key: ${String(body).slice(0, 2_000)}`)
    const owner = asKey(ownerKey)
    await template(owner, 'welcome')
    return { ...agent, agent, email, person, owner }
  }

  /** Publishes a template with one variable, `firstName`. */
  async function template({ post }: ReturnType<typeof asKey>, slug: string) {
    await post('/v1/templates', {
      ...{ slug, name: slug, type: 'transactional', autoPublish: true },
      content: {
        subject: 'Hello {{ firstName }}',
        text: 'Hello {{ firstName }}',
        variables: [{ name: 'firstName' }],
      },
    })
  }

  /** The database of the server, to see what is true and to move plans forward in time. Never to grant something. */
  function db() {
    database ??= devDatabase(state)
    return database
  }

  /** A WebSocket that is opened with a key, and all that it has told so far. */
  async function listenBySocket(path: string, key: string) {
    // Node's own WebSocket takes these options; the type that the compiler knows does not have them.
    const options = { headers: { authorization: `Bearer ${key}` } } as unknown as string[]
    const socket = new WebSocket(`${server.address.replace('http', 'ws')}${path}`, options)
    let heard = ''
    socket.addEventListener('message', ({ data }) => {
      heard += data
    })
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.addEventListener('open', () => resolve(true))
      socket.addEventListener('error', () => resolve(false))
    })
    return { isOpen, heard: () => heard, close: () => socket.close() }
  }

  return {
    address: server.address,
    state,
    smtpPort,
    smtpTlsPort,
    call,
    asKey,
    operator: asKey(OPERATOR_KEY),
    /** The relay that serves mailboxes with the carrier `smtp`. */
    relay,
    outbox,
    mailedLink,
    signIn,
    someone,
    unique,
    newAgent,
    newTenant,
    db,
    listenBySocket,
    /** The reputation of a mailbox, in thousandths. */
    reputationOf: (mailboxId: string) =>
      Number(db().prepare('SELECT reputation FROM mailboxes WHERE id = ?').get(mailboxId)?.reputation),
    /** Waits until all mail that has come for a tenant is read. */
    untilRead: async (tenantId: string) => {
      const waiting = db().prepare("SELECT 1 FROM arrivals WHERE tenant_id = ? AND state = 'received'")
      await eventually(async () => (waiting.get(tenantId) === undefined ? true : undefined))
    },
    /** A mail from outside, handed to the Worker as the mail server of the platform does. */
    arrive: (from: string, to: string, raw: string) =>
      call('POST', `/cdn-cgi/handler/email?${new URLSearchParams({ from, to })}`, {
        body: raw.replace(/\r?\n/g, '\r\n'),
        headers: { 'content-type': 'message/rfc822' },
      }),
    /** Starts the SMTP bridge when it is first needed. */
    startBridge: async () => {
      bridge ??= (async () => {
        const program = startProgram(
          'npm',
          ['run', 'smtp'],
          { ...env, SMTP_SUBMISSION_API: server.address },
          root,
        )
        await eventually(async () => (program.output().includes('"listening"') ? true : undefined))
        return program
      })()
      return await bridge
    },
    close: async () => {
      database?.close()
      await (await bridge)?.kill()
      await server.kill()
      await relay.stop()
      await rm(state, { recursive: true, force: true })
    },
  }
}

export type Tenant = Awaited<ReturnType<World['newTenant']>>

const SAME_ORIGIN = { 'sec-fetch-site': 'same-origin' }

/** Waits until `check` gives something other than undefined; gives up after 15 s. */
export async function eventually<Value>(check: () => Promise<Value | undefined>): Promise<Value> {
  for (let left = 150; left > 0; left--) {
    const value = await check()
    if (value !== undefined) return value
    await sleep(100)
  }
  throw new Error('it did not happen within 15 s')
}
