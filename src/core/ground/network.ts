import ipaddr from 'ipaddr.js'

/**
 * The network that an address belongs to as one customer of a provider has it: the /24 of an IPv4 address, the /48 of an
 * IPv6 address (RFC 6177). An IPv4 address mapped into IPv6 is that IPv4 address. Null for what is no address.
 */
export function networkOf(address: string): string | null {
  if (!ipaddr.isValid(address)) return null
  const parsed = ipaddr.process(address)
  return parsed.kind() === 'ipv4'
    ? `${ipaddr.IPv4.networkAddressFromCIDR(`${parsed}/24`)}/24`
    : `${ipaddr.IPv6.networkAddressFromCIDR(`${parsed}/48`)}/48`
}

/** Whether an address can only be that of this machine itself. */
export function isLoopback(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'loopback'
}
