import { readdir, readFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { getTableConfig } from 'drizzle-orm/sqlite-core'
import { expect, test } from 'vitest'
import { complete, fences, readMigrations } from '../../src/core/governance/compliance/migrations.ts'
import { TENANT_TABLES } from '../../src/core/governance/compliance/tables.ts'

test('the migrations are complete: npm run migrate would not change them', () => {
  const migrations = readMigrations()
  expect(complete(migrations)).toEqual(migrations)
  const written = migrations.flatMap(({ sql }) => sql.match(/^CREATE TRIGGER `\w+_fenced`.*$/gm) ?? [])
  expect(written.sort()).toEqual(fences().sort())
})

test('a new table is WITHOUT ROWID and gets its fence in the newest migration', () => {
  const fence = fences().find((each) => each.includes('`agents_fenced`')) ?? ''
  const withoutFence = readMigrations().map((each) => ({ ...each, sql: each.sql.replace(fence, '') }))
  const created = 'CREATE TABLE `__new_agents` (\n\t`id` text\n);\n'
  const completed = complete([...withoutFence, { name: '9999_newest.sql', sql: created }])
  expect(completed.at(-1)?.sql).toBe(
    `CREATE TABLE \`__new_agents\` (\n\t\`id\` text\n) WITHOUT ROWID;\n--> statement-breakpoint\n${fence}\n`,
  )
})

test('the newest snapshot has every table, column and index of the schema: npm run migrate would add nothing else', async () => {
  const names = (await readdir('migrations/meta')).filter((name) => name.endsWith('_snapshot.json')).sort()
  const newest: { tables: Record<string, { columns: object; indexes: object }> } = JSON.parse(
    await readFile(`migrations/meta/${names.at(-1)}`, 'utf8'),
  )
  const snapshot = Object.entries(newest.tables).map(([name, { columns, indexes }]) =>
    [name, ...Object.keys(columns).sort(), ...Object.keys(indexes).sort()].join(' '),
  )
  const schema = TENANT_TABLES.map(({ table }) => {
    const { name, columns, indexes } = getTableConfig(table)
    const columnNames = columns.map((each) =>
      each.name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    )
    return [name, ...columnNames.sort(), ...indexes.map((index) => index.config.name).sort()].join(' ')
  })
  expect(snapshot.sort()).toEqual(schema.sort())
})

test('the Worker applies the same migrations as wrangler', async () => {
  const source = await readFile('src/core/ground/migrations.ts', 'utf8')
  const imported = Array.from(source.matchAll(/from '[./]+\/migrations\/(\w+\.sql)'/g), ([, name]) => name)
  expect(imported).toEqual(readMigrations().map(({ name }) => name))
})

test('a splitter that cuts at each semicolon at the end of a line makes the same database', () => {
  const whole = schemaOf(readMigrations().map(({ sql }) => sql))
  const pieces = readMigrations().flatMap(({ sql }) => sql.split(/(?<=;)[^\S\n]*\r?\n/))
  expect(pieces.length).toBeGreaterThan(100)
  expect(schemaOf(pieces)).toEqual(whole)
})

test.each(['\n', '\r\n', '\r'])(
  'every trigger is one line, and a line break %j in one is found',
  (lineBreak) => {
    const scripts = readMigrations().map(({ sql }) => sql)
    expect(triggersWithLineBreak(scripts)).toEqual([])
    const broken = scripts.map((sql) =>
      sql.replace('`sends_fenced` BEFORE', `\`sends_fenced\`${lineBreak}BEFORE`),
    )
    expect(triggersWithLineBreak(broken)).toEqual(['sends_fenced'])
  },
)

function triggersWithLineBreak(scripts: string[]) {
  const triggers = schemaOf(scripts).filter(({ type }) => type === 'trigger')
  expect(triggers.length).toBeGreaterThan(50)
  return triggers.filter(({ sql }) => /[\r\n]/.test(String(sql))).map(({ name }) => name)
}

/** Everything that the scripts make of an empty database. */
function schemaOf(scripts: string[]) {
  const database = new DatabaseSync(':memory:')
  for (const script of scripts) database.exec(script)
  return database.prepare('SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name').all()
}
