import { readFile } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { ROOT, runProgram } from './program.ts'

/** The rooms of `src/core`, in the order in which they may import: a room imports rooms above it, never below. */
export const ROOMS = [
  'ground',
  'reading',
  'policy',
  'journal',
  'limits',
  'accounts',
  'contacts',
  'payments',
  'signals',
  'coordination',
  'letters',
  'mail',
  'sending',
  'delivery',
  'notices',
  'arrivals',
  'publishing',
  'governance',
  'overview',
  'local',
]

/** The files that each file imports, of values and of types alike. */
export type Imports = Map<string, string[]>

const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)'(\.{1,2}\/[^']+)'/g

/** What each source file below `src` imports of the others. */
export async function importsOfSource(): Promise<Imports> {
  const { output } = await runProgram('git', [
    'ls-files',
    '--cached',
    '--others',
    '--exclude-standard',
    'src',
  ])
  // The test of the linter writes probe files and removes them again.
  const files = output.split('\n').filter((file) => /\.tsx?$/.test(file) && !file.includes('boundary-probe'))
  const read = async (file: string): Promise<[string, string[]]> => {
    const text = await readFile(join(ROOT, file), 'utf8').catch(() => '')
    const targets = [...text.matchAll(IMPORT)].map(([, path = '']) =>
      posix.normalize(posix.join(posix.dirname(file), path)),
    )
    return [file, targets.filter((target) => files.includes(target))]
  }
  return new Map(await Promise.all(files.map(read)))
}

/** What is wrong with the structure: loose files, unknown rooms, imports of rooms below, and circles. */
export function problemsOf(imports: Imports): string[] {
  const files = [...imports.keys()]
  const loose = files.filter((file) => /^src\/core\/[^/]+$/.test(file)).map((file) => `loose: ${file}`)
  const unknown = files
    .filter((file) => roomOf(file) !== null && !ROOMS.includes(roomOf(file) ?? ''))
    .map((file) => `no room of the list: ${file}`)
  const downward = [...imports].flatMap(([file, targets]) =>
    targets
      .filter((target) => isBelow(roomOf(target), roomOf(file)))
      .map((target) => `downward: ${file} imports ${target}`),
  )
  return [
    ...loose,
    ...unknown,
    ...downward,
    ...circlesOf(imports).map((circle) => `circle: ${circle.join(' ')}`),
  ]
}

function roomOf(file: string): string | null {
  return /^src\/core\/([^/]+)\//.exec(file)?.[1] ?? null
}

function isBelow(target: string | null, file: string | null): boolean {
  if (target === null || file === null) return false
  return ROOMS.indexOf(target) > ROOMS.indexOf(file)
}

/** The groups of files that import each other in a circle (Tarjan's strongly connected components). */
function circlesOf(imports: Imports): string[][] {
  const order = new Map<string, number>()
  const lowest = new Map<string, number>()
  const open: string[] = []
  const circles: string[][] = []
  const visit = (file: string) => {
    order.set(file, order.size)
    let low = order.get(file) ?? 0
    open.push(file)
    for (const target of imports.get(file) ?? []) {
      if (!order.has(target)) visit(target)
      if (open.includes(target)) low = Math.min(low, lowest.get(target) ?? order.get(target) ?? low)
    }
    lowest.set(file, low)
    if (low !== order.get(file)) return
    const group = open.splice(open.indexOf(file))
    const importsItself = imports.get(file)?.includes(file) ?? false
    if (group.length > 1 || importsItself) circles.push(group.sort())
  }
  for (const file of imports.keys()) if (!order.has(file)) visit(file)
  return circles
}
