import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { isObject, type Json } from './json.ts'

type Verdict =
  | { ok: true; entries: number; erased: number; tenantId: string; signedAt: string }
  | { ok: false; line: number; why: string }

const GENESIS = '0'.repeat(64)
/** The SPKI form of an Ed25519 public key is this prefix and the 32 bytes of the key (RFC 8410). */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

const FIELDS = 'seq id at actor action target detail salt commitment prev_hash hash'.split(' ')
const HEAD_FIELDS = 'tenant_id seq hash at key_id signature'.split(' ')

/**
 * Checks an audit log line by line, with nothing but the public key. Each line must be exact to the byte. Names the first
 * line that is wrong; a missing entry shows at the line after it.
 */
export function verifyLog(text: string, key: KeyObject): Verdict {
  const lines = text.split('\n')
  const rest = lines.pop()
  const wrong = (index: number, why: string): Verdict => ({ ok: false, line: index + 1, why })
  let [prev, erased] = [GENESIS, 0]
  for (const [index, line] of lines.entries()) {
    const found = parse(line)
    if (!isObject(found)) return wrong(index, 'it is not JSON')
    if ('head' in found) {
      const { head } = found
      if (!isObject(head) || line !== JSON.stringify({ head: pick(head, HEAD_FIELDS) }))
        return wrong(index, 'the head does not have the exact form of a head')
      if (head.seq !== index)
        return wrong(index, `the log has ${index} entries, but the head says ${head.seq}`)
      if (head.hash !== prev) return wrong(index, 'the hash of the head is not the hash of the entry above')
      if (!isSigned(head, key)) return wrong(index, 'the signature of the head was not made with this key')
      if (lines.length > index + 1 || rest !== '') return wrong(index + 1, 'there is text after the head')
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
  return wrong(lines.length, rest === '' ? 'the signed head is missing' : 'the line is cut off')
}

/** Reads a public key: PEM, the answer of /v1/compliance/audit-key, or 32 bytes in base64. Null if it is none of these. */
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
  if (line !== JSON.stringify(pick(entry, FIELDS)))
    return 'the entry does not have the exact form of an entry'
  if (entry.seq !== seq) return `this is entry ${entry.seq}, but entry ${seq} was expected`
  if (entry.prev_hash !== prev) return 'its prev_hash is not the hash of the entry above'
  const { salt, detail, commitment } = entry
  if ((detail === null) !== (salt === null)) return 'its detail and its salt must be erased together'
  if (detail !== null && commitment !== digest(['moltpost audit detail 1', salt, JSON.stringify(detail)]))
    return 'its detail does not match its commitment'
  const { id, at, actor, action, target } = entry
  const covered = ['moltpost audit entry 1', prev, String(seq), id, at, actor, action, target, commitment]
  return entry.hash === digest(covered) ? null : 'its hash does not match its content'
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

/** Each part as its length in bytes, `:`, the part and `,`. A null part is `-,`. */
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
