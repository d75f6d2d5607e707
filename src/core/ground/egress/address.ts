import ipaddr from 'ipaddr.js'

/** IPv6 as far as IANA gives it out: all else is special, unassigned, or an IPv4 address in another guise. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3')
/** A public number that in Azure is the machine's own host. */
const AZURE_HOST = '168.63.129.16'

/**
 * The class of an address that is no public host's, as IANA's special-purpose registries have it; null of one that may
 * be. What carries an IPv4 address inside (mapped, NAT64, 6to4, Teredo) is of such a class, whatever it carries.
 */
export function specialClass(address: string): string | null {
  if (!ipaddr.isValid(address)) return 'unreadable'
  const ip = ipaddr.parse(address)
  if (ip.range() !== 'unicast') return ip.range()
  if (ip.kind() === 'ipv6' && !ip.match(GLOBAL_UNICAST)) return 'unassigned'
  return address === AZURE_HOST ? 'metadata' : null
}

/** The address that the host of a parsed URL is, null where it is a name. */
export function literalIn(hostname: string): string | null {
  if (hostname.startsWith('[')) return hostname.slice(1, -1)
  return ipaddr.IPv4.isValidFourPartDecimal(hostname) ? hostname : null
}

/** The text of an address of 4 or 16 octets, as a DNS answer brings it. */
export function addressOf(octets: Uint8Array): string {
  return ipaddr.fromByteArray([...octets]).toString()
}
