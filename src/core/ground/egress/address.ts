import ipaddr from 'ipaddr.js'

/** The IPv6 range that IANA assigns. All else is special, unassigned, or an embedded IPv4 address. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3')
/** A public address that in Azure leads to the machine's own host. */
const AZURE_HOST = '168.63.129.16'

/**
 * The class of an address that is not public, by IANA's special-purpose registries; null for a public address. An IPv6 address
 * with an IPv4 address inside (mapped, NAT64, 6to4, Teredo) is never public.
 */
export function specialClass(address: string): string | null {
  if (!ipaddr.isValid(address)) return 'unreadable'
  const ip = ipaddr.parse(address)
  if (ip.range() !== 'unicast') return ip.range()
  if (ip.kind() === 'ipv6' && !ip.match(GLOBAL_UNICAST)) return 'unassigned'
  return address === AZURE_HOST ? 'metadata' : null
}

/** The IP address in the host of a parsed URL, or null if the host is a name. */
export function literalIn(hostname: string): string | null {
  if (hostname.startsWith('[')) return hostname.slice(1, -1)
  return ipaddr.IPv4.isValidFourPartDecimal(hostname) ? hostname : null
}

/** The text of an address of 4 or 16 octets from a DNS answer. */
export function addressOf(octets: Uint8Array): string {
  return ipaddr.fromByteArray([...octets]).toString()
}
