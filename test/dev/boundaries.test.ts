import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ROOT, runProgram } from '../support/program.ts'

/** A folder, a module that its files must not import, and a part of the linter's message. */
const FORBIDDEN = [
  ['src/core/ground', 'hono', 'The core knows nothing of HTTP'],
  ['src/core/ground', '../../surfaces/http.ts', 'The core knows nothing of HTTP'],
  ['src/core/ground', '../sending/request.ts', 'A room of core imports rooms above it: ground'],
  ['src/core/mail/search', '../../publishing/publish.ts', 'A room of core imports rooms above it: mail'],
  ['src/schema', '../core/ground/ids.ts', 'The schema imports nothing else of ours'],
  ['src/carriers', '../core/delivery/lock.ts', 'import their own files'],
  ['src/surfaces/molted', 'drizzle-orm', 'A surface translates HTTP'],
  ['src/surfaces/molted', '../../schema/sending.ts', 'A surface translates HTTP'],
  [
    'src/surfaces/molted',
    '../mailmolt/index.ts',
    'A surface translates HTTP|One surface does not lean on another',
  ],
  ['src/surfaces/portal/mail', '../../molted/index.ts', 'One surface does not lean on another'],
  ['src/objects', '../schema/sending.ts', 'An object is small and synchronous'],
  ['src/queue', '../surfaces/http.ts', 'A consumer calls core and carriers'],
  ['src/queue', '../schema/sending.ts', 'A consumer calls core and carriers'],
  ['src/queue', 'drizzle-orm', 'A consumer calls core and carriers'],
  ['src/core/delivery', '../../carriers/index.ts', 'The core knows nothing of HTTP, queues or carriers'],
  ['src/carriers', '../core/ground/ids.ts', 'import their own files'],
  ['test/contract/molted', '../../../src/index.ts', 'A contract test is a black box'],
] as const

/** A folder, and a module that its files may import. */
const ALLOWED = [
  ['src/core/mail', '../../schema/sending.ts'],
  ['src/core/mail', '../letters/message/build.ts'],
  ['src/carriers', '../core/delivery/carrier.ts'],
  ['src/surfaces/molted', '../../core/sending/request.ts'],
  ['src/surfaces/molted', '../http.ts'],
  ['src/surfaces/portal/mail', '../../../core/mail/folder.ts'],
  ['src/queue', '../carriers/index.ts'],
  ['src/queue', '../core/delivery/deliver.ts'],
  ['src/carriers', './capability.ts'],
  ['test/contract/molted', '../../support/tenant.ts'],
] as const

/** One file for each case. Each does nothing but import its module. */
const probes = [...FORBIDDEN, ...ALLOWED].map(([folder, module], index) => ({
  path: join(folder, `boundary-probe-${index}-${crypto.randomUUID()}.ts`),
  folder,
  module,
}))

type Finding = { category: string; message: string; location: { path: string } }
let findings: Finding[] = []

beforeAll(async () => {
  await Promise.all(
    probes.map(({ path, module }) =>
      writeFile(join(ROOT, path), `import * as imported from '${module}'\n\nexport const probe = imported\n`),
    ),
  )
  const files = probes.map(({ path }) => path)
  // One run for all, because each start of the linter reads the whole project.
  const { output } = await runProgram(
    'node_modules/.bin/biome',
    ['check', '--reporter=json', '--max-diagnostics=none', ...files],
    { mayFail: true },
  )
  findings = JSON.parse(/^\{.*\}$/m.exec(output)?.[0] ?? '').diagnostics
})

afterAll(async () => {
  await Promise.all(probes.map(({ path }) => rm(join(ROOT, path), { force: true })))
})

test.for(FORBIDDEN)('biome refuses a file of %s that imports %s', ([folder, module, message]) => {
  const found = findingsOf(folder, module)
  expect(found.map(({ category }) => category)).toContain('lint/style/noRestrictedImports')
  expect(found.map((each) => each.message).join(' ')).toMatch(new RegExp(message))
})

test.for(ALLOWED)('biome lets a file of %s import %s', ([folder, module]) => {
  expect(findingsOf(folder, module)).toEqual([])
})

function findingsOf(folder: string, module: string): Finding[] {
  const probe = probes.find((each) => each.folder === folder && each.module === module)
  if (!probe) throw new Error(`there is no probe for ${module} in ${folder}`)
  return findings.filter(({ location }) => location.path === probe.path)
}
