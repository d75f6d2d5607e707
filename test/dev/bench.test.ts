import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Kind, PROGRAMS } from '../../bench/programs.ts'
import { ROOT, runProgram } from '../support/program.ts'

const KINDS: Kind[] = ['prove', 'eval']
const run = (...args: string[]) => runProgram('node', ['bench/run.ts', ...args], { mayFail: true })

test('every program of prove and eval is listed with what it shows, and an unknown name exits with 2', async () => {
  for (const kind of KINDS) {
    const [listed, help, unknown] = await Promise.all([run(kind), run(kind, '--help'), run(kind, 'nothing')])
    expect([listed.code, help.code, unknown.code]).toEqual([0, 0, 2])
    expect(help.output).toBe(listed.output)
    expect(unknown.output).toContain(listed.output.trim())
    for (const { name, does } of PROGRAMS[kind]) {
      expect(listed.output).toContain(`  ${name} `)
      expect(listed.output).toContain(does)
    }
  }
})

test('a program gets the arguments behind its name, and its exit code is passed on', async () => {
  const passed = await run('prove', 'leases', 'no-such-file.json')
  expect(passed).toMatchObject({ code: 2, output: expect.stringContaining('no-such-file.json') })
  expect(await run('eval', 'intent', '--help')).toMatchObject({
    code: 0,
    output: expect.stringContaining('Usage: npm run eval -- intent'),
  })
})

test('every program has a file, and the pages name only programs that exist', async () => {
  for (const kind of KINDS) {
    const files = await readdir(join(ROOT, 'bench', kind))
    for (const { name } of PROGRAMS[kind]) expect(files).toContain(`${name}.ts`)
  }
  const pages = [
    'README.md',
    ...(await readdir(join(ROOT, 'docs')))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`),
  ]
  for (const page of pages) {
    const text = await readFile(join(ROOT, page), 'utf8')
    const named = [...text.matchAll(/npm run (prove|eval) -- (\w[\w-]*)/g)].map((found) => found.slice(1))
    const known = KINDS.flatMap((kind) => PROGRAMS[kind].map(({ name }) => `${kind} ${name}`))
    expect([page, named.map((pair) => pair.join(' ')).filter((each) => !known.includes(each))]).toEqual([
      page,
      [],
    ])
  }
})
