import init from '../../../migrations/0000_init.sql'
import appendOnlyTraces from '../../../migrations/0001_append_only_traces.sql'
import coordination from '../../../migrations/0002_coordination.sql'
import batches from '../../../migrations/0003_batches.sql'
import humanizer from '../../../migrations/0004_humanizer.sql'
import inboundIntent from '../../../migrations/0005_inbound_intent.sql'
import inbox from '../../../migrations/0006_inbox.sql'
import events from '../../../migrations/0007_events.sql'
import webhookClaims from '../../../migrations/0008_webhook_claims.sql'
import billing from '../../../migrations/0009_billing.sql'
import audit from '../../../migrations/0010_audit.sql'
import smtpCredentials from '../../../migrations/0011_smtp_credentials.sql'
import dlp from '../../../migrations/0012_dlp.sql'
import portal from '../../../migrations/0013_portal.sql'
import domains from '../../../migrations/0014_domains.sql'
import compliance from '../../../migrations/0015_compliance.sql'
import agentSpells from '../../../migrations/0016_agent_spells.sql'
import observability from '../../../migrations/0017_observability.sql'
import eventsWaiting from '../../../migrations/0018_events_waiting.sql'
import webhookWaiting from '../../../migrations/0019_webhook_waiting.sql'
import appendOnlyRows from '../../../migrations/0020_append_only_rows.sql'
import bondPages from '../../../migrations/0021_bond_pages.sql'
import webhookSecrets from '../../../migrations/0022_webhook_secrets.sql'
import type { Env } from '../../env.ts'

const MIGRATIONS: [name: string, sql: string][] = [
  ['0000_init.sql', init],
  ['0001_append_only_traces.sql', appendOnlyTraces],
  ['0002_coordination.sql', coordination],
  ['0003_batches.sql', batches],
  ['0004_humanizer.sql', humanizer],
  ['0005_inbound_intent.sql', inboundIntent],
  ['0006_inbox.sql', inbox],
  ['0007_events.sql', events],
  ['0008_webhook_claims.sql', webhookClaims],
  ['0009_billing.sql', billing],
  ['0010_audit.sql', audit],
  ['0011_smtp_credentials.sql', smtpCredentials],
  ['0012_dlp.sql', dlp],
  ['0013_portal.sql', portal],
  ['0014_domains.sql', domains],
  ['0015_compliance.sql', compliance],
  ['0016_agent_spells.sql', agentSpells],
  ['0017_observability.sql', observability],
  ['0018_events_waiting.sql', eventsWaiting],
  ['0019_webhook_waiting.sql', webhookWaiting],
  ['0020_append_only_rows.sql', appendOnlyRows],
  ['0021_bond_pages.sql', bondPages],
  ['0022_webhook_secrets.sql', webhookSecrets],
]

/** Whether the database has every migration that this Worker was built with. */
export async function isMigrated({ DB }: Env): Promise<boolean> {
  const { results } = await DB.prepare('SELECT name FROM d1_migrations').all<{ name: string }>()
  const applied = new Set(results.map(({ name }) => name))
  return MIGRATIONS.every(([name]) => applied.has(name))
}

/**
 * Brings the local database to the newest schema, keeping the same book as `wrangler d1 migrations apply`, so that plain
 * `wrangler dev` works on an empty folder. Deployed databases are migrated by wrangler alone.
 */
export async function migrateLocally({ DB }: Env): Promise<void> {
  await DB.prepare(
    `CREATE TABLE IF NOT EXISTS d1_migrations (
      id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`,
  ).run()
  const { results } = await DB.prepare('SELECT name FROM d1_migrations').all<{ name: string }>()
  const applied = new Set(results.map((row) => row.name))
  for (const [name, sql] of MIGRATIONS) {
    if (applied.has(name)) continue
    const statements = sql.split('--> statement-breakpoint').map((statement) => statement.trim())
    await DB.batch([
      ...statements.filter((statement) => statement !== '').map((statement) => DB.prepare(statement)),
      DB.prepare('INSERT INTO d1_migrations (name) VALUES (?)').bind(name),
    ])
  }
}
