import { env } from 'cloudflare:workers'
import { call, eventually } from './tenant.ts'

let count = 0

/** Registers an agent that nobody has claimed; undoes what AUTO_CLAIM did for it. */
export async function newUnclaimed(more: Record<string, unknown> = {}) {
  const name = `Unclaimed ${Date.now().toString(36)} ${count++}`
  const { body } = await call('POST', '/v1/agents/register', { body: { name, ...more } })
  const { tenant_id: id, agent, api_key: key, claim_token: token, claim_url: url } = body
  await env.DB.batch(
    [
      `UPDATE tenants SET level = 'sandbox' WHERE id = ?1`,
      `UPDATE agents SET status = 'pending_claim' WHERE tenant_id = ?1`,
      'DELETE FROM owners WHERE tenant_id = ?1',
      'UPDATE claims SET used_at = NULL WHERE tenant_id = ?1',
    ].map((statement) => env.DB.prepare(statement).bind(id)),
  )
  return {
    id: id as string,
    agentId: agent.id as string,
    address: agent.email as string,
    name,
    key: key as string,
    token: token as string,
    url: url as string,
    get: (path: string, headers?: Record<string, string>) => call('GET', path, { key, headers }),
    /** Requests one send through MoltbotDen's path. */
    send: (to: string) =>
      call('POST', '/email/send', { key, body: { to: [to], subject: 'Hello', body_text: 'Hello' } }),
    claim: (email: string) => call('POST', `/v1/claim/${token}`, { body: { email } }),
  }
}

/** Posts a form as a browser does from our own page. */
export const post = (
  path: string,
  fields: Record<string, string> = {},
  headers: Record<string, string> = { 'sec-fetch-site': 'same-origin', origin: 'null' },
) =>
  call('POST', path, {
    body: new URLSearchParams(fields).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  })

/** The tokens of all verification links that were mailed to an address, oldest first. Waits until there are `many`. */
export async function mailedTokens(to: string, many = 1): Promise<string[]> {
  return await eventually(async () => {
    const { body } = await call('GET', `/dev/outbox?to=${encodeURIComponent(to)}`)
    const found = (body.items as { text: string | null; capturedAt: string }[])
      .sort((a, b) => a.capturedAt.localeCompare(b.capturedAt))
      .flatMap(({ text }) => /\/verify\/([A-Za-z0-9_-]+)/.exec(text ?? '')?.[1] ?? [])
    return found.length >= many ? found : undefined
  })
}

/** A new address of a person. */
export const someone = () => `owner-${crypto.randomUUID()}@example.com`
