import type { Settings } from '../../../env.ts'
import { literalIn, specialClass } from './address.ts'

/** What tells our own hosts, and those that local development exempts, from everybody else's. */
type Surroundings = Pick<Settings, 'publicUrl' | 'mailDomain' | 'egressAllow'>

const LONGEST = 2_000
/** 443 reads as no port. */
const PORTS = ['', '8443']
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/
/**
 * Names that are nobody's on the public Internet: IANA's special-use names, ICANN's `.internal` and the collisions it
 * will not delegate, what private networks use unasked, and where clouds keep their metadata.
 */
const NOT_PUBLIC = [
  ...['localhost', 'local', 'onion', 'test', 'invalid', 'example', 'alt', 'arpa', 'home.arpa'],
  ...['internal', 'corp', 'home', 'mail', 'lan', 'localdomain', 'intranet', 'private'],
  ...['metadata.google.internal', 'metadata.tencentyun.com', 'metadata.platformequinix.com'],
]

type Target = { ok: true; url: URL; isExempt: boolean } | { ok: false; reason: string }

/** Why this URL may not be a webhook, as a sentence's end that names the rule; null if it may be, by its text alone. */
export function refuseUrl(text: string, surroundings: Surroundings): string | null {
  const target = readUrl(text, surroundings)
  return target.ok ? null : target.reason
}

/**
 * The URL that would be called, without its fragment, judged as parsed, so that every spelling of a host is one. Exempt
 * is what EGRESS_ALLOW names: any address, port and name, and plain http.
 */
export function readUrl(text: string, surroundings: Surroundings): Target {
  if (text.length > LONGEST) return refused(`must not be longer than ${LONGEST} characters`)
  if (/[\p{Cc}\s\\]/u.test(text)) return refused('must not hold control characters, spaces or backslashes')
  if (!URL.canParse(text)) return refused('is not a valid URL')
  const url = new URL(text)
  url.hash = ''
  if (url.username !== '' || url.password !== '') return refused('must not carry a user name or password')
  if (isExempt(url, surroundings)) return { ok: true, url, isExempt: true }
  if (url.protocol !== 'https:') return refused('must begin with https://')
  if (!PORTS.includes(url.port)) return refused('must use port 443 or 8443')
  const reason = refuseHost(url.hostname, surroundings)
  return reason === null ? { ok: true, url, isExempt: false } : refused(reason)
}

function refuseHost(host: string, surroundings: Surroundings): string | null {
  if (ourNames(surroundings).some((ours) => isWithin(host, ours))) return 'must not lead back to this service'
  const address = literalIn(host)
  if (address !== null) {
    const special = specialClass(address)
    return special && `must not lead to an address that is not public (${special})`
  }
  if (host.endsWith('.')) return 'must not name a host that ends in a dot'
  const zone = NOT_PUBLIC.find((name) => isWithin(host, name))
  if (zone !== undefined) return `must not name a host that is not public (${zone})`
  const labels = host.split('.')
  if (labels.length < 2) return 'must name its host in full, with its domain'
  return host.length <= 253 && labels.every((label) => LABEL.test(label)) ? null : 'must name a valid host'
}

function isExempt({ protocol, hostname, port }: URL, { egressAllow }: Surroundings) {
  if (protocol !== 'https:' && protocol !== 'http:') return false
  return egressAllow.includes(`${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`)
}

const ourNames = ({ publicUrl, mailDomain }: Surroundings) => [new URL(publicUrl).hostname, mailDomain]
const isWithin = (host: string, zone: string) => host === zone || host.endsWith(`.${zone}`)
const refused = (reason: string) => ({ ok: false as const, reason })
