import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { argv } from 'node:process'
import { pathToFileURL } from 'node:url'
import { ACTS, MAILBOX, TENANT } from '../../src/core/policy/laxer.ts'

const PAGE = join(import.meta.dirname, '../../docs/security.md')
const START = '<!-- This table is written by `node test/support/laxer-table.ts`. -->'
const END = '<!-- The end of the table. -->'

const WHO = 'an owner, or a key with `loosen`'

/** The page docs/security.md, with the table of what laxer.ts says. */
export async function securityPage(): Promise<string> {
  const written = await readFile(PAGE, 'utf8')
  const [before = '', rest = ''] = written.split(START)
  return `${before}${START}\n\n${laxerTable()}\n\n${END}${rest.split(END)[1] ?? ''}`
}

function laxerTable(): string {
  const settings = [...Object.values(TENANT), ...Object.values(MAILBOX)]
  const rows = [
    ...settings.map((entry) => [
      `${entry.name}, \`${entry.field}\``,
      entry.laxer ?? `neither way: ${entry.why}`,
      entry.laxer === null ? 'every key with `manage`' : WHO,
    ]),
    ...Object.entries(ACTS).map(([act, { object, laxer }]) => [
      object,
      laxer,
      act === 'giveLoosen' ? 'an owner' : WHO,
    ]),
  ]
  return aligned([['setting', 'laxer', 'who may'], ...rows])
}

function aligned([head = [], ...rows]: string[][]): string {
  const widths = head.map((_, nth) => Math.max(...[head, ...rows].map((cells) => cells[nth]?.length ?? 0)))
  const line = (cells: string[]) =>
    `| ${cells.map((cell, nth) => cell.padEnd(widths[nth] ?? 0)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

if (pathToFileURL(argv[1] ?? '').href === import.meta.url) await writeFile(PAGE, await securityPage())
