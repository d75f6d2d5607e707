/** The text of an attached file, or null if it is no text file. */
export type FileText = { id: string; text: string | null }

/** Decodes a file by its byte order mark, its charset or its bytes. Null if it is no text. */
export function textOfFile(content: Uint8Array, contentType: string): string | null {
  const charset = /;\s*charset\s*=\s*"?([\w.:-]{1,40})/i.exec(contentType)?.[1]
  const [first = 0, second = 0] = content
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    return decoded(content, first === 0xff ? 'utf-16le' : 'utf-16be', false)
  }
  if (charset !== undefined) {
    const text = decoded(content, charset, false)
    if (text !== null) return text
  }
  const half = utf16Half(content)
  if (half !== null) return decoded(content, half, false)
  if (content.subarray(0, 65_536).includes(0)) return null
  return (
    decoded(content, 'utf-8', true) ??
    (isNamedText(contentType) ? decoded(content, 'windows-1252', false) : null)
  )
}

function isNamedText(contentType: string): boolean {
  return /^(?:text\/|application\/(?:[\w.-]+\+)?(?:json|xml|csv|yaml|x-ndjson|sql|rtf))/i.test(contentType)
}

function decoded(content: Uint8Array, charset: string, fatal: boolean): string | null {
  try {
    return new TextDecoder(charset, { fatal, ignoreBOM: false }).decode(content)
  } catch {
    return null
  }
}

/** Detects UTF-16 without a byte order mark: in Latin text, every other byte is 0. */
function utf16Half(content: Uint8Array): 'utf-16le' | 'utf-16be' | null {
  const looked = content.subarray(0, 512)
  let even = 0
  let odd = 0
  for (let at = 0; at < looked.length; at++) {
    if (looked[at] !== 0) continue
    if (at % 2 === 0) even++
    else odd++
  }
  if (odd * 3 > looked.length && even === 0) return 'utf-16le'
  return even * 3 > looked.length && odd === 0 ? 'utf-16be' : null
}
