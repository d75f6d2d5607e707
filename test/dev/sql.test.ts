import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const SOURCES = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.tsx?$/.test(name))
  .map((name) => ({ file: join('src', name), text: readFileSync(join('src', name), 'utf8') }))

const filesWith = (pattern: RegExp) =>
  SOURCES.filter(({ text }) => pattern.test(text))
    .map(({ file }) => file)
    .sort()

/** The only files that prepare statements themselves. */
const MAY_PREPARE = [
  // `prepared` turns a query of the builder into a statement of D1.
  'src/core/ground/ctx.ts',
  // Applies the migrations in local development. They are plain text without parameters.
  'src/core/ground/migrations.ts',
  // `statement` itself.
  'src/core/ground/sql.ts',
]

test('SQL as text goes through `statement`', () => {
  expect(filesWith(/\.prepare\(/)).toEqual(MAY_PREPARE)
})

test('only the journal writes traces, events and audit entries', () => {
  const asText = /INSERT INTO (?:traces|events|audit_entries|audit_details)\b/i
  const asBuilder = /\.insert\((?:traces|events|auditEntries|auditDetails)\)/
  const writers = [...filesWith(asText), ...filesWith(asBuilder)]
  expect(writers.filter((file) => !file.startsWith('src/core/journal/'))).toEqual([])
  expect(writers).not.toEqual([])
})
