import { digest, fields } from '../../journal/commitment.ts'

/** The fields that the hash of an entry covers. */
type Link = {
  seq: number
  id: string
  at: string
  actor: string
  action: string
  target: string | null
  commitment: string
}

/** The end of a chain, which the signature covers. */
export type Head = { tenantId: string; seq: number; hash: string; at: string }

/** The previous hash of the first entry of a chain. */
export const GENESIS = '0'.repeat(64)

/** The hash that binds an entry to all entries before it. */
export function linkHash(prevHash: string, { seq, id, at, actor, action, target, commitment }: Link): string {
  return digest(['moltpost audit entry 1', prevHash, String(seq), id, at, actor, action, target, commitment])
}

/** The bytes that are signed for a head. */
export function headBytes({ tenantId, seq, hash, at }: Head): Uint8Array<ArrayBuffer> {
  return fields(['moltpost audit head 1', tenantId, String(seq), hash, at])
}
