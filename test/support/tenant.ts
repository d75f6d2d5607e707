import { env, exports } from 'cloudflare:workers'
import { peers } from './peer-letter.ts'
import type { Exchange } from './peer-prism.ts'

// biome-ignore lint/suspicious/noExplicitAny: the type of an answer depends on the route
export type Answer<Body = any> = { status: number; body: Body; headers: Headers }

/** Sends one HTTP request to the Worker. */
export async function call(
  method: string,
  path: string,
  {
    key,
    body,
    headers = {},
  }: {
    key?: string | null
    body?: unknown
    headers?: Record<string, string> | undefined
  } = {},
): Promise<Answer> {
  const request = {
    headers: {
      ...(key ? { authorization: `Bearer ${key}` } : {}),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
  }
  const response = await exports.default.fetch(`http://moltpost.test${path}`, { method, ...request })
  const text = await response.text()
  if (peers.prism) {
    const answer = { status: response.status, headers: Object.fromEntries(response.headers), body: text }
    await mustFitDocument(peers.prism, { method, path, request, answer })
  }
  const isJson = response.headers.get('content-type')?.includes('/json')
  return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers }
}

async function mustFitDocument(prism: string, exchange: Exchange) {
  const checked = await fetch(prism, { method: 'POST', body: JSON.stringify(exchange) })
  if (!checked.ok) throw new Error(`Prism could not check ${exchange.path}: ${await checked.text()}`)
  const violations: string[] = await checked.json()
  if (violations.length > 0) throw new Error(`not as the published document says:\n${violations.join('\n')}`)
}

let count = 0

/**
 * Makes a new tenant: a claimed agent with a mailbox and a key, a published template `welcome` (variable firstName), and an
 * owner's key with all permissions. `mailbox` and `tenant` set columns of these tables.
 */
export async function newTenant(
  options: { mailbox?: Record<string, unknown>; tenant?: Record<string, unknown> } = {},
) {
  const name = `Test ${Date.now().toString(36)} ${count++}`
  const { body } = await call('POST', '/v1/agents/register', { body: { name } })
  const { tenant_id: id, mailbox_id: mailboxId, api_key: key } = body
  const ownerKey = await grant(id, ['read', 'send', 'manage', 'approve', 'loosen'])
  const now = Date.now()
  await env.DB.batch([
    env.DB.prepare(
      `INSERT INTO templates (tenant_id, id, slug, name, type, published_version, created_at, updated_at)
       VALUES (?1, 'tpl_welcome', 'welcome', 'Welcome', 'transactional', 1, ?2, ?2)`,
    ).bind(id, now),
    env.DB.prepare(
      `INSERT INTO template_versions (tenant_id, template_id, version, subject, html, text, variables, status, created_at)
       VALUES (?1, 'tpl_welcome', 1, 'Hello {{ firstName }}', '<p>Hello {{ firstName }}</p>', 'Hello {{ firstName }}',
         '[]', 'published', ?2)`,
    ).bind(id, now),
    ...columns('tenants', 'id = ?1', [id], options.tenant),
    ...columns('mailboxes', 'tenant_id = ?1 AND id = ?2', [id, mailboxId], options.mailbox),
  ])
  const as = (withKey: string) => ({
    get: (path: string, headers?: Record<string, string>) => call('GET', path, { key: withKey, headers }),
    del: (path: string, headers?: Record<string, string>) => call('DELETE', path, { key: withKey, headers }),
    post: (path: string, sent: unknown = {}, headers?: Record<string, string>) =>
      call('POST', path, { key: withKey, body: sent, headers }),
    patch: (path: string, sent: unknown, headers?: Record<string, string>) =>
      call('PATCH', path, { key: withKey, body: sent, headers }),
    put: (path: string, sent: unknown, headers?: Record<string, string>) =>
      call('PUT', path, { key: withKey, body: sent, headers }),
  })
  return {
    id: id as string,
    mailboxId: mailboxId as string,
    agentId: body.agent.id as string,
    address: body.agent.email as string,
    key: key as string,
    ownerKey,
    as,
    owner: as(ownerKey),
    ...as(key),
    /** Requests one send of the template `welcome`. */
    send: (to: string, dedupeKey: string, more: Record<string, unknown> = {}) =>
      call('POST', '/v1/agent/request-send', {
        key,
        body: {
          recipientEmail: to,
          templateId: 'welcome',
          dedupeKey,
          payload: { firstName: 'Ann' },
          ...more,
        },
      }),
    /** Waits until nothing more happens to a send, and returns its trace. Throws after 10 s. */
    settled: (requestId: string) => settled(key, requestId),
  }
}

export type Tenant = Awaited<ReturnType<typeof newTenant>>

/** Adds a key with these permissions to the tenant and returns it. Writes to the database, because only a person may do this. */
export async function grant(
  tenantId: string,
  permissions: string[],
  scopes: unknown = null,
): Promise<string> {
  const secret = `test-${crypto.randomUUID()}`
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(secret))
  const hash = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  await env.DB.prepare(
    `INSERT INTO keys (id, tenant_id, hash, prefix, label, permissions, scopes, created_by, created_at)
     VALUES (?1, ?2, ?3, 'test', 'test', ?4, ?5, 'human:own_test', ?6)`,
  )
    .bind(
      `key_${crypto.randomUUID()}`,
      tenantId,
      hash,
      JSON.stringify(permissions),
      scopes === null ? null : JSON.stringify(scopes),
      Date.now(),
    )
    .run()
  return secret
}

/** Calls `check` every 50 ms until its result is not undefined, and returns this result. Throws after `seconds`. */
export async function eventually<Value>(
  check: () => Promise<Value | undefined>,
  seconds = 10,
): Promise<Value> {
  for (let left = seconds * 20; left > 0; left--) {
    const value = await check()
    if (value !== undefined) return value
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`the expected result did not come within ${seconds} s`)
}

const AT_REST = ['delivered', 'accepted', 'bounced', 'failed', 'blocked', 'unknown', 'cancelled', 'rejected']

async function settled(key: string, requestId: string) {
  return await eventually(async () => {
    const { body } = await call('GET', `/v1/agent/sends/${requestId}`, { key })
    return AT_REST.includes(body.status) ? body : undefined
  })
}

function columns(table: string, where: string, binds: string[], values: Record<string, unknown> = {}) {
  return Object.entries(values).map(([column, value]) =>
    env.DB.prepare(`UPDATE ${table} SET ${column} = ?${binds.length + 1} WHERE ${where}`).bind(
      ...binds,
      value,
    ),
  )
}
