import PostalMime from 'postal-mime'
import { sha256 } from '../ground/hash.ts'
import type { Rendered } from './rendered.ts'

/** A file of a rendered message, read from its bytes: exactly what the recipient gets. */
export type BoundFile = {
  filename: string
  contentType: string
  size: number
  sha256: string
  /** The HTML shows the file; mail programs may not list it. */
  isInline: boolean
  content: Uint8Array
}

const OURS = /^x-(?:moltpost|mailmolt)-/i

/** The files in the bytes of a rendered message, in their order. */
export async function boundFiles({ raw }: Pick<Rendered, 'raw'>): Promise<BoundFile[]> {
  const { attachments } = await PostalMime.parse(raw)
  return await Promise.all(
    attachments.map(async ({ filename, mimeType, contentId, content }) => {
      const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : new Uint8Array(content)
      return {
        filename: filename ?? 'unnamed',
        contentType: mimeType,
        size: bytes.byteLength,
        sha256: await sha256(bytes),
        isInline: contentId !== undefined,
        content: bytes,
      }
    }),
  )
}

/** The header fields of a rendered message besides those that every message has and those of the service. */
export function fieldsBeside({ headers }: Pick<Rendered, 'headers'>): [name: string, value: string][] {
  return Object.entries(headers).filter(([name]) => !OURS.test(name))
}
