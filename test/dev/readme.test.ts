import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { ROOT, sleep } from '../support/program.ts'
import { sharedDev } from '../support/shared-dev.ts'

type Example = { command: string; status: number; answer: unknown }

const GUIDES = (await readdir(join(ROOT, 'docs'))).sort().map((name) => `docs/${name}`)
const pages = new Map<string, string>()
for (const page of ['README.md', ...GUIDES]) pages.set(page, await readFile(join(ROOT, page), 'utf8'))

/** Answered, and about nobody: they stand in no document. */
const UNDOCUMENTED = ['GET /health', 'GET /ready']

test('every command of the README and of the guides is answered as they say, and every route that they name is there', async () => {
  const server = await sharedDev('plain')

  for (const [page, text] of pages) {
    const ids = new Map<string, string>()
    for (const { command, status, answer } of examples(text)) {
      const line = [...ids].reduce(
        (text, [placeholder, id]) => text.replaceAll(placeholder, id),
        command.replaceAll('http://localhost:8787', server.address),
      )
      expect(line).not.toContain('…')
      const given = await ask(
        line,
        (got) => got.status === status && differences(answer, got.body).length === 0,
      )
      const told = `${page}: ${command}\n${JSON.stringify(given.body, null, 2)}`
      expect(differences(answer, given.body), told).toEqual([])
      expect(given.status, told).toBe(status)
      remember(ids, answer, given.body)
    }
  }

  const { paths } = (await (await fetch(`${server.address}/openapi.json`)).json()) as Paths
  const known = new Set([
    ...UNDOCUMENTED,
    ...Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path.replace(/\{\w+\}/g, '{}')}`),
    ),
  ])
  for (const page of GUIDES) {
    const named = [...(pages.get(page) ?? '').matchAll(/`(GET|POST|PUT|PATCH|DELETE)\s+(\/[^`…?]*)`/g)]
    const unknown = named
      .map(([, method, path = '']) => `${method} ${path.replace(/\{\w+\}/g, '{}')}`)
      .filter((route) => !known.has(route))
    expect({ page, unknown }).toEqual({ page, unknown: [] })
  }
})

type Paths = { paths: Record<string, Record<string, unknown>> }

test('no command of the README or of a guide goes untested', () => {
  for (const [page, text] of pages) {
    const tested = examples(text).length
    expect([page, text.match(/^\s*curl\b/gm)?.length ?? 0]).toEqual([page, tested])
    if (page === 'README.md') expect(tested).toBe(2)
    else expect([page, text.match(/^```sh$/gm)?.length ?? 0]).toEqual([page, tested])
  }
  expect(examples(pages.get('docs/start.md') ?? '').length).toBeGreaterThan(10)
})

/**
 * The README's convention: each `sh` block with a curl command holds that one command, behind the variables it sets, and
 * the `json` block after it shows the answer in part. The status is 200, or the number after the word `json`.
 */
function examples(page: string): Example[] {
  const blocks = [...page.matchAll(/^```(\w*) ?(\d*)\n([\s\S]*?)^```$/gm)].map(
    ([, language, status, text = '']) => ({ language, status: Number(status || 200), text }),
  )
  let variables = ''
  return blocks.flatMap(({ language, text }, position): Example[] => {
    if (language !== 'sh' || !/^curl /m.test(text)) return []
    variables += text.match(/^[A-Z_]+=.*\n/gm)?.join('') ?? ''
    const following = blocks[position + 1]
    if (following?.language !== 'json') throw new Error(`no answer is shown for\n${text}`)
    const command = text.slice(text.search(/^curl /m)).trimEnd()
    if (/^curl /m.test(command.slice(1))) throw new Error(`one command for each block:\n${text}`)
    return [
      { command: `${variables}${command}`, status: following.status, answer: JSON.parse(following.text) },
    ]
  })
}

/** Runs a command line as a person would. One that only reads is repeated until the answer fits, for 10 s at most. */
async function ask(line: string, fits: (given: Given) => boolean): Promise<Given> {
  const mayRepeat = !/ (-X|-d) /.test(line)
  for (const until = Date.now() + 10_000; ; await sleep(100)) {
    const { stdout } = await promisify(execFile)('sh', ['-c', `${line} -s -w '\\n%{http_code}'`], {
      cwd: ROOT,
    })
    const end = stdout.lastIndexOf('\n')
    const given = { status: Number(stdout.slice(end + 1)), body: JSON.parse(stdout.slice(0, end)) }
    if (fits(given) || !mayRepeat || Date.now() > until) return given
  }
}

type Given = { status: number; body: unknown }

/** Where an answer is not what was shown: `…` stands for anything, and at the end of a list for all that follows. */
function differences(shown: unknown, given: unknown, path = 'answer'): string[] {
  if (typeof shown === 'string' && shown.includes('…')) {
    const pattern = new RegExp(`^${shown.split('…').map(RegExp.escape).join('.+')}$`, 's')
    return pattern.test(String(given ?? '')) ? [] : [`${path}: ${given} does not look like ${shown}`]
  }
  if (Array.isArray(shown)) {
    if (!Array.isArray(given)) return [`${path}: ${JSON.stringify(given)} is no list`]
    const isOpen = shown.at(-1) === '…'
    const items = isOpen ? shown.slice(0, -1) : shown
    const isLong = isOpen ? given.length >= items.length : given.length === items.length
    return [
      ...(isLong ? [] : [`${path}: ${given.length} items`]),
      ...items.flatMap((item, position) => differences(item, given[position], `${path}[${position}]`)),
    ]
  }
  if (typeof shown === 'object' && shown !== null) {
    return Object.entries(shown).flatMap(([name, value]) =>
      differences(value, (given as Record<string, unknown> | null | undefined)?.[name], `${path}.${name}`),
    )
  }
  return Object.is(shown, given) ? [] : [`${path}: ${JSON.stringify(given)}, not ${JSON.stringify(shown)}`]
}

/** Keeps the ids that an answer shows as `req_…` or the like: later commands mean the newest of them. */
function remember(ids: Map<string, string>, shown: unknown, given: unknown) {
  if (typeof shown === 'string' && /^[a-z]+_…$/.test(shown)) ids.set(shown, String(given))
  if (typeof shown !== 'object' || shown === null) return
  for (const [name, value] of Object.entries(shown)) {
    remember(ids, value, (given as Record<string, unknown>)[name])
  }
}
