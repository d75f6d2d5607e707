import type { Env } from '../env.ts'
import type { Mail } from './message.ts'

/** A rendered message as it is kept between rendering and delivery. `raw` is the whole message, pure ASCII, CRLF. */
export type Rendered = Omit<Mail, 'date' | 'attachments'> & { sha256: string; raw: string }

/** Keeps a rendered message in R2 under its own hash and returns the key. */
export async function keepRendered(env: Env, sendId: string, rendered: Rendered): Promise<string> {
  const key = `rendered/${sendId}/${rendered.sha256}.json`
  await env.MAIL.put(key, JSON.stringify(rendered))
  return key
}

/** The rendered message under a key, or null while none exists. */
export async function readRendered(env: Env, key: string | null): Promise<Rendered | null> {
  if (key === null) return null
  const object = await env.MAIL.get(key)
  return object ? await object.json<Rendered>() : null
}

export async function sha256(bytes: Uint8Array | string): Promise<string> {
  const input = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes
  const digest = await crypto.subtle.digest('SHA-256', input as BufferSource)
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
