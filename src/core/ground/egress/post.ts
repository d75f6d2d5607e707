import { type Env, settings } from '../../../env.ts'
import { readStart } from './body.ts'
import { resolvePublic } from './resolve.ts'
import { readUrl } from './url.ts'

const ANSWER_AT_MOST = 1_024

type Letter = { headers: Record<string, string>; body: string | Uint8Array; timeoutMs?: number }

export type Posted =
  | { kind: 'answered'; status: number; body: string; latencyMs: number }
  | { kind: 'refused'; reason: string }
  | { kind: 'failed'; reason: 'timeout' | 'network' }

type Target = { ok: true; url: URL } | { ok: false; reason: string }

/** The URL to call, if its text and every current address of its host are allowed. */
export async function findTarget(env: Env, text: string): Promise<Target> {
  const surroundings = settings(env)
  const target = readUrl(text, surroundings)
  if (!target.ok || target.isExempt) return target
  const resolved = await resolvePublic(target.url.hostname, { resolver: surroundings.dnsResolver, fetch })
  return resolved.ok ? target : resolved
}

/**
 * One POST to a webhook. The URL is checked again right before; `refused` means that nothing was sent. Redirects are not
 * followed, but returned as answers. The time limit covers request and answer. Of the answer, the first 1,024 octets are read
 * and made printable.
 *
 * A remaining risk: `fetch` resolves the name again, and a Worker cannot pin an address, so a name that changes its address
 * in between (DNS rebinding) is not refused. From there the platform reaches no private network:
 * `global_fetch_strictly_public` is set in wrangler.toml, and this Worker must never get a VPC or tunnel binding.
 */
export async function guardedPost(
  env: Env,
  text: string,
  { headers, body, timeoutMs = 15_000 }: Letter,
): Promise<Posted> {
  const target = await findTarget(env, text)
  if (!target.ok) return { kind: 'refused', reason: target.reason }
  const begun = Date.now()
  try {
    const signal = AbortSignal.timeout(timeoutMs)
    const response = await fetch(target.url, { method: 'POST', headers, body, redirect: 'manual', signal })
    const start = await readStart(response, ANSWER_AT_MOST)
    const { status } = response
    return { kind: 'answered', status, body: printable(start), latencyMs: Date.now() - begun }
  } catch (error) {
    const isTimeout = error instanceof Error && error.name === 'TimeoutError'
    return { kind: 'failed', reason: isTimeout ? 'timeout' : 'network' }
  }
}

/** Decodes UTF-8 and drops a character cut in two. Unprintable characters become one question mark each. */
function printable(octets: Uint8Array) {
  const text = new TextDecoder().decode(octets, { stream: true })
  return text.replace(/(?![\t\n])[\p{C}\p{Zl}\p{Zp}\uFFFD]/gu, '?')
}
