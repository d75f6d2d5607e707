import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { importsOfSource, problemsOf, ROOMS } from '../support/imports.ts'

test('files of core lie in rooms, rooms import only rooms above them, and no files import each other', async () => {
  const imports = await importsOfSource()
  expect(imports.size).toBeGreaterThan(300)
  expect(problemsOf(imports)).toEqual([])
})

test.for([
  ['src/core/ground/ids.ts', 'src/core/sending/request.ts', 'downward: '],
  ['src/core/ground/fault.ts', 'src/core/ground/ctx.ts', 'circle: '],
  ['src/core/loose.ts', 'src/core/ground/ids.ts', 'loose: src/core/loose.ts'],
  ['src/core/helpers/text.ts', 'src/core/ground/ids.ts', 'no room of the list: src/core/helpers/text.ts'],
] as const)('one bad import is found: %s imports %s', async ([file, target, problem]) => {
  const imports = await importsOfSource()
  const changed = new Map(imports).set(file, [...(imports.get(file) ?? []), target])
  expect(problemsOf(changed).join('\n')).toContain(problem)
})

test('the linter knows the same order of rooms', async () => {
  const { overrides } = JSON.parse(await readFile('biome.json', 'utf8')) as {
    overrides: { includes: string[]; linter?: unknown }[]
  }
  for (const [position, room] of ROOMS.entries()) {
    const rule = overrides.findLast(({ includes }) => includes.includes(`src/core/${room}/**`))
    const forbidden = [...JSON.stringify(rule ?? {}).matchAll(/"\*\*\/(\w+)\/\*\*"/g)].map(([, name]) => name)
    const below = ROOMS.slice(position + 1)
    expect({ room, forbidden: forbidden.filter((name) => ROOMS.includes(name ?? '')) }).toEqual({
      room,
      forbidden: below,
    })
  }
})
