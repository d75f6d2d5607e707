import type { Settings } from '../../../env.ts'
import { literalIn, specialClass } from './address.ts'

/** The settings by which our own hosts are recognised, and those that EGRESS_ALLOW exempts. */
type Surroundings = Pick<Settings, 'publicUrl' | 'mailDomain' | 'egressAllow'>

const LONGEST = 2_000
/** The URL parser gives port 443 as the empty string. */
const PORTS = ['', '8443']
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/
/**
 * Names that nobody has on the public Internet: IANA's special-use names, ICANN's `.internal` and the names it will not
 * delegate because of collisions, names that private networks use, and the metadata hosts of clouds.
 */
const NOT_PUBLIC = [
  ...['localhost', 'local', 'onion', 'test', 'invalid', 'example', 'alt', 'arpa', 'home.arpa'],
  ...['internal', 'corp', 'home', 'mail', 'lan', 'localdomain', 'intranet', 'private'],
  ...['metadata.google.internal', 'metadata.tencentyun.com', 'metadata.platformequinix.com'],
]

type Target = { ok: true; url: URL; isExempt: boolean } | { ok: false; reason: string }

/** Why this URL may not be a webhook, as the end of a sentence, or null. Judges the text only, without a DNS look-up. */
export function refuseUrl(text: string, surroundings: Surroundings): string | null {
  const target = readUrl(text, surroundings)
  return target.ok ? null : target.reason
}

/**
 * The URL to call, without its fragment. It is judged after parsing, so that all spellings of a host are treated alike. A host
 * and port in EGRESS_ALLOW is exempt: it may be a private address, and use any port and plain http.
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
