import { Buffer } from 'node:buffer'
import { literalIn, specialClass } from './address.ts'
import { readStart } from './body.ts'
import {
  type AddressType,
  type DnsAnswer,
  decodeAnswer,
  encodeQuestion,
  type QuestionType,
  type TextType,
  TYPE,
} from './dns-message.ts'

const LIMIT_MS = 3_000
/** The longest DNS message. */
const ANSWER_AT_MOST = 65_535
const ALIASES_AT_MOST = 16
const NO_ERROR = 0
const NO_SUCH_NAME = 3

/** The resolver's URL, and the function to call it with. */
export type Reach = { resolver: string; fetch: typeof globalThis.fetch }
type Resolved = { ok: true; addresses: string[] } | { ok: false; reason: string }

/**
 * All addresses of a host, if every one of them is public. Asks an RFC 8484 resolver, for three seconds at most. Refuses the
 * host unless there are clear answers for both IPv4 and IPv6.
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

/**
 * The name servers, mail exchangers, texts or aliases of a name; empty if it has none, null if the resolver gave no clear
 * answer within three seconds.
 */
export async function lookUpRecords(
  name: string,
  type: TextType | typeof TYPE.CNAME,
  reach: Reach,
): Promise<string[] | null> {
  const answer = await ask(name, type, reach, AbortSignal.timeout(LIMIT_MS))
  const owner = answer && ownerIn(answer, name, type)
  if (!answer || owner === null) return null
  if (type === TYPE.CNAME)
    return answer.aliases.filter((alias) => alias.name === name).map(({ target }) => target)
  return answer.texts.filter((each) => each.type === type && each.name === owner).map(({ text }) => text)
}

async function lookUp(host: string, type: AddressType, reach: Reach, signal: AbortSignal) {
  const answer = await ask(host, type, reach, signal)
  return answer && addressesIn(answer, host, type)
}

async function ask(host: string, type: QuestionType, { resolver, fetch }: Reach, signal: AbortSignal) {
  try {
    const url = new URL(resolver)
    url.searchParams.set('dns', Buffer.from(encodeQuestion(host, type)).toString('base64url'))
    const headers = { accept: 'application/dns-message' }
    const response = await fetch(url, { headers, redirect: 'manual', signal })
    const bytes = await readStart(response, ANSWER_AT_MOST + 1)
    if (response.status !== 200 || bytes.length > ANSWER_AT_MOST || !isDnsMessage(response)) return null
    return decodeAnswer(bytes)
  } catch {
    return null
  }
}

const isDnsMessage = ({ headers }: Response) =>
  /^application\/dns-message\s*(;|$)/i.test(headers.get('content-type') ?? '')

/** The addresses at the end of the name's chain of aliases; null if the answer has addresses of another name. */
function addressesIn(answer: DnsAnswer, host: string, asked: AddressType) {
  const owner = ownerIn(answer, host, asked)
  if (owner === null || answer.addresses.some((found) => found.name !== owner)) return null
  return answer.addresses.map(({ address }) => address)
}

/** The name at the end of the chain of aliases; null if the answer is unclear or to another question. */
function ownerIn(
  { name, type, rcode, aliases }: DnsAnswer,
  host: string,
  asked: QuestionType,
): string | null {
  if (name !== host || type !== asked || (rcode !== NO_ERROR && rcode !== NO_SUCH_NAME)) return null
  const targets = new Map(aliases.map((alias) => [alias.name, alias.target]))
  let owner = host
  for (let hops = 0; targets.has(owner); hops += 1) {
    if (hops === ALIASES_AT_MOST) return null
    owner = targets.get(owner) ?? owner
  }
  return owner
}

const refused = (reason: string) => ({ ok: false as const, reason })
