import type { Env } from '../../env.ts'
import { byteLength } from '../ground/slices.ts'

export type Body = { text: string | null; html: string | null }

/** Bodies above this many bytes of JSON are kept in R2 and not in the row. */
const LARGE_BODY = 200_000

/** What a message's row holds of its body: the body itself, or the key it has been put under in R2. */
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

/** The body of a stored message, from wherever it lies. */
export async function bodyOf(
  env: Env,
  { text, html, bodyKey }: Body & { bodyKey: string | null },
): Promise<Body> {
  if (bodyKey === null) return { text, html }
  const object = await env.MAIL.get(bodyKey)
  return object ? await object.json<Body>() : { text, html }
}

/** Where a tenant's copy of a large body lies. */
export function bodyKeyOf(tenantId: string, messageId: string): string {
  return `bodies/${tenantId}/${messageId}.json`
}

/** Where the large body of a send that was written whole lies, put there before the send is claimed. */
export function sentBodyKey(sendId: string): string {
  return `bodies/${sendId}.json`
}

/** The body among a text's parts. */
export function bodyIn({ text, html }: Body): Body {
  return { text, html }
}
