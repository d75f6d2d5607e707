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

/** A record that is not as it must be, and what stands in its place. */
export type Missing = DnsRecord & { problem: Problem; found: string[] }

/** What the world says of a domain: `missing` is empty where all is in place. */
export async function checkRecords(env: Env, domain: Domain): Promise<Missing[]> {
  const ours = oursIn(env)
  const records = domain.mode === 'managed' ? nsRecords(domain, ours) : dnsRecords(domain, ours)
  return await checked(env, records)
}

/**
 * Whether the record that only the claimant can have asked for still stands: `unknown` where the resolver gave no clear
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

/** What of our own a domain's records name. */
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
  // Where the name itself says nothing, the domain it belongs to speaks for it.
  if (purpose === 'dmarc') {
    const above = `_dmarc.${organizationalDomain(name.slice('_dmarc.'.length))}`
    return above === name ? found : await lookUpRecords(above, TYPE.TXT, reach)
  }
  // Some zones hold no alias there: an exchanger of the same name brings bounces to us as well.
  return purpose === 'bounce' ? await lookUpRecords(name, TYPE.MX, reach) : found
}
