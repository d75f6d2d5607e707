import type { DlpMode } from '../../../schema/accounts.ts'

/** What was found in a message before it was judged: by which rules and where, never what. */
export type DlpFacts = {
  mode: DlpMode
  rulesVersion: string
  /** In the order of the rules. */
  found: { rule: string; where: string[]; count: number }[]
  /** Of those, the first that stands where nothing can be struck out: in an address, or in bytes already approved. */
  fixed: string | null
  /** Which of the tenant's canaries, and where; `watched` is how many it has. */
  canaries: { id: string; where: string }[]
  watched: number
}
