import { parse } from 'tldts'
import { type Env, settings } from '../../../env.ts'
import { parseAddress } from '../../ground/address.ts'
import { Fault } from '../../ground/fault.ts'

/** So that the longest name and address made of it still fit into theirs. */
const NAME_AT_MOST = 180

/**
 * A domain that a tenant may write from, as lower-case A-labels. Refused: what is no domain name, a public suffix (of
 * registries or of hosts that give names away), and every name above or below our own.
 */
export function domainName(env: Env, text: string): string {
  const invalid = (why: string) => new Fault('invalid', `domain: ${why}`, { field: 'domain' })
  const name = parseAddress(`postmaster@${text.trim()}`)?.domain
  if (name === undefined) throw invalid('must be a domain name, such as example.com.')
  if (name.length > NAME_AT_MOST) throw invalid(`must be at most ${NAME_AT_MOST} characters.`)
  const { domain, isIp } = parse(name, { allowPrivateDomains: true })
  if (isIp) throw invalid('must be a domain name, not an address.')
  if (domain === null) throw invalid(`${name} is a public suffix: give a domain that is registered below it.`)
  const { mailDomain, publicUrl } = settings(env)
  const ours = [mailDomain, new URL(publicUrl).hostname]
  if (ours.some((own) => isBelow(name, own) || isBelow(own, name))) throw invalid(`${name} is one of ours.`)
  return name
}

/** The domain as it was registered, whose DMARC record speaks for the names below it (RFC 7489, section 3.2). */
export function organizationalDomain(name: string): string {
  return parse(name, { allowPrivateDomains: true }).domain ?? name
}

const isBelow = (name: string, other: string) => name === other || name.endsWith(`.${other}`)
