import { call, type Tenant } from './tenant.ts'

/** The MoltbotDen API as an agent calls it: with X-API-Key. */
export function email(tenant: Pick<Tenant, 'key'>, more: Record<string, string> = {}) {
  const headers = { 'X-API-Key': tenant.key, ...more }
  return {
    get: (path: string) => call('GET', path, { headers }),
    post: (path: string, body?: unknown, extra: Record<string, string> = {}) =>
      call('POST', path, { body, headers: { ...headers, ...extra } }),
    del: (path: string) => call('DELETE', path, { headers }),
    /** Sends a short message, with whatever else is said. */
    send: (to: string | string[], change: Record<string, unknown> = {}, extra: Record<string, string> = {}) =>
      call('POST', '/email/send', {
        body: { to: [to].flat(), subject: 'Hello', body_text: 'Hello', ...change },
        headers: { ...headers, ...extra },
      }),
  }
}

/** A moment as the API prints it. */
export const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(\d{3})?)?Z$/

/** What an answer says of the windows. */
export function rates({ headers }: { headers: Headers }) {
  const [limit, remaining, reset] = ['limit', 'remaining', 'reset'].map((name) => {
    const value = headers.get(`x-ratelimit-${name}`)
    return value === null ? null : Number(value)
  })
  return { limit, remaining, reset }
}
