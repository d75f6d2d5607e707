import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { getTableName } from 'drizzle-orm'
import { type TableName, TENANT_TABLES } from './tables.ts'

/** A file of the folder `migrations`. */
type Migration = { name: string; sql: string }

/** Tables that keep SQLite's row id. All others are WITHOUT ROWID: their rows lie in the order of the primary key. */
const WITH_ROWID: readonly TableName[] = [
  'agentSpells',
  'aliases',
  'approvalTokens',
  'billingEvents',
  'bonds',
  'canaries',
  'capturedMail',
  'checkouts',
  'domains',
  'idempotency',
  'sessions',
  'signIns',
  'smtpCredentials',
  'subscriptions',
  'templateVersions',
]

/**
 * Adds what drizzle-kit cannot write: WITHOUT ROWID, and the fences that keep an erased tenant erased. The fence of a new
 * table goes into the newest file. Complete migrations come back unchanged.
 */
export function complete(migrations: Migration[]): Migration[] {
  const missing = fences().filter((fence) => !migrations.some(({ sql }) => sql.includes(fence)))
  return migrations.map(({ name, sql }, position) => {
    const isNewest = position === migrations.length - 1
    const statements = isNewest ? missing.map((fence) => `\n--> statement-breakpoint\n${fence}`) : []
    return { name, sql: `${withoutRowid(sql).trimEnd()}${statements.join('')}\n` }
  })
}

/**
 * One trigger for each table that an erasure empties. It ignores new rows of a tenant that is being erased or already is.
 * Each trigger is one line, because `d1 migrations apply --remote` was reported to cut others at their first semicolon.
 */
export function fences(): string[] {
  return TENANT_TABLES.flatMap(({ name, table, rule, tenantId }) => {
    if (rule.isKept || tenantId === null) return []
    const sqlName = getTableName(table)
    const column = name === 'tenants' ? 'id' : 'tenant_id'
    return (
      `CREATE TRIGGER \`${sqlName}_fenced\` BEFORE INSERT ON \`${sqlName}\` ` +
      `WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.${column}) BEGIN SELECT RAISE(IGNORE); END;`
    )
  })
}

function withoutRowid(sql: string): string {
  const kept = TENANT_TABLES.filter(({ name }) => WITH_ROWID.includes(name)).map(({ table }) =>
    getTableName(table),
  )
  // Where drizzle-kit rebuilds a table, it gives the new one the prefix `__new_` until the old one is dropped.
  return sql.replace(/^(CREATE TABLE `(?:__new_)?(\w+)` \((?:\n\t.*)*\n\));$/gm, (statement, table, name) =>
    kept.includes(name) ? statement : `${table} WITHOUT ROWID;`,
  )
}

const FOLDER = join(import.meta.dirname, '../../../../migrations')

/** The migrations of this repository, in order. */
export function readMigrations(): Migration[] {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith('.sql'))
  return names.sort().map((name) => ({ name, sql: readFileSync(join(FOLDER, name), 'utf8') }))
}

// This is `npm run migrate -- --name <name of the new migration>`.
if (import.meta.main) {
  execFileSync('drizzle-kit', ['generate', ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const { name, sql } of complete(readMigrations())) writeFileSync(join(FOLDER, name), sql)
}
