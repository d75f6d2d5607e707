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

/** Files that may prepare statements themselves, each for its reason. */
const MAY_PREPARE = [
  // The migrations are text of their own, applied here in local development only.
  'src/core/ground/migrations.ts',
  // `statement` and `prepared`, through which everybody else goes.
  'src/core/ground/ctx.ts',
  'src/core/ground/sql.ts',
]

/** Files that are still to be changed to `statement`. A file that is changed goes from this list. */
const NOT_YET: string[] = [
  'src/core/governance/audit/link.ts',
  'src/core/governance/audit/sweep.ts',
  'src/core/governance/compliance/erasing.ts',
  'src/core/governance/dlp-findings.ts',
  'src/core/overview/metrics/read.ts',
  'src/core/overview/readiness.ts',
  'src/core/payments/billing/standing.ts',
  'src/core/payments/bonds/bond.ts',
  'src/core/payments/bonds/change.ts',
  'src/core/sending/compose.ts',
  'src/core/sending/smtp/submit.ts',
]

test('SQL as text goes through `statement`', () => {
  const known = [...MAY_PREPARE, ...NOT_YET]
  expect(filesWith(/\.prepare\(/).filter((file) => !known.includes(file))).toEqual([])
})

test('only the journal writes traces, events and audit entries', () => {
  const asText = /INSERT INTO (?:traces|events|audit_entries|audit_details)\b/i
  const asBuilder = /\.insert\((?:traces|events|auditEntries|auditDetails)\)/
  const writers = [...filesWith(asText), ...filesWith(asBuilder)]
  expect(writers.filter((file) => !file.startsWith('src/core/journal/'))).toEqual([])
  expect(writers).not.toEqual([])
})
