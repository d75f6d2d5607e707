import { createHash } from 'node:crypto'

/** What an entry keeps of its detail: nothing can be guessed from it without the salt, and the salt can be erased. */
export function commitmentTo(salt: string, detail: string): string {
  return digest(['moltpost audit detail 1', salt, detail])
}

/** The SHA-256 of these parts, each told apart from the next, as 64 lower-case hexadecimal digits. */
export function digest(parts: (string | null)[]): string {
  return createHash('sha256').update(fields(parts)).digest('hex')
}

/** Each part with its length in bytes before it, so that no two lists of parts give the same bytes; `-` is none. */
export function fields(parts: (string | null)[]): Uint8Array<ArrayBuffer> {
  const sized = parts.map((part) => (part === null ? '-,' : `${Buffer.byteLength(part)}:${part},`))
  return new Uint8Array(Buffer.from(sized.join('')))
}
