import { getTableColumns, is, sql } from 'drizzle-orm'
import { getTableConfig, type SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core'
import * as accounts from '../../../schema/accounts.ts'
import * as arrivals from '../../../schema/arrivals.ts'
import * as contacts from '../../../schema/contacts.ts'
import * as coordination from '../../../schema/coordination.ts'
import * as delivery from '../../../schema/delivery.ts'
import * as governance from '../../../schema/governance.ts'
import * as ground from '../../../schema/ground.ts'
import * as journal from '../../../schema/journal.ts'
import * as letters from '../../../schema/letters.ts'
import * as mail from '../../../schema/mail.ts'
import * as notices from '../../../schema/notices.ts'
import * as payments from '../../../schema/payments.ts'
import * as publishing from '../../../schema/publishing.ts'
import * as sending from '../../../schema/sending.ts'

const schema = {
  ...accounts,
  ...arrivals,
  ...contacts,
  ...coordination,
  ...delivery,
  ...governance,
  ...ground,
  ...journal,
  ...letters,
  ...mail,
  ...notices,
  ...payments,
  ...publishing,
  ...sending,
}

type Schema = typeof schema
export type TableName = {
  [Name in keyof Schema]: Schema[Name] extends SQLiteTable ? Name : never
}[keyof Schema]

/** What happens to a tenant's rows in a table: erased or kept, exported or not, and the columns that no export shows. */
type Rule = { isKept: boolean; isExported: boolean; hidden: readonly string[] }

const erased = (...hidden: string[]): Rule => ({ isKept: false, isExported: true, hidden })
/** For tables that are made from other tables, or that mean nothing outside this service. */
const internal = (): Rule => ({ isKept: false, isExported: false, hidden: [] })
const kept = (...hidden: string[]): Rule => ({ isKept: true, isExported: true, hidden })
const keptInternal = (): Rule => ({ isKept: true, isExported: false, hidden: [] })

/**
 * Every table, and what deletion and export do with it. A new table does not compile until it has a rule here: `erased()`
 * with the columns that hold secrets, unless there is a reason for another rule. `RESIDUE` must name whatever is kept.
 */
export const RULES: Record<TableName, Rule> = {
  tenants: erased(),
  owners: erased(),
  secondAddresses: erased('tokenHash'),
  canaries: erased('hash', 'probe'),
  claims: erased('tokenHash'),
  verifications: erased('tokenHash'),
  agents: erased(),
  agentSpells: erased(),
  mailboxes: erased(),
  givenAddresses: keptInternal(),
  keys: erased('hash'),
  smtpCredentials: erased('hash'),
  templates: erased(),
  templateVersions: erased(),
  suppressions: erased(),
  consents: erased(),
  sends: erased('settleToken', 'lockToken'),
  sendRecipients: erased(),
  raises: internal(),
  counts: keptInternal(),
  traces: erased(),
  domains: erased('sealedKey'),
  aliases: erased(),
  approvals: erased(),
  approvalTokens: erased('tokenHash'),
  sessions: erased('tokenHash'),
  signIns: internal(),
  leases: erased(),
  leaseEvents: erased(),
  consensusRequests: erased(),
  consensusVotes: erased(),
  deadLetters: erased(),
  messages: erased(),
  views: erased(),
  threads: erased(),
  arrivals: erased(),
  autoReplies: erased(),
  events: erased(),
  webhooks: erased('secret', 'replacedSecrets'),
  webhookDeliveries: erased('lockToken'),
  webhookAttempts: erased(),
  memories: erased(),
  searchEntries: internal(),
  capturedMail: internal(),
  idempotency: erased('bodyHash'),
  archives: erased('lockToken'),
  checkouts: erased(),
  billingEvents: erased(),
  subscriptions: kept(),
  bonds: kept('lockToken'),
  auditEntries: kept(),
  auditDetails: erased(),
  auditHeads: kept(),
  sanctions: kept(),
  erasures: keptInternal(),
}

/** What remains after a deletion. Owners read this text. */
export const RESIDUE = [
  {
    what: 'audit entries',
    why: 'They prove what was done and when. They hold only ids and salted hashes; their details are erased.',
  },
  {
    what: 'hashes of the addresses',
    why: 'They keep others from opening an address that was used before and reading the mail that still comes to it.',
  },
  { what: 'this request', why: 'Its id, its times and the amount of erased data, as proof of the deletion.' },
  {
    what: 'billing records',
    why: 'Plan, amounts and ids of the payment provider, for as long as accounting law requires.',
  },
  {
    what: 'suspensions and freezes',
    why: 'They follow the person who claimed the account, by address, so that deleting an account ends none of them.',
  },
  {
    what: 'messages in the mailboxes of others',
    why: 'A message that was sent to another tenant or as mail belongs to its recipients.',
  },
  {
    what: 'single words in a large search index',
    why: 'They are marked as deleted at once and lead to no message. In a large index the marked words are removed later.',
  },
  {
    what: 'backups of the database',
    why: 'Point-in-time recovery covers up to 30 days and cannot be shortened.',
  },
] as const

export type TenantTable = {
  name: TableName
  table: SQLiteTable
  rule: Rule
  /** Null if the rows name no tenant. */
  tenantId: SQLiteColumn | null
  key: SQLiteColumn[]
}

/** All tables of the schema with their rules. */
export const TENANT_TABLES: TenantTable[] = Object.entries(schema).flatMap(([name, table]) => {
  if (!is(table, SQLiteTable)) return []
  const columns: Record<string, SQLiteColumn> = getTableColumns(table)
  const config = getTableConfig(table)
  const single = Object.values(columns).filter((column) => column.primary)
  const key = config.primaryKeys[0]?.columns ?? single
  const tenantId = (name === 'tenants' ? columns.id : columns.tenantId) ?? null
  return [{ name: name as TableName, table, rule: RULES[name as TableName], tenantId, key }]
})

/** The columns as SQL, separated by commas. */
export function listOf(columns: SQLiteColumn[]) {
  return sql.join(
    columns.map((column) => sql`${column}`),
    sql`, `,
  )
}
