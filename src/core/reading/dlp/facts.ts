import type { DlpMode } from '../../../schema/accounts.ts'

/** What DLP found in a message before it was judged: which rules and where, never the text itself. */
export type DlpFacts = {
  mode: DlpMode
  rulesVersion: string
  /** In the order of the rules. */
  found: { rule: string; where: string[]; count: number }[]
  /** The first rule with a finding that cannot be struck out: in an address, or in bytes that are already approved. */
  fixed: string | null
  /** The tenant's canaries that were found, and where. `watched` is how many the tenant has. */
  canaries: { id: string; where: string }[]
  watched: number
}
