import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT, runProgram } from '../support/program.ts'

test.for([
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
] as const)('biome refuses a file of %s that imports %s', async ([folder, forbidden, message]) => {
  const refused = await check(folder, forbidden)
  expect(refused.output).toContain('noRestrictedImports')
  expect(refused.output.replace(/\s+/g, ' ')).toMatch(new RegExp(message))
  expect(refused.code).toBe(1)
})

test.for([
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
] as const)('biome lets a file of %s import %s', async ([folder, allowed]) => {
  expect(await check(folder, allowed)).toMatchObject({ code: 0 })
})

/** Checks a file in this folder that does nothing but import this module, and removes it again. */
async function check(folder: string, module: string) {
  const path = join(folder, `boundary-probe-${crypto.randomUUID()}.ts`)
  await writeFile(
    join(ROOT, path),
    `import * as imported from '${module}'\n\nexport const probe = imported\n`,
  )
  try {
    return await runProgram('node_modules/.bin/biome', ['check', path], { mayFail: true })
  } finally {
    await rm(join(ROOT, path), { force: true })
  }
}
