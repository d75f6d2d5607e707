import { VERDICTS, type Verdict } from '../../../schema/mail.ts'
import { parseAddress } from '../../ground/address.ts'
import { BUDGET } from './budget.ts'
import { type Field, withoutComments } from './header.ts'

export type Authentication = {
  spf: Verdict
  dkim: Verdict
  dmarc: Verdict
  fromDomain: string | null
  isFromAuthenticated: boolean
}

/**
 * The server that hands us mail. `authservIds` are the names in its Authentication-Results fields, `receivedBy` the
 * host names in its Received fields where they are different ones.
 */
export type Boundary = { authservIds: string[]; receivedBy?: string[] }

type Result = { method: string; verdict: Verdict; properties: Map<string, string> }

/** Cloudflare Email Routing uses one host name in Authentication-Results and another one in Received. */
const RECEIVED_BY: Record<string, string> = { 'mx.cloudflare.net': 'cloudflare-email.net' }

const RESULT = /^\s*([a-z][\w-]*)\s*(?:\/\s*(\d+)\s*)?=\s*([a-z]+)(?=[\s;]|$)/i
const PROPERTY = /(?:^|\s)([\w-]+\s*\.\s*[\w-]+)\s*=\s*((?:"(?:[^"\\]|\\.)*"|[^\s";])+)/gs

/**
 * Reads the SPF, DKIM and DMARC results from the field that our receiving server wrote. Without such a field every
 * verdict is `none`. SPF checks the envelope sender only, so it never authenticates the author.
 */
export function readAuthentication(
  fields: Field[],
  boundary: Boundary,
  author: { email: string } | null,
): Authentication {
  const results = trustedResults(fields, boundary)
  const fromDomain = author && (parseAddress(author.email)?.domain ?? null)
  const dmarc = worst(results, 'dmarc')
  const isDmarcAligned = results.some(
    ({ method, properties }) => method === 'dmarc' && domainOf(properties.get('header.from')) === fromDomain,
  )
  const isSigned = results.some(
    ({ method, verdict, properties }) =>
      method === 'dkim' && verdict === 'pass' && isAligned(signerOf(properties), fromDomain),
  )
  return {
    spf: spfOf(results),
    dkim: dkimOf(results, fromDomain),
    dmarc,
    fromDomain,
    isFromAuthenticated:
      fromDomain !== null && ((dmarc === 'pass' && isDmarcAligned) || (isSigned && dmarc !== 'fail')),
  }
}

/**
 * The results in the first Authentication-Results field with one of our names (RFC 8601, section 5). At most one
 * Received field may come before it, written by the receiving server. Below a second one, the sender may have forged it.
 */
function trustedResults(fields: Field[], boundary: Boundary): Result[] {
  const ours = new Set(boundary.authservIds.map(canonical))
  const hosts = new Set([...ours, ...(boundary.receivedBy ?? []).map(canonical)])
  for (const id of ours) if (RECEIVED_BY[id]) hosts.add(RECEIVED_BY[id])
  let received = 0
  for (const { name, value, isObsolete } of fields) {
    if (name === 'received' && (++received > 1 || !hosts.has(receiverOf(value)))) return []
    if (name !== 'authentication-results' || isObsolete) continue
    const read = parseResults(value)
    if (read === null) return []
    if (ours.has(read.id)) return read.results
  }
  return []
}

const canonical = (host: string) => host.trim().toLowerCase()

function receiverOf(value: string) {
  const words = (withoutComments(value.slice(0, BUDGET.field)) ?? '').split(/\s+/)
  const at = words.findIndex((word) => word.toLowerCase() === 'by')
  return at < 0 ? '' : canonical((words[at + 1] ?? '').replace(/;$/, ''))
}

/** Parses a field value by RFC 8601, section 2.2. Null if it breaks the grammar or has another version. */
function parseResults(value: string): { id: string; results: Result[] } | null {
  if (value.length > BUDGET.field) return null
  const segments = split(withoutComments(value))
  const [, quoted, token, version] =
    /^\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"=;]+))(?:\s+(\d+))?\s*$/s.exec(segments?.[0] ?? '') ?? []
  const id = quoted?.replace(/\\(.)/gs, '$1') ?? token
  if (!segments || id === undefined || (version !== undefined && Number(version) !== 1)) return null
  const results = segments.slice(1).map(parseResult)
  return { id: canonical(id), results: results.filter((result) => result !== null) }
}

/** Splits at semicolons outside quotes. Null if a comment stays open or the first part is missing. */
function split(value: string | null): string[] | null {
  return value === null || /^\s*;/.test(value) ? null : value.match(/(?:"(?:[^"\\]|\\.)*"|[^;"])+/gs)
}

function parseResult(segment: string): Result | null {
  const [whole, method, version, result] = RESULT.exec(segment) ?? []
  if (whole === undefined || method === undefined || Number(version ?? 1) !== 1) return null
  const properties = new Map<string, string>()
  for (const [, name = '', given = ''] of segment.slice(whole.length).matchAll(PROPERTY)) {
    const key = name.replace(/\s/g, '').toLowerCase()
    if (!properties.has(key)) properties.set(key, given.replace(/"((?:[^"\\]|\\.)*)"/gs, '$1'))
  }
  const verdict = VERDICTS.find((name) => name === result?.toLowerCase()) ?? 'none'
  return { method: method.toLowerCase(), verdict, properties }
}

/** The verdict of a method that should have one result. If there are several, any verdict other than `pass` wins. */
function worst(results: Result[], method: string): Verdict {
  const verdicts = results.filter((result) => result.method === method).map(({ verdict }) => verdict)
  return verdicts.find((verdict) => verdict !== 'pass') ?? verdicts[0] ?? 'none'
}

/** The SPF verdict for the envelope sender, or for the HELO name if there is no other. */
function spfOf(results: Result[]): Verdict {
  const ofSender = results.filter(
    ({ method, properties }) =>
      method === 'spf' && !(properties.has('smtp.helo') && !properties.has('smtp.mailfrom')),
  )
  return worst(ofSender.length > 0 ? ofSender : results, 'spf')
}

/** The verdict of the best signature: an aligned pass, else any pass, else the first result. */
function dkimOf(results: Result[], fromDomain: string | null): Verdict {
  const signatures = results.filter(({ method }) => method === 'dkim')
  const passed = signatures.filter(({ verdict }) => verdict === 'pass')
  const best = passed.find(({ properties }) => isAligned(signerOf(properties), fromDomain)) ?? passed[0]
  return (best ?? signatures[0])?.verdict ?? 'none'
}

function signerOf(properties: Map<string, string>) {
  return domainOf(properties.get('header.d') ?? properties.get('header.i')?.replace(/^.*@/, ''))
}

function domainOf(text: string | undefined) {
  return parseAddress(`x@${text?.replace(/^.*@/, '') ?? ''}`)?.domain ?? null
}

/** The signer must be the author's domain or a parent of it. A subdomain may belong to somebody else (`you.github.io`). */
function isAligned(signer: string | null, fromDomain: string | null) {
  if (signer === null || fromDomain === null) return false
  return fromDomain === signer || fromDomain.endsWith(`.${signer}`)
}
