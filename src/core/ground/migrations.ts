import init from '../../../migrations/0000_init.sql'
import searchAndTriggers from '../../../migrations/0001_search_and_triggers.sql'
import type { Env } from '../../env.ts'
import { statement } from './sql.ts'

const MIGRATIONS: [name: string, sql: string][] = [
  ['0000_init.sql', init],
  ['0001_search_and_triggers.sql', searchAndTriggers],
]

/** The book that `wrangler d1 migrations apply` keeps. */
const createBook = statement(
  `CREATE TABLE IF NOT EXISTS d1_migrations (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`,
)
const readBook = statement<{ name: string }>('SELECT name FROM d1_migrations')
const addToBook = statement('INSERT INTO d1_migrations (name) VALUES (:name)')

/** Whether the database has every migration that this Worker was built with. */
export async function isMigrated(env: Env): Promise<boolean> {
  const applied = await appliedMigrations(env)
  return MIGRATIONS.every(([name]) => applied.has(name))
}

/**
 * Brings the local database to the newest schema, so that plain `wrangler dev` works on an empty folder. Deployed databases
 * are migrated by `wrangler d1 migrations apply` alone.
 */
export async function migrateLocally(env: Env): Promise<void> {
  await createBook.run(env, {})
  const applied = await appliedMigrations(env)
  for (const [name, sql] of MIGRATIONS) {
    if (applied.has(name)) continue
    const texts = sql.split('--> statement-breakpoint').map((text) => text.trim())
    await env.DB.batch([
      // A migration's own text, which holds colons that are no parameters.
      ...texts.filter((text) => text !== '').map((text) => env.DB.prepare(text)),
      addToBook.bind(env, { name }),
    ])
  }
}

async function appliedMigrations(env: Env): Promise<Set<string>> {
  return new Set((await readBook.all(env, {})).map(({ name }) => name))
}
