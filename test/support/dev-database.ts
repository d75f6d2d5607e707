import { globSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** The database of a development server that runs on this folder of state, to move its plans forward in time. */
export function devDatabase(state: string): DatabaseSync {
  const [file] = globSync(join(state, 'v3/d1/**/*.sqlite')).filter((path) => !path.includes('metadata'))
  if (!file) throw new Error('the database of the development server is nowhere to be found')
  return new DatabaseSync(file, { timeout: 5_000 })
}
