import { type Env, settings } from '../../../env.ts'
import { TYPE } from '../../ground/egress/dns-message.ts'
import { lookUpRecords, type Reach } from '../../ground/egress/resolve.ts'
import { organizationalDomain } from './name.ts'
import {
  type DnsRecord,
  type Domain,
  dnsRecords,
  nsRecords,
  type Ours,
  type Problem,
  problemIn,
} from './records.ts'

/** A record that is missing or wrong, and the values found under its name. */
export type Missing = DnsRecord & { problem: Problem; found: string[] }

/** Looks up the records of a domain in public DNS and returns those that are missing or wrong. */
export async function checkRecords(env: Env, domain: Domain): Promise<Missing[]> {
  const ours = oursIn(env)
  const records = domain.mode === 'managed' ? nsRecords(domain, ours) : dnsRecords(domain, ours)
  return await checked(env, records)
}

/**
 * Whether the record that proves the ownership of a domain is still in DNS. It is `unknown` if the resolver gave no clear
 * answer.
 */
export async function proofOf(env: Env, domain: Domain): Promise<'stands' | 'gone' | 'unknown'> {
  const ours = oursIn(env)
  const proof =
    domain.mode === 'managed'
      ? nsRecords(domain, ours)
      : dnsRecords(domain, ours).filter(({ purpose }) => purpose === 'ownership')
  const missing = await checked(env, proof)
  if (missing.some(({ problem }) => problem === 'lookup_failed')) return 'unknown'
  return missing.length < proof.length ? 'stands' : 'gone'
}

/** Our own names, as the records of a domain contain them. */
export function oursIn(env: Env): Ours {
  const { mailDomain, nameservers, spfInclude } = settings(env)
  return { mailDomain, nameservers, spfInclude }
}

async function checked(env: Env, records: DnsRecord[]): Promise<Missing[]> {
  const reach = { resolver: settings(env).dnsResolver, fetch: globalThis.fetch.bind(globalThis) }
  const judged = await Promise.all(
    records.map(async (record): Promise<Missing | null> => {
      const found = await lookUp(record, reach)
      if (found === null) return { ...record, problem: 'lookup_failed', found: [] }
      const problem = problemIn(record, found)
      return problem && { ...record, problem, found: found.map((text) => text.slice(0, 1_000)) }
    }),
  )
  return judged.filter((each) => each !== null)
}

async function lookUp({ purpose, type, name }: DnsRecord, reach: Reach): Promise<string[] | null> {
  const found = await lookUpRecords(name, TYPE[type], reach)
  if (found === null || found.length > 0) return found
  // A name without a DMARC record has the policy of its organizational domain (RFC 7489, section 6.6.3).
  if (purpose === 'dmarc') {
    const above = `_dmarc.${organizationalDomain(name.slice('_dmarc.'.length))}`
    return above === name ? found : await lookUpRecords(above, TYPE.TXT, reach)
  }
  // Some zones allow no CNAME at this name. An MX record to the same host brings bounces to us as well.
  return purpose === 'bounce' ? await lookUpRecords(name, TYPE.MX, reach) : found
}
