import type { domains } from '../../../schema/accounts.ts'

export type Domain = typeof domains.$inferSelect

type Purpose = 'delegation' | 'ownership' | 'spf' | 'dkim' | 'dmarc' | 'bounce'

/** A record that the owner of a domain sets. `name` is fully qualified, without a dot at its end. */
export type DnsRecord = { purpose: Purpose; type: 'NS' | 'TXT' | 'CNAME'; name: string; value: string }

/** Our own names, as the records contain them. */
export type Ours = { mailDomain: string; nameservers: string[]; spfInclude: string }

export type Problem = 'not_found' | 'wrong_value' | 'several_records' | 'lookup_failed' | 'held_by_another'

/**
 * The host that receives the bounces of mail from a domain. It is an alias of ours, so our SPF record applies to it.
 */
export const bounceDomain = (domain: string) => `bounce.${domain}`

/**
 * The name servers to delegate a managed domain to. Each domain gets names of its own, so that they prove this claim
 * only.
 */
export function nsRecords(
  { domain, token }: Pick<Domain, 'domain' | 'token'>,
  { nameservers }: Ours,
): DnsRecord[] {
  return nameservers.map((server) => ({
    purpose: 'delegation',
    type: 'NS',
    name: domain,
    value: `${token}.${server}`,
  }))
}

/** The records that a domain needs for sending. The owner sets them; for a delegated domain we serve them. */
export function dnsRecords(
  {
    domain,
    mode,
    token,
    selector,
    publicKey,
  }: Pick<Domain, 'domain' | 'mode' | 'token' | 'selector' | 'publicKey'>,
  { mailDomain, spfInclude }: Ours,
): DnsRecord[] {
  const ownership: DnsRecord = {
    purpose: 'ownership',
    type: 'TXT',
    name: `_moltpost.${domain}`,
    value: `moltpost-verification=${token}`,
  }
  return [
    ...(mode === 'byoc' ? [ownership] : []),
    { purpose: 'spf', type: 'TXT', name: domain, value: `v=spf1 include:${spfInclude} ~all` },
    {
      purpose: 'dkim',
      type: 'TXT',
      name: `${selector}._domainkey.${domain}`,
      value: `v=DKIM1; k=rsa; p=${publicKey}`,
    },
    { purpose: 'dmarc', type: 'TXT', name: `_dmarc.${domain}`, value: 'v=DMARC1; p=none' },
    { purpose: 'bounce', type: 'CNAME', name: bounceDomain(domain), value: bounceDomain(mailDomain) },
  ]
}

/** What is wrong with the values found under a record's name, or null if they serve its purpose. */
export function problemIn({ purpose, value }: DnsRecord, found: string[]): Problem | null {
  const judged = JUDGES[purpose](found, value)
  if (judged === 'ok') return null
  return found.length === 0 ? 'not_found' : judged
}

type Judged = 'ok' | Problem

/** For each purpose, compares the values found with the value expected. */
const JUDGES: Record<Purpose, (found: string[], expected: string) => Judged> = {
  // A name server of another claim would answer for the domain as well, so there must be none.
  delegation: (found, expected) => {
    const claim = claimOf(expected)
    return found.includes(expected) && found.every((each) => claimOf(each) === claim) ? 'ok' : 'wrong_value'
  },
  ownership: (found, expected) => (found.some((text) => text.trim() === expected) ? 'ok' : 'wrong_value'),
  spf: (found, expected) => {
    const records = found.filter((text) => /^v=spf1(?: |$)/i.test(text))
    if (records.length !== 1) return records.length === 0 ? 'not_found' : 'several_records'
    const [, wanted = ''] = expected.split(' ')
    const terms = (records[0] ?? '').toLowerCase().split(/ +/)
    const all = terms.findIndex((term) => /^[+?~-]?all$/.test(term))
    // Terms after `all` are ignored (RFC 7208, section 5.1).
    const effective = all === -1 ? terms : terms.slice(0, all)
    return effective.some((term) => term.replace(/^\+/, '').replace(/\.$/, '') === wanted)
      ? 'ok'
      : 'wrong_value'
  },
  dkim: (found, expected) => {
    const records = found.map(tagsOf).filter((tags) => tags.has('p'))
    if (records.length !== 1) return records.length === 0 ? 'not_found' : 'several_records'
    const [tags = new Map<string, string>()] = records
    const among = (tag: string, wanted: string) =>
      !tags.has(tag) || (tags.get(tag) ?? '').split(':').some((each) => each === wanted || each === '*')
    const isUsable =
      (tags.get('v') ?? 'DKIM1') === 'DKIM1' &&
      among('k', 'rsa') &&
      among('h', 'sha256') &&
      among('s', 'email')
    return isUsable && tags.get('p') === tagsOf(expected).get('p') ? 'ok' : 'wrong_value'
  },
  // Any policy is accepted: the owner of the domain chooses it.
  dmarc: (found) => {
    const records = found.filter((text) => /^v\s*=\s*DMARC1\s*(?:;|$)/.test(text))
    if (records.length !== 1) return records.length === 0 ? 'not_found' : 'several_records'
    const policy =
      tagsOf(records[0] ?? '')
        .get('p')
        ?.toLowerCase() ?? ''
    return ['none', 'quarantine', 'reject'].includes(policy) ? 'ok' : 'wrong_value'
  },
  bounce: (found, expected) => {
    if (found.length > 1) return 'several_records'
    return found[0] === expected ? 'ok' : 'wrong_value'
  },
}

/** The first label of a name server: the token of the claim that it proves. */
const claimOf = (server: string) => server.slice(0, server.indexOf('.'))

/** Parses `tag=value; tag=value`. White space within values is removed (RFC 6376, section 3.6.1). */
function tagsOf(text: string): Map<string, string> {
  return new Map(
    text.split(';').flatMap((part): [string, string][] => {
      const at = part.indexOf('=')
      return at === -1 ? [] : [[part.slice(0, at).trim(), part.slice(at + 1).replace(/\s/g, '')]]
    }),
  )
}
