import type { Env } from '../../env.ts'
import type { StoredFile } from '../../schema/letters.ts'
import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { sha256 } from '../ground/hash.ts'
import { newId } from '../ground/ids.ts'
import { textOfFile } from '../reading/dlp/file-text.ts'
import { blockedFile, safeFilename } from '../reading/text/files.ts'
import { absent, standingOf } from './read.ts'

/** A file as its sender gave it. */
export type GivenFile = { filename: string; contentType: string; content: Uint8Array; contentId?: string }

/** A file that lies in R2, and what it says where it is one of text: the send path reads that, and nobody keeps it. */
export type KeptFile = StoredFile & { text?: string | null }

/** The octets that a text of base64 stands for; null where it is none. */
export function bytesOf(base64: string): Uint8Array | null {
  try {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
  } catch {
    return null
  }
}

/** Which of these files may not be sent, and why; null where all may. */
export function blockedAmong(files: GivenFile[]): string | null {
  for (const file of files) {
    const reason = blockedFile(file)
    if (reason !== null) return `${safeFilename(file.filename)}: ${reason}`
  }
  return null
}

/** Puts the files of a message into R2, before the message is asked to be sent. */
export async function keepFiles({ env, tenantId, now }: Ctx, files: GivenFile[]): Promise<KeptFile[]> {
  const folder = `files/${tenantId}/${newId('upload', now)}`
  return await Promise.all(
    files.map(async ({ filename, contentType, content, contentId }) => {
      const id = newId('file', now)
      const key = `${folder}/${id}`
      const [hash] = await Promise.all([sha256(content), env.MAIL.put(key, content)])
      const type = /^[\w.+-]{1,100}\/[\w.+-]{1,100}$/.test(contentType)
        ? contentType.toLowerCase()
        : 'application/octet-stream'
      const shown = contentId === undefined ? {} : { contentId }
      const text = textOfFile(content, contentType)
      return {
        id,
        filename: safeFilename(filename),
        contentType: type,
        size: content.byteLength,
        key,
        sha256: hash,
        ...shown,
        text,
      }
    }),
  )
}

/** Takes back the files of a message that was not accepted. */
export async function dropFiles(env: Env, files: StoredFile[]): Promise<void> {
  if (files.length > 0) await env.MAIL.delete(files.map(({ key }) => key))
}

/**
 * Takes back those files of an accepted message that it does not name: it was a repeat, or another caller's claim of the
 * same key was the first.
 */
export async function dropUnnamed(ctx: Ctx, messageId: string, files: StoredFile[]): Promise<void> {
  if (files.length === 0) return
  const row = await ctx.env.DB.prepare('SELECT files FROM messages WHERE tenant_id = ?1 AND id = ?2')
    .bind(ctx.tenantId, messageId)
    .first<{ files: string }>()
  if (!row) return
  const named: StoredFile[] = JSON.parse(row.files)
  await dropFiles(
    ctx.env,
    files.filter(({ id }) => named.every((each) => each.id !== id)),
  )
}

/** A file of a message that the mailbox sees, with its content. */
export async function openFile(
  ctx: Ctx,
  mailboxId: string,
  messageId: string,
  fileId: string,
): Promise<{ file: StoredFile; content: ReadableStream }> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const { DB, MAIL } = ctx.env
  const own = [ctx.tenantId, mailboxId, messageId]
  const [rows, standing] = await DB.batch([
    DB.prepare(
      `SELECT m.files FROM views v INDEXED BY views_by_message CROSS JOIN messages m ON m.tenant_id = v.tenant_id AND m.id = v.message_id
       WHERE v.tenant_id = ?1 AND v.mailbox_id = ?2 AND v.message_id = ?3 AND v.deleted_at IS NULL LIMIT 1`,
    ).bind(...own),
    standingOf(ctx, own),
  ])
  const [row] = (rows as D1Result<{ files: string }>).results
  if (!row) throw absent(standing, 'message')
  const files: StoredFile[] = JSON.parse(row.files)
  const file = files.find(({ id }) => id === fileId)
  const object = file ? await MAIL.get(file.key) : null
  if (!file || !object) throw new Fault('not_found', 'Attachment not found.')
  return { file, content: object.body }
}
