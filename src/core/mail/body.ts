import type { Env } from '../../env.ts'
import { byteLength } from '../ground/slices.ts'

export type Body = { text: string | null; html: string | null }

/** Bodies above this many bytes of JSON are kept in R2 and not in the row. */
const LARGE_BODY = 200_000

/** Stores a large body in R2. Returns what the message's row holds: the body itself or its key in R2. */
export async function keepBody(
  env: Env,
  key: string,
  body: Body,
): Promise<Body & { bodyKey: string | null }> {
  const json = JSON.stringify(body)
  if (byteLength(json) <= LARGE_BODY) return { ...body, bodyKey: null }
  await env.MAIL.put(key, json)
  return { text: null, html: null, bodyKey: key }
}

/** The body of a stored message, from its row or from R2. */
export async function bodyOf(
  env: Env,
  { text, html, bodyKey }: Body & { bodyKey: string | null },
): Promise<Body> {
  if (bodyKey === null) return { text, html }
  const object = await env.MAIL.get(bodyKey)
  return object ? await object.json<Body>() : { text, html }
}

/** The key in R2 of a tenant's copy of a large body. */
export function bodyKeyOf(tenantId: string, messageId: string): string {
  return `bodies/${tenantId}/${messageId}.json`
}

/** The key in R2 of the large body of a letter. It is stored before the send is accepted. */
export function sentBodyKey(sendId: string): string {
  return `bodies/${sendId}.json`
}

/** Only the body, without the other fields of a value. */
export function bodyIn({ text, html }: Body): Body {
  return { text, html }
}
