import { type Env, settings } from '../../env.ts'
import { tellFailure } from '../ground/log.ts'
import { isMigrated } from '../ground/migrations.ts'
import { statement } from '../ground/sql.ts'

export type Check = { name: 'settings' | 'database' | 'schema' | 'carriers'; ok: boolean }

const readAnything = statement('SELECT 1 FROM tenants LIMIT 1')

/**
 * Whether this Worker can do its work: the settings are valid, the database answers and has the newest schema, and every
 * chosen carrier is fully configured. Names the checks that failed; only the log says why they failed.
 */
export async function readiness(env: Env, carriersOf: (env: Env) => unknown): Promise<Check[]> {
  const checks: [Check['name'], () => unknown][] = [
    ['settings', () => settings(env)],
    ['database', async () => await readAnything.first(env, {})],
    ['schema', async () => await mustBeMigrated(env)],
    ['carriers', () => carriersOf(env)],
  ]
  return await Promise.all(
    checks.map(async ([name, look]): Promise<Check> => {
      try {
        await look()
        return { name, ok: true }
      } catch (error) {
        tellFailure('not_ready', error, { job: name })
        return { name, ok: false }
      }
    }),
  )
}

async function mustBeMigrated(env: Env): Promise<void> {
  if (!(await isMigrated(env))) throw new Error('the database lacks a migration')
}
