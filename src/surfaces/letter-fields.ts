import { bytesOf, type GivenFile } from '../core/mail/files.ts'
import { z } from './http.ts'

const FILES_AT_MOST = 7 * 1024 * 1024

/** The schema of a letter's body: well-formed, without NUL (RFC 5322, section 4), with a limit in KB of UTF-8. */
export function bodyText(kilobytes: number) {
  const size = kilobytes % 1024 === 0 ? `${kilobytes / 1024} MB` : `${kilobytes} KB`
  return z
    .string()
    .transform((text) => text.toWellFormed().replaceAll('\0', ''))
    .refine(
      (text) => new TextEncoder().encode(text).byteLength <= kilobytes * 1024,
      `is above ${size} of UTF-8`,
    )
    .openapi({ type: 'string' })
}

const File = z.object({
  filename: z.string().min(1).max(1_000),
  content_type: z.string().max(200).default('application/octet-stream'),
  content_base64: z
    .string()
    .transform((text, context) => {
      const content = bytesOf(text)
      if (content === null) context.addIssue({ code: 'custom', message: 'is not base64' })
      return content ?? new Uint8Array()
    })
    .openapi({ type: 'string', format: 'byte' }),
})
type File = z.infer<typeof File>

/** The schema of a letter's files, with a limit on their number and 7 MB in all. */
export function attachments(atMost: number) {
  return z
    .array(File)
    .max(atMost)
    .refine(
      (files) => files.reduce((sum, file) => sum + file.content_base64.byteLength, 0) <= FILES_AT_MOST,
      'are above 7 MB in all',
    )
}

/** The files of a letter, decoded. */
export function filesOf({ attachments }: { attachments?: File[] | null | undefined }): GivenFile[] {
  return (attachments ?? []).map(({ filename, content_type, content_base64 }) => ({
    filename,
    contentType: content_type,
    content: content_base64,
  }))
}
