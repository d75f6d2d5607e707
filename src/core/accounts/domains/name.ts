import { parse } from 'tldts'
import { type Env, settings } from '../../../env.ts'
import { parseAddress } from '../../ground/address.ts'
import { Fault } from '../../ground/fault.ts'

/**
 * In characters: the names of DNS records and the addresses that we derive from a domain must fit their limits, too.
 */
const NAME_AT_MOST = 180

/**
 * A domain that a tenant may send from, as lower-case A-labels. Throws `invalid` for a text that is no domain name, for a
 * public suffix (of registries, and of hosts that give names away), and for every name above or below our own.
 */
export function domainName(env: Env, text: string): string {
  const invalid = (why: string) => new Fault('invalid', `domain: ${why}`, { field: 'domain' })
  const name = parseAddress(`postmaster@${text.trim()}`)?.domain
  if (name === undefined) throw invalid('must be a domain name, such as example.com.')
  if (name.length > NAME_AT_MOST) throw invalid(`must be at most ${NAME_AT_MOST} characters.`)
  const { domain, isIp } = parse(name, { allowPrivateDomains: true })
  if (isIp) throw invalid('must be a domain name, not an IP address.')
  if (domain === null) throw invalid(`${name} is a public suffix: give a domain that is registered below it.`)
  const { mailDomain, publicUrl } = settings(env)
  const ours = [mailDomain, new URL(publicUrl).hostname]
  if (ours.some((own) => isWithin(name, own) || isWithin(own, name)))
    throw invalid(`${name} belongs to this service.`)
  return name
}

/** The registered domain above a name. Its DMARC record applies to the names below it (RFC 7489, section 3.2). */
export function organizationalDomain(name: string): string {
  return parse(name, { allowPrivateDomains: true }).domain ?? name
}

/** Whether a domain is this one or lies below it. */
export const isWithin = (name: string, other: string) => name === other || name.endsWith(`.${other}`)
