import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { ROOT, sleep } from '../support/program.ts'
import { sharedDev } from '../support/shared-dev.ts'

type Example = { command: string; status: number; answer: unknown }

const readme = await readFile(join(ROOT, 'README.md'), 'utf8')

test('every command of the README is answered as the README says', async () => {
  const server = await sharedDev('plain')

  const ids = new Map<string, string>()
  for (const { command, status, answer } of examples()) {
    const line = [...ids].reduce(
      (text, [placeholder, id]) => text.replaceAll(placeholder, id),
      command.replaceAll('http://localhost:8787', server.address),
    )
    expect(line).not.toContain('…')
    const given = await ask(
      line,
      (got) => got.status === status && differences(answer, got.body).length === 0,
    )
    expect(differences(answer, given.body), `${command}\n${JSON.stringify(given.body, null, 2)}`).toEqual([])
    expect(given.status, command).toBe(status)
    remember(ids, answer, given.body)
  }
})

test('no command of the README goes untested', () => {
  const tested = examples().length
  expect(tested).toBeGreaterThan(5)
  expect(readme.match(/\bcurl\b(?!`)/g)).toHaveLength(tested)
  expect(readme.match(/^\s*curl\b/gm)).toHaveLength(tested)
})

/**
 * The README's convention: each `sh` block with a curl command holds that one command, behind the variables it sets, and
 * the `json` block after it shows the answer in part. The status is 200, or what stands behind the word `json`.
 */
function examples(): Example[] {
  const blocks = [...readme.matchAll(/^```(\w*) ?(\d*)\n([\s\S]*?)^```$/gm)].map(
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
