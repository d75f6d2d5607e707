import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { argv } from 'node:process'
import { pathToFileURL } from 'node:url'
import { PUBLISHED } from './published.ts'

const ROOT = join(import.meta.dirname, '../..')
const CLIENT_METHODS: Record<string, string> = {
  GET: 'get',
  POST: 'post',
  PUT: 'put',
  PATCH: 'patch',
  DELETE: 'del',
}

/** The page docs/compatibility.md, with the contract tests that call each published operation. */
export async function compatibilityPage(): Promise<string> {
  const written = await readFile(join(ROOT, 'docs/compatibility.md'), 'utf8').catch(() => '')
  const [byHand = ''] = written.split(MARK)
  const tests = await contractTests()
  const tables = PUBLISHED.map(({ title, surface, operations }) => {
    const rows = operations.map(({ operation, note = '' }) => {
      const files = testsThatCall(tests, operation, surface)
      if (files.length === 0) throw new Error(`no test calls ${operation}`)
      return `| \`${operation}\` | ${note} | ${files.map((file) => `\`${file}\``).join(', ')} |`
    })
    return `### ${title}\n\n| operation | what we add | tests |\n| --- | --- | --- |\n${rows.join('\n')}\n`
  })
  return `${byHand.trimEnd()}\n\n${MARK}\n\n${tables.join('\n')}`
}

const MARK = '<!-- Below this line the page is written by `node test/support/compatibility.ts`. -->'

async function contractTests(): Promise<Map<string, string>> {
  const names = await readdir(join(ROOT, 'test'), { recursive: true })
  const files = names.filter((name) => name.endsWith('.test.ts')).map((name) => `test/${name}`)
  const read = files.sort().map(async (file): Promise<[string, string]> => {
    return [file, await readFile(join(ROOT, file), 'utf8')]
  })
  return new Map(await Promise.all(read))
}

/** At most two test files that call the operation by its path, those of its own surface first. */
function testsThatCall(tests: Map<string, string>, operation: string, surface: string): string[] {
  const [method = '', path = ''] = operation.split(' ')
  const literal = path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '(?:\\$\\{[^}]+\\}|[\\w.%@-]+)')
  const call = `(?:\\.${CLIENT_METHODS[method]}(?:<[^>]*>)?\\(\\s*|'${method}',\\s*)`
  const pattern = new RegExp(`${call}['"\`]${literal}(?=['"\`?$])`)
  const found = [...tests].filter(([, text]) => pattern.test(text)).map(([file]) => file)
  const distance = (file: string) =>
    [`test/contract/${surface}/`, 'test/contract/', ''].findIndex((folder) => file.startsWith(folder))
  return found.sort((a, b) => distance(a) - distance(b)).slice(0, 2)
}

if (pathToFileURL(argv[1] ?? '').href === import.meta.url) {
  await writeFile(join(ROOT, 'docs/compatibility.md'), await compatibilityPage())
}
