import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { isObject, type Json } from './json.ts'

export type Verdict =
  | { ok: true; entries: number; erased: number; tenantId: string; signedAt: string }
  | { ok: false; line: number; why: string }

const GENESIS = '0'.repeat(64)
/** A public Ed25519 key in SPKI is this and its 32 bytes. */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

const FIELDS = 'seq id at actor action target detail salt commitment prev_hash hash'.split(' ')
const HEAD_FIELDS = 'tenant_id seq hash at key_id signature'.split(' ')

/**
 * Checks a log line by line with nothing but the public key, and names the first line that is not as it was written. Every
 * line must be so to the byte; what a line lacks in order, or the end lacks in lines, is told by the line where it shows.
 */
export function verifyLog(text: string, key: KeyObject): Verdict {
  const lines = text.split('\n')
  const rest = lines.pop()
  const wrong = (index: number, why: string): Verdict => ({ ok: false, line: index + 1, why })
  let [prev, erased] = [GENESIS, 0]
  for (const [index, line] of lines.entries()) {
    const found = parse(line)
    if (!isObject(found)) return wrong(index, 'it is not a line of JSON')
    if ('head' in found) {
      const { head } = found
      if (!isObject(head) || line !== JSON.stringify({ head: pick(head, HEAD_FIELDS) }))
        return wrong(index, 'it is not written as heads are')
      if (head.seq !== index) return wrong(index, `the log ends here, and the head says ${head.seq} entries`)
      if (head.hash !== prev) return wrong(index, 'the head is not that of the entries above')
      if (!isSigned(head, key)) return wrong(index, 'the signature of the head is not of this key')
      if (lines.length > index + 1 || rest !== '') return wrong(index + 1, 'nothing may follow the head')
      return {
        ...{ ok: true, entries: index, erased },
        ...{ tenantId: String(head.tenant_id), signedAt: String(head.at) },
      }
    }
    const why = faultOf(found, line, index + 1, prev)
    if (why !== null) return wrong(index, why)
    if (found.detail === null) erased += 1
    prev = String(found.hash)
  }
  return wrong(lines.length, rest === '' ? 'the signed head is missing' : 'it is cut short')
}

/** The key in a file: PEM, the answer of /v1/compliance/audit-key, or 32 bytes in base64. Null where it is none of them. */
export function readKey(text: string): KeyObject | null {
  const answer = parse(text)
  const given = isObject(answer) ? String(answer.public_key) : text.trim()
  try {
    if (given.startsWith('-----BEGIN')) return createPublicKey(given)
    const raw = Buffer.from(given, 'base64')
    if (raw.length !== 32) return null
    return createPublicKey({ key: Buffer.concat([SPKI, raw]), format: 'der', type: 'spki' })
  } catch {
    return null
  }
}

function faultOf(entry: Record<string, Json>, line: string, seq: number, prev: string): string | null {
  if (line !== JSON.stringify(pick(entry, FIELDS))) return 'it is not written as entries are'
  if (entry.seq !== seq) return `entry ${entry.seq} stands where entry ${seq} belongs`
  if (entry.prev_hash !== prev) return 'it does not follow the entry above'
  const { salt, detail, commitment } = entry
  if ((detail === null) !== (salt === null)) return 'its detail is erased by half'
  if (detail !== null && commitment !== digest(['moltpost audit detail 1', salt, JSON.stringify(detail)]))
    return 'its detail is not what it was'
  const { id, at, actor, action, target } = entry
  const covered = ['moltpost audit entry 1', prev, String(seq), id, at, actor, action, target, commitment]
  return entry.hash === digest(covered) ? null : 'its hash is not that of what it says'
}

function isSigned(head: Record<string, Json>, key: KeyObject): boolean {
  const { tenant_id, seq, hash, at, signature } = head
  if (typeof signature !== 'string') return false
  const bytes = fields(['moltpost audit head 1', tenant_id, String(seq), hash, at])
  return verify(null, bytes, key, Buffer.from(signature, 'base64'))
}

function pick(from: Record<string, Json>, names: string[]) {
  return Object.fromEntries(names.map((name) => [name, from[name]]))
}

function digest(parts: (Json | undefined)[]): string {
  return createHash('sha256').update(fields(parts)).digest('hex')
}

/** Each part with its length in bytes before it; `-` is none. */
function fields(parts: (Json | undefined)[]): Buffer {
  const sized = parts.map((part) => (part === null ? '-,' : `${Buffer.byteLength(String(part))}:${part},`))
  return Buffer.from(sized.join(''))
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
