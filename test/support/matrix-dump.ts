import { listDurableObjectIds, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { eventually } from './tenant.ts'

type Row = Record<string, unknown>

/** Tables without a tenant: of the test harness, of people, of the capture carrier, and the counts over all tenants. */
const NOT_OF_A_TENANT = ['d1_migrations', 'captured_mail', 'sign_ins', 'sessions', 'counts']

/** A time that no test reaches. A row that expires then is not deleted during a test. */
const NEVER_MS = 4_000_000_000_000

/** A row in this table would mean that the tenant is being erased. */
export const NEVER_SEEDED = ['erasures']
/** The heads of the audit logs. They are written when the entries are chained. */
const WRITTEN_LATER = ['audit_heads']

/** The tables of the database with their columns, without the full-text index: it has only row numbers of `search_entries`. */
export async function tables(): Promise<Map<string, string[]>> {
  const { results } = await env.DB.prepare(
    `SELECT t.name AS tbl, c.name AS col FROM sqlite_master t JOIN pragma_table_info(t.name) c
     WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name NOT LIKE '\\_cf%' ESCAPE '\\'
       AND t.name NOT LIKE 'search\\_fts%' ESCAPE '\\' ORDER BY t.name, c.cid`,
  ).all<{ tbl: string; col: string }>()
  const found = new Map<string, string[]>()
  for (const { tbl, col } of results) found.set(tbl, [...(found.get(tbl) ?? []), col])
  return found
}

/** A text with everything that is stored: all rows, the keys in R2, and the storage of all rate windows. */
export async function dumpEverything(): Promise<string> {
  const parts: string[] = []
  for (const [table, columns] of await tables()) {
    const { results } = await env.DB.prepare(
      `SELECT * FROM ${table} ORDER BY ${columns.join(', ')}`,
    ).all<Row>()
    parts.push(`${table}\n${results.map((row) => JSON.stringify(row)).join('\n')}`)
  }
  const { objects } = await env.MAIL.list()
  parts.push(`R2\n${objects.map(({ key, etag }) => `${key} ${etag}`).join('\n')}`)
  for (const id of await listDurableObjectIds(env.RATE_WINDOW)) {
    const stored = await runInDurableObject(env.RATE_WINDOW.get(id), (_, { storage }) =>
      ['usage', 'cooldowns', 'reservations'].map((table) => [
        table,
        storage.sql.exec(`SELECT * FROM ${table}`).toArray(),
      ]),
    )
    parts.push(`window ${id}\n${JSON.stringify(stored)}`)
  }
  return parts.join('\n\n')
}

/** The lines in which two dumps differ, at most 20. Empty if the dumps are equal. */
export function differences(before: string, after: string): string[] {
  if (before === after) return []
  const [old, now] = [before.split('\n'), after.split('\n')]
  const gone = old.filter((line) => !now.includes(line)).map((line) => `- ${line.slice(0, 300)}`)
  const come = now.filter((line) => !old.includes(line)).map((line) => `+ ${line.slice(0, 300)}`)
  return gone.length + come.length === 0 ? ['the order of the rows'] : [...gone, ...come].slice(0, 20)
}

/** How long to wait until a busy machine has answered the many bells of these tests, in seconds. */
const QUIET_WITHIN_S = 60

/**
 * Waits until no send or event is under way and all audit logs are chained. Any later change is then made by the test. Tenants
 * that are being erased are left out.
 */
export async function quiet(): Promise<void> {
  let asked = 0
  await eventually(async () => {
    const { results } = await env.DB.prepare(
      'SELECT DISTINCT tenant_id FROM audit_entries WHERE hash IS NULL',
    ).all<{ tenant_id: string }>()
    // Not in each round, because bells that are not answered yet would pile up.
    if (asked++ % 100 === 0)
      for (const row of results) await env.JOBS.send({ tenantId: row.tenant_id, audit: true })
    const row = await env.DB.prepare(
      `SELECT (SELECT count(*) FROM events WHERE next_at IS NOT NULL AND tenant_id NOT IN (SELECT tenant_id FROM erasures))
         + count(*) AS busy FROM sends WHERE tenant_id NOT IN (SELECT tenant_id FROM erasures)
         AND (state IN ('judging', 'queued', 'rendering', 'ready', 'claimed', 'in_flight')
           OR (state = 'pending_approval' AND rendered_key IS NULL))`,
    ).first<{ busy: number }>()
    return row?.busy === 0 && results.length === 0 ? true : undefined
  }, QUIET_WITHIN_S)
  // Otherwise the notices about held sends would go out during a later test.
  await env.DB.prepare('UPDATE approvals SET notice_at = NULL WHERE notice_at IS NOT NULL').run()
}

/** Every row of one tenant, by table. A table without a tenant must be listed in `NOT_OF_A_TENANT`. */
export async function dumpTenant(tenantId: string): Promise<Map<string, Row[]>> {
  const asked = [...(await tables())].filter(([table]) => !NOT_OF_A_TENANT.includes(table))
  const found = await env.DB.batch<Row>(
    asked.map(([table, columns]) => {
      const column = table === 'tenants' ? 'id' : 'tenant_id'
      if (!columns.includes(column))
        throw new Error(`table ${table} has no column ${column}, and NOT_OF_A_TENANT does not list it`)
      return env.DB.prepare(
        `SELECT * FROM ${table} WHERE ${column} = ?1 ORDER BY ${columns.join(', ')}`,
      ).bind(tenantId)
    }),
  )
  return new Map(asked.map(([table], at) => [table, found[at]?.results ?? []]))
}

/** Adds a row to each table in which the tenant has none. Required text columns get `word`, required numbers get 1. */
export async function fillEmptyTables(tenantId: string, word: string): Promise<void> {
  const empty = [...(await dumpTenant(tenantId))].filter(
    ([table, rows]) => rows.length === 0 && ![...NEVER_SEEDED, ...WRITTEN_LATER].includes(table),
  )
  if (empty.length === 0) return
  const columns = await env.DB.batch<{ name: string; type: string; must: number }>(
    empty.map(([table]) =>
      env.DB.prepare(`SELECT name, type, "notnull" AS must FROM pragma_table_info(?1)`).bind(table),
    ),
  )
  await env.DB.batch(
    empty.map(([table], at) => {
      const given = columns[at]?.results.filter(({ must }) => must === 1) ?? []
      const values = given.map(({ name, type }) =>
        name === 'tenant_id' ? tenantId : /text/i.test(type) ? word : name === 'expires_at' ? NEVER_MS : 1,
      )
      const marks = values.map((_, position) => `?${position + 1}`)
      return env.DB.prepare(
        `INSERT INTO ${table} (${given.map(({ name }) => name).join(', ')}) VALUES (${marks.join(', ')})`,
      ).bind(...values)
    }),
  )
}

/** Runs one SQL statement, to set something that no route can set. */
export async function sql(statement: string, ...binds: unknown[]): Promise<void> {
  await env.DB.prepare(statement)
    .bind(...binds)
    .run()
}
