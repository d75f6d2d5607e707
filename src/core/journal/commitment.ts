import { createHash } from 'node:crypto'

/** The commitment of an audit entry to its detail. The detail cannot be guessed from it without the salt, which can be erased. */
export function commitmentTo(salt: string, detail: string): string {
  return digest(['moltpost audit detail 1', salt, detail])
}

/** The SHA-256 of `fields(parts)`, as 64 lower-case hexadecimal digits. */
export function digest(parts: (string | null)[]): string {
  return createHash('sha256').update(fields(parts)).digest('hex')
}

/** Each part with its length in bytes before it, so that no two lists of parts give the same bytes. `-` stands for null. */
export function fields(parts: (string | null)[]): Uint8Array<ArrayBuffer> {
  const sized = parts.map((part) => (part === null ? '-,' : `${Buffer.byteLength(part)}:${part},`))
  return new Uint8Array(Buffer.from(sized.join('')))
}
