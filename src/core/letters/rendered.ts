import type { Env } from '../../env.ts'
import type { StoredFile } from '../../schema/letters.ts'
import type { Attachment, Mail } from './message/draft.ts'

/**
 * A rendered message, as stored between rendering and delivery. `raw` is the whole message, pure ASCII, CRLF. `files`
 * lie in R2, for carriers that take files separately.
 */
export type Rendered = Omit<Mail, 'date' | 'attachments'> & {
  sha256: string
  raw: string
  files?: StoredFile[]
}

/** Stores a rendered message in R2 under its own hash and returns the key. */
export async function keepRendered(
  env: Env,
  { tenantId, id }: { tenantId: string; id: string },
  rendered: Rendered,
): Promise<string> {
  const key = `rendered/${tenantId}/${id}/${rendered.sha256}.json`
  await env.MAIL.put(key, JSON.stringify(rendered))
  return key
}

/** The rendered message under a key, or null. */
export async function readRendered(env: Env, key: string | null): Promise<Rendered | null> {
  if (key === null) return null
  const object = await env.MAIL.get(key)
  return object ? await object.json<Rendered>() : null
}

/** The contents of stored files. Throws if one is missing: a message is never sent without a file that it names. */
export async function readFiles(env: Env, files: StoredFile[]): Promise<Attachment[]> {
  return await Promise.all(
    files.map(async ({ filename, contentType, contentId, key }) => {
      const object = await env.MAIL.get(key)
      if (!object) throw new Error('a file of the message is gone')
      const content = new Uint8Array(await object.arrayBuffer())
      return { filename, contentType, content, ...(contentId === undefined ? {} : { contentId }) }
    }),
  )
}
