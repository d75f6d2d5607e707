import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ROOT } from '../../test/support/program.ts'
import type { Attack, Guard } from './attacks/attack.ts'
import { ATTACKS, GUARDS } from './attacks/list.ts'
import { openWorld } from './attacks/world.ts'

const HELP = `Usage: npm run prove -- attacks [options]

Starts a development server and attacks it from outside: over HTTP, SMTP, MCP and by mail, each time as the least privileged
caller that could try. An attack succeeds if something got laxer, was read or was sent that should not have been. None may.

  --only LINES   only the attacks of these lines, for example A1,A8
  --broken       takes each guard out of a copy of the source in turn; then an attack of its line must succeed
  --json         print one JSON object
  --help         print this`

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    broken: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
const lines = values.only?.split(',')
const isChosen = ({ line }: { line: string }) => lines === undefined || lines.includes(line)

type Outcome = { line: string; does: string; gained: string | null }

const attacks = ATTACKS.filter(isChosen)
if (values.broken) await proveGuards(GUARDS.filter(isChosen))
else await proveAttacks()

async function proveAttacks() {
  const outcomes = await attackAll(attacks)
  const succeeded = outcomes.filter(({ gained }) => gained !== null)
  if (values.json) console.log(JSON.stringify({ attacks: outcomes.length, succeeded }, null, 2))
  else console.log(`\n${outcomes.length} attacks, ${succeeded.length} succeeded.`)
  process.exitCode = succeeded.length === 0 && outcomes.length > 0 ? 0 : 1
}

/** Without a guard one success is enough: then the other attacks are not tried. */
async function attackAll(chosen: Attack[], root?: string): Promise<Outcome[]> {
  const world = await openWorld(root)
  const outcomes: Outcome[] = []
  try {
    for (const { line, does, run } of chosen) {
      const gained = await run(world).catch((error: unknown) => `it broke off: ${String(error)}`)
      outcomes.push({ line, does, gained })
      if (!values.json)
        console.log(`${gained === null ? 'ok  ' : 'FAIL'} ${line} ${does}${gained ? `: ${gained}` : ''}`)
      if (root !== undefined && isSuccess(gained)) break
    }
  } finally {
    await world.close()
  }
  return outcomes
}

function isSuccess(gained: string | null): boolean {
  return gained !== null && !gained.startsWith('it broke off')
}

async function proveGuards(guards: Guard[]) {
  const idle: string[] = []
  for (const guard of guards) {
    const root = await brokenCopy(guard)
    try {
      const outcomes = await attackAll(
        ATTACKS.filter(({ line }) => line === guard.line),
        root,
      )
      const isSeen = outcomes.some(({ gained }) => isSuccess(gained))
      console.log(`${isSeen ? 'seen' : 'NOT SEEN'}: ${guard.line} without ${guard.what}\n`)
      if (!isSeen) idle.push(`${guard.line} without ${guard.what}`)
    } finally {
      await rm(root, { recursive: true, force: true })
    }
  }
  console.log(`${guards.length} guards taken out; ${idle.length} of them were not missed.`)
  process.exitCode = idle.length === 0 && guards.length > 0 ? 0 : 1
}

/** A copy of the project without one guard. Throws if the guard's text does not occur exactly once. */
async function brokenCopy({ what, file, from, to }: Guard): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'moltpost-broken-'))
  for (const part of [
    'src',
    'migrations',
    'docs',
    'package.json',
    'tsconfig.json',
    'wrangler.toml',
    '.dev.vars',
  ])
    await cp(join(ROOT, part), join(root, part), { recursive: true })
  await symlink(join(ROOT, 'node_modules'), join(root, 'node_modules'))
  const path = join(root, 'src', file)
  const text = await readFile(path, 'utf8')
  if (text.split(from).length !== 2)
    throw new Error(`${what}: "${from}" does not occur exactly once in ${file}`)
  await writeFile(
    path,
    text.replace(from, () => to),
  )
  return root
}
