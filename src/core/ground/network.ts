import ipaddr from 'ipaddr.js'

/**
 * The network of an IP address, as a provider gives one to a customer: /24 for IPv4, /48 for IPv6 (RFC 6177). An IPv4 address
 * mapped into IPv6 counts as IPv4. Null if the text is no IP address.
 */
export function networkOf(address: string): string | null {
  if (!ipaddr.isValid(address)) return null
  const parsed = ipaddr.process(address)
  return parsed.kind() === 'ipv4'
    ? `${ipaddr.IPv4.networkAddressFromCIDR(`${parsed}/24`)}/24`
    : `${ipaddr.IPv6.networkAddressFromCIDR(`${parsed}/48`)}/48`
}

/** Whether an IP address is a loopback address. */
export function isLoopback(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'loopback'
}
