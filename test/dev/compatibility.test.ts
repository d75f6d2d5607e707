import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { compatibilityPage } from '../support/compatibility.ts'
import { ROOT } from '../support/program.ts'
import { PUBLISHED } from '../support/published.ts'

test('docs/compatibility.md names for each published operation the tests that call it', async () => {
  expect(PUBLISHED.map(({ operations }) => operations.length)).toEqual([2, 11, 4, 9, 43])
  const committed = await readFile(join(ROOT, 'docs/compatibility.md'), 'utf8')
  expect(committed, 'write it with: node test/support/compatibility.ts').toBe(await compatibilityPage())
})
