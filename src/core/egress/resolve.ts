import { Buffer } from 'node:buffer'
import { literalIn, specialClass } from './address.ts'
import { readStart } from './body.ts'
import { type AddressType, type DnsAnswer, decodeAnswer, encodeQuestion, TYPE } from './dns-message.ts'

const LIMIT_MS = 3_000
/** The longest DNS message there is. */
const ANSWER_AT_MOST = 65_535
const ALIASES_AT_MOST = 16
const NO_ERROR = 0
const NO_SUCH_NAME = 3

/** The resolver's URL, and what calls it. */
export type Reach = { resolver: string; fetch: typeof globalThis.fetch }
export type Resolved = { ok: true; addresses: string[] } | { ok: false; reason: string }

/**
 * All addresses of a host, if every one of them is public. Asked of an RFC 8484 resolver in three seconds at most;
 * whatever keeps it from a clear answer for both families is a refusal.
 */
export async function resolvePublic(host: string, reach: Reach): Promise<Resolved> {
  const literal = literalIn(host)
  const found = literal === null ? await lookUpBoth(host, reach) : [[literal]]
  const addresses = found.flatMap((family) => family ?? [])
  const special = addresses.map(specialClass).find((name) => name !== null)
  if (special) return refused(`leads to an address that is not public (${special})`)
  if (found.includes(null)) return refused('names a host that could not be looked up')
  return addresses.length > 0 ? { ok: true, addresses } : refused('names a host that has no address')
}

function lookUpBoth(host: string, reach: Reach): Promise<(string[] | null)[]> {
  const signal = AbortSignal.timeout(LIMIT_MS)
  return Promise.all([TYPE.A, TYPE.AAAA].map((type) => lookUp(host, type, reach, signal)))
}

async function lookUp(host: string, type: AddressType, { resolver, fetch }: Reach, signal: AbortSignal) {
  try {
    const url = new URL(resolver)
    url.searchParams.set('dns', Buffer.from(encodeQuestion(host, type)).toString('base64url'))
    const headers = { accept: 'application/dns-message' }
    const response = await fetch(url, { headers, redirect: 'manual', signal })
    const bytes = await readStart(response, ANSWER_AT_MOST + 1)
    if (response.status !== 200 || bytes.length > ANSWER_AT_MOST || !isDnsMessage(response)) return null
    const answer = decodeAnswer(bytes)
    return answer && addressesIn(answer, host, type)
  } catch {
    return null
  }
}

const isDnsMessage = ({ headers }: Response) =>
  /^application\/dns-message\s*(;|$)/i.test(headers.get('content-type') ?? '')

/** The addresses at the end of the name's chain of aliases; null where the answer speaks of any other name. */
function addressesIn({ name, type, rcode, aliases, addresses }: DnsAnswer, host: string, asked: AddressType) {
  if (name !== host || type !== asked || (rcode !== NO_ERROR && rcode !== NO_SUCH_NAME)) return null
  const targets = new Map(aliases.map((alias) => [alias.name, alias.target]))
  let owner = host
  for (let hops = 0; targets.has(owner); hops += 1) {
    if (hops === ALIASES_AT_MOST) return null
    owner = targets.get(owner) ?? owner
  }
  if (addresses.some((found) => found.name !== owner)) return null
  return addresses.map(({ address }) => address)
}

const refused = (reason: string) => ({ ok: false as const, reason })
