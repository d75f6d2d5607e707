import { digest, fields } from '../../journal/commitment.ts'

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

/** The bytes that are signed for a head. */
export function headBytes({ tenantId, seq, hash, at }: Head): Uint8Array<ArrayBuffer> {
  return fields(['moltpost audit head 1', tenantId, String(seq), hash, at])
}
