import { createHash } from 'node:crypto'

/** What the hash of an entry covers. */
export type Link = {
  seq: number
  id: string
  at: string
  actor: string
  action: string
  target: string | null
  commitment: string
}

/** The end of a chain that its signature vouches for. */
export type Head = { tenantId: string; seq: number; hash: string; at: string }

/** What the first entry of a chain follows. */
export const GENESIS = '0'.repeat(64)

/** The hash that binds an entry to all before it. */
export function linkHash(prevHash: string, { seq, id, at, actor, action, target, commitment }: Link): string {
  return digest(['moltpost audit entry 1', prevHash, String(seq), id, at, actor, action, target, commitment])
}

/** What an entry keeps of its detail: nothing can be guessed from it without the salt, and the salt can be erased. */
export function commitmentTo(salt: string, detail: string): string {
  return digest(['moltpost audit detail 1', salt, detail])
}

/** The bytes that are signed for a head. */
export function headBytes({ tenantId, seq, hash, at }: Head): Uint8Array<ArrayBuffer> {
  return fields(['moltpost audit head 1', tenantId, String(seq), hash, at])
}

function digest(parts: (string | null)[]): string {
  return createHash('sha256').update(fields(parts)).digest('hex')
}

/** Each part with its length in bytes before it, so that no two lists of parts give the same bytes; `-` is none. */
function fields(parts: (string | null)[]): Uint8Array<ArrayBuffer> {
  const sized = parts.map((part) => (part === null ? '-,' : `${Buffer.byteLength(part)}:${part},`))
  return new Uint8Array(Buffer.from(sized.join('')))
}
