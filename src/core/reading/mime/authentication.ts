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

/** The hop that hands us mail: the names it signs its results with, and those it receives by if they are others. */
export type Boundary = { authservIds: string[]; receivedBy?: string[] }

type Result = { method: string; verdict: Verdict; properties: Map<string, string> }

/** Email Routing signs as one host and receives as another. */
const RECEIVED_BY: Record<string, string> = { 'mx.cloudflare.net': 'cloudflare-email.net' }

const RESULT = /^\s*([a-z][\w-]*)\s*(?:\/\s*(\d+)\s*)?=\s*([a-z]+)(?=[\s;]|$)/i
const PROPERTY = /(?:^|\s)([\w-]+\s*\.\s*[\w-]+)\s*=\s*((?:"(?:[^"\\]|\\.)*"|[^\s";])+)/gs

/**
 * What the receiving hop found out about the author's domain, from the one field it wrote itself. Without such a
 * field every verdict is `none`. SPF speaks of the envelope only, so it never authenticates an author.
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
 * The results in the top-most Authentication-Results field that bears one of our names (RFC 8601, section 5). Above
 * it may stand one Received field, by the receiving hop: below a second one everything is hearsay.
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

/** RFC 8601, section 2.2. Null where the field does not keep to its grammar or is of another version. */
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

/** The parts between the semicolons that stand outside quotes; the first may not be missing. */
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

/** Two results of a method that ought to give one agree, or the one that is not `pass` counts. */
function worst(results: Result[], method: string): Verdict {
  const verdicts = results.filter((result) => result.method === method).map(({ verdict }) => verdict)
  return verdicts.find((verdict) => verdict !== 'pass') ?? verdicts[0] ?? 'none'
}

/** That of the envelope sender; that of the HELO name only where there is no other. */
function spfOf(results: Result[]): Verdict {
  const ofSender = results.filter(
    ({ method, properties }) =>
      method === 'spf' && !(properties.has('smtp.helo') && !properties.has('smtp.mailfrom')),
  )
  return worst(ofSender.length > 0 ? ofSender : results, 'spf')
}

/** The best signature speaks for the message: an aligned pass, else any pass, else the first result. */
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

/** The signer is the author's domain or one above it; a domain below it may be another's (`you.github.io`). */
function isAligned(signer: string | null, fromDomain: string | null) {
  if (signer === null || fromDomain === null) return false
  return fromDomain === signer || fromDomain.endsWith(`.${signer}`)
}
