import { readFile } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT, runProgram } from '../support/program.ts'

/** Files whose exports are for programs outside the repository, or are written as text into a declaration file. */
const PUBLIC = ['src/index.ts', 'src/client/connect.ts', 'src/client/types.ts', 'src/build.ts']

const EXPORT = /^export (?:declare )?(?:async )?(?:function\*?|const|let|class|type|interface|enum) (\w+)/gm
const NAMED = /\b(?:import|export)(?: type)?\s+(?:\w+,\s*)?\{([^}]*)\}\s*from\s*'(\.[^']+)'/g
const WHOLE = /\*(?: as \w+)? from '(\.[^']+)'|\bimport\('(\.[^']+)'\)/g

test('every export of src is imported by another file', async () => {
  const texts = await sources()
  const imported = importedNames(texts)
  const unused = [...texts].flatMap(([file, text]) =>
    file.startsWith('src/') && !PUBLIC.includes(file)
      ? exportsOf(text)
          .filter((name) => !imported.has(`${file} ${name}`) && !imported.has(`${file} *`))
          .map((name) => `${file}: ${name}`)
      : [],
  )
  expect(unused).toEqual([])
})

test('an export that nobody imports is found', () => {
  const texts = new Map([
    ['src/a.ts', 'export const used = 1\nexport type Unused = string\n'],
    ['src/b.ts', "import { used } from './a.ts'\n"],
  ])
  expect(exportsOf(texts.get('src/a.ts') ?? '')).toEqual(['used', 'Unused'])
  expect([...importedNames(texts)]).toEqual(['src/a.ts used'])
})

/** The text of each TypeScript file of the repository, by path. */
async function sources(): Promise<Map<string, string>> {
  const { output } = await runProgram('git', ['ls-files', '--cached', '--others', '--exclude-standard'])
  // The test of the linter writes probe files and removes them again.
  const files = output.split('\n').filter((file) => /\.tsx?$/.test(file) && !file.includes('boundary-probe'))
  const read = async (file: string): Promise<[string, string]> => [
    file,
    await readFile(join(ROOT, file), 'utf8').catch(() => ''),
  ]
  return new Map(await Promise.all(files.map(read)))
}

function exportsOf(text: string): string[] {
  return [...text.matchAll(EXPORT)].map(([, name = '']) => name)
}

/** `file name` for each name that some file imports, and `file *` if a file imports the whole module. */
function importedNames(texts: Map<string, string>): Set<string> {
  const names = new Set<string>()
  for (const [file, text] of texts) {
    const target = (path: string) => posix.normalize(posix.join(posix.dirname(file), path))
    for (const [, list = '', path = ''] of text.matchAll(NAMED)) {
      for (const item of list.split(',')) {
        const name =
          item
            .trim()
            .replace(/^type /, '')
            .split(' as ')[0] ?? ''
        if (name !== '') names.add(`${target(path)} ${name}`)
      }
    }
    for (const [, all, dynamic] of text.matchAll(WHOLE)) names.add(`${target(all ?? dynamic ?? '')} *`)
  }
  return names
}
