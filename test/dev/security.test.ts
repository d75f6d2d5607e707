import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { securityPage } from '../support/laxer-table.ts'
import { ROOT } from '../support/program.ts'

const PAGE = join(ROOT, 'docs/security.md')

test('docs/security.md says of each setting what src/core/policy/laxer.ts says', async () => {
  const committed = await readFile(PAGE, 'utf8')
  expect(committed, 'write it with: node test/support/laxer-table.ts').toBe(await securityPage())
  expect(committed.match(/^\| .+ \| an owner, or a key with `loosen` +\|$/gm)?.length).toBeGreaterThan(25)
})

test('every line of attacks has its promise in docs/security.md', async () => {
  const files = await readdir(join(ROOT, 'bench/prove/attacks'))
  const lines = [...new Set(files.flatMap((name) => /^a(\d+)-/.exec(name)?.[1] ?? []))]
  expect(lines.length).toBeGreaterThan(5)
  const page = await readFile(PAGE, 'utf8')
  expect(lines.filter((line) => !page.includes(`\n| A${line} `))).toEqual([])
})
