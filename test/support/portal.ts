import { env, exports } from 'cloudflare:workers'
import type { Ids } from './matrix.ts'
import { call, eventually } from './tenant.ts'

export type Role = 'owner' | 'approver' | 'viewer'

/** The answer to a page that was requested or a form that was posted. */
export type Asked = { status: number; body: string; headers: Headers; location: string | null }

/** Makes one request as a browser does, but follows no redirect. */
export async function browse(
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: BodyInit,
): Promise<Asked> {
  const init = { method, headers, redirect: 'manual' as const, ...(body === undefined ? {} : { body }) }
  const response = await exports.default.fetch(`http://moltpost.test${path}`, init)
  const { status, headers: told } = response
  return { status, body: await response.text(), headers: told, location: told.get('location') }
}

const FORM = 'application/x-www-form-urlencoded'

export const visit = (path: string, cookie: string | null = null) =>
  browse('GET', path, cookie === null ? {} : { cookie })

export const post = (
  path: string,
  fields: Record<string, string> = {},
  { cookie = null, headers = {} }: { cookie?: string | null; headers?: Record<string, string> } = {},
) =>
  browse(
    'POST',
    path,
    {
      'content-type': FORM,
      'sec-fetch-site': 'same-origin',
      ...(cookie === null ? {} : { cookie }),
      ...headers,
    },
    new URLSearchParams(fields).toString(),
  )

let count = 0

/** Adds a person with a new address to a tenant. */
export async function newPerson(tenantId: string, role: Role, more: { email?: string } = {}) {
  const email = more.email ?? `person-${Date.now().toString(36)}-${count++}@example.com`
  const id = `own_${crypto.randomUUID().replaceAll('-', '')}`
  await env.DB.prepare(
    `INSERT INTO owners (tenant_id, id, email, contact, role, verified_at, invited_at) VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?5)`,
  )
    .bind(tenantId, id, email, role, Date.now())
    .run()
  return { id, email }
}

/** The letters to an address whose subject begins with `subject`, oldest first. Waits until there are `many`. */
export async function letters(to: string, subject: string, many = 1) {
  return await eventually(async () => {
    const { body } = await call('GET', `/dev/outbox?to=${encodeURIComponent(to)}`)
    const found = (body.items as { text: string; subject: string; raw: string; capturedAt: string }[])
      .filter((mail) => mail.subject.startsWith(subject))
      .sort((a, b) => a.capturedAt.localeCompare(b.capturedAt))
    return found.length >= many ? found : undefined
  })
}

/** The path of the newest mailed link to sign in. */
export async function mailedLink(email: string, many = 1): Promise<string> {
  const found = await letters(email, 'Your link to sign in', many)
  return /\/portal\/enter\/[A-Za-z0-9_-]+/.exec(found.at(-1)?.text ?? '')?.[0] ?? ''
}

/** The path of a route with the ids of a matrix tenant filled in. Throws if the matrix has no value for a parameter. */
export function pathOf(pattern: string, ids: Ids, more: { ownerId: string }): string {
  const values: Record<string, string> = {
    ...ids,
    ...more,
    sendId: ids.heldId,
    version: '1',
    hash: '0'.repeat(64),
  }
  return `/portal${pattern.replace(/:([A-Za-z]+)/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`${pattern}: the matrix has no ${name}`)
    return value
  })}`
}

/** The forms of a page that post, with the values of their hidden and selected fields. */
export function formsOf(body: string): { action: string; fields: Record<string, string> }[] {
  return [...body.matchAll(/<form method="post"([^>]*)>(.*?)<\/form>/gs)].map(
    ([, attributes = '', inside = '']) => ({
      action: /action="([^"]*)"/.exec(attributes)?.[1] ?? '',
      fields: Object.fromEntries([
        ...[...inside.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)].map(
          ([, name, value]) => [name, value],
        ),
        ...[...inside.matchAll(/<select name="([^"]*)".*?<\/select>/gs)].map(([select, name]) => [
          name,
          /<option value="([^"]*)" selected/.exec(select)?.[1] ?? /<option value="([^"]*)"/.exec(select)?.[1],
        ]),
      ]),
    }),
  )
}

/** Signs a person in by the mailed link; gives a browser with its cookie and the token of its forms. */
export async function signIn(email: string) {
  await post('/portal/sign-in', { email })
  const entered = await post(await mailedLink(email))
  return await opened(entered)
}

/** A browser with the session that an answer has started. */
export async function opened(entered: Asked) {
  const cookie = /__Host-moltpost=[^;]+/.exec(entered.headers.get('set-cookie') ?? '')?.[0] ?? ''
  const { body } = await visit('/portal/accounts', cookie)
  const csrf = /name="csrf" value="([0-9a-f]{64})"/.exec(body)?.[1] ?? ''
  return {
    cookie,
    csrf,
    get: (path: string) => visit(path, cookie),
    post: (path: string, fields: Record<string, string> = {}) => post(path, { csrf, ...fields }, { cookie }),
  }
}

export type Browser = Awaited<ReturnType<typeof signIn>>
