import type { Env } from '../../env.ts'
import type { StoredFile } from '../../schema/letters.ts'
import { type Ctx, mustBeAllowed } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { sha256 } from '../ground/hash.ts'
import { newId } from '../ground/ids.ts'
import { statement } from '../ground/sql.ts'
import { textOfFile } from '../reading/dlp/file-text.ts'
import { blockedFile, safeFilename } from '../reading/text/files.ts'
import { messageExists, missing } from './views.ts'

/** A file as its sender gave it. */
export type GivenFile = { filename: string; contentType: string; content: Uint8Array; contentId?: string }

/** A file in R2. The text of a text file is for the send path, which scans it; it is not stored. */
export type KeptFile = StoredFile & { text?: string | null }

/** The bytes of a base64 text, or null if it is not valid base64. */
export function bytesOf(base64: string): Uint8Array | null {
  try {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
  } catch {
    return null
  }
}

/** The first file that may not be sent, with the reason, or null if all may be sent. */
export function blockedAmong(files: GivenFile[]): string | null {
  for (const file of files) {
    const reason = blockedFile(file)
    if (reason !== null) return `${safeFilename(file.filename)}: ${reason}`
  }
  return null
}

/** Puts the files of a message into R2, before its send is requested. */
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

/** Deletes the files of a message that was not accepted. */
export async function dropFiles(env: Env, files: StoredFile[]): Promise<void> {
  if (files.length > 0) await env.MAIL.delete(files.map(({ key }) => key))
}

const filesOfMessage = statement<{ files: string }>(
  'SELECT files FROM messages WHERE tenant_id = :tenantId AND id = :messageId',
)

/**
 * Deletes the uploaded files that the accepted message does not name: the request was a repeat, or another request took the
 * same dedupe key first.
 */
export async function dropUnnamed(ctx: Ctx, messageId: string, files: StoredFile[]): Promise<void> {
  if (files.length === 0) return
  const row = await filesOfMessage.first(ctx.env, { tenantId: ctx.tenantId, messageId })
  if (!row) return
  const named: StoredFile[] = JSON.parse(row.files)
  await dropFiles(
    ctx.env,
    files.filter(({ id }) => named.every((each) => each.id !== id)),
  )
}

const filesOfView = statement<{ files: string }>(
  `SELECT m.files FROM views v INDEXED BY views_by_message
   CROSS JOIN messages m ON m.tenant_id = v.tenant_id AND m.id = v.message_id
   WHERE v.tenant_id = :tenantId AND v.mailbox_id = :mailboxId AND v.message_id = :id AND v.deleted_at IS NULL LIMIT 1`,
)

/** A file of a message that the mailbox sees, with its content. */
export async function openFile(
  ctx: Ctx,
  mailboxId: string,
  messageId: string,
  fileId: string,
): Promise<{ file: StoredFile; content: ReadableStream }> {
  mustBeAllowed(ctx, 'read', mailboxId)
  const { env, tenantId } = ctx
  const own = { tenantId, mailboxId, id: messageId }
  const [rows, existence] = await env.DB.batch([filesOfView.bind(env, own), messageExists.bind(env, own)])
  const [row] = filesOfView.rows(rows)
  if (!row) throw missing(messageExists.rows(existence), 'message')
  const files: StoredFile[] = JSON.parse(row.files)
  const file = files.find(({ id }) => id === fileId)
  const object = file ? await env.MAIL.get(file.key) : null
  if (!file || !object) throw new Fault('not_found', 'Attachment not found.')
  return { file, content: object.body }
}
