import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const USAGE = `Counts what makes the source easy or hard to carry on: size, long functions, unused exports, SQL as text,
repeated places. Reads the committed files of one commit, so that two commits can be compared.

Usage: npm run eval -- house [options]

  --at COMMIT    the commit to count (default HEAD); give it twice to compare
  --list         also print the long functions, the unused exports and the statements outside the helper
  --json         print the figures as JSON
  --help         print this`

type Source = Map<string, string>
type Counts = Record<string, number>

const LONG = 60
/** The helpers that prepare statements. The migrations are applied as text of their own. */
const HELPERS = ['src/core/ground/sql.ts', 'src/core/ground/ctx.ts']
const MIGRATIONS = /(?:ground|core)\/migrations\.ts$/

const { values } = parseArgs({
  options: {
    at: { type: 'string', multiple: true, default: ['HEAD'] },
    list: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) console.log(USAGE)
else report(values.at)

function report(commits: string[]) {
  const counted = commits.map((commit) => [commit, countsOf(readCommit(commit))] as const)
  if (values.json) console.log(JSON.stringify(Object.fromEntries(counted), null, 2))
  else {
    console.table(
      Object.fromEntries(
        Object.keys(counted[0]?.[1] ?? {}).map((name) => [
          name,
          Object.fromEntries(counted.map(([commit, counts]) => [commit.slice(0, 12), counts[name] ?? 0])),
        ]),
      ),
    )
  }
  const last = commits.at(-1)
  if (!values.list || last === undefined) return
  const source = readCommit(last)
  console.log(['', 'Long functions:', ...longFunctions(source)].join('\n'))
  console.log(['', 'Exports that nobody imports:', ...unusedExports(source)].join('\n'))
  console.log(['', 'Statements outside the helper:', ...rawStatements(source)].join('\n'))
}

function countsOf(source: Source): Counts {
  const src = [...source].filter(([file]) => file.startsWith('src/'))
  const { scripts = {} } = JSON.parse(source.get('package.json') ?? '{}') as { scripts?: object }
  return {
    'files of src': src.length,
    'lines of src': src.reduce((sum, [, text]) => sum + linesOf(text), 0),
    'loose files in src/core': src.filter(([file]) => /^src\/core\/[^/]+$/.test(file)).length,
    'longest file of src, in lines': Math.max(...src.map(([, text]) => linesOf(text))),
    [`functions over ${LONG} lines`]: longFunctions(source).length,
    'exports that nobody imports': unusedExports(source).length,
    'SQL outside the helpers': rawStatements(source).length,
    'places of six lines that repeat': repeatedPlaces(src.map(([, text]) => text)),
    'lines of README.md': linesOf(source.get('README.md') ?? ''),
    'npm scripts': Object.keys(scripts).length,
  }
}

/** The text files of a commit that count here, by path. */
function readCommit(commit: string): Source {
  const git = (args: string[], input = '') =>
    execFileSync('git', args, { input: Buffer.from(input), maxBuffer: 256_000_000 })
  const files = git(['ls-tree', '-r', '--name-only', commit])
    .toString()
    .split('\n')
    .filter((file) => /^(?:src|test|bench)\/.*\.tsx?$|^[^/]+\.ts$|^package\.json$|^README\.md$/.test(file))
  const answer = git(['cat-file', '--batch'], files.map((file) => `${commit}:${file}\n`).join(''))
  let at = 0
  return new Map(
    files.map((file) => {
      const start = answer.indexOf('\n', at) + 1
      const size = Number(answer.subarray(at, start).toString().split(' ')[2])
      at = start + size + 1
      return [file, answer.subarray(start, start + size).toString()]
    }),
  )
}

function linesOf(text: string): number {
  return text.split('\n').length - 1
}

/** Functions of src that are longer than 60 lines. The formatter ends each at the indentation at which it begins. */
function longFunctions(source: Source): string[] {
  const START =
    /^(\s*)(?:export )?(?:default )?(?:(?:async )?function\*? (\w+)|const (\w+)[^=]*= (?:async )?(?:\([^)]*\)|\w+)[^=]*=> \{$|(?:override |private |static )*(?:async )?(\w+)\([^)]*\)[^;]*\{$)/
  return [...source].flatMap(([file, text]) => {
    if (!file.startsWith('src/')) return []
    const lines = text.split('\n')
    return lines.flatMap((line, start) => {
      const [whole, indent = '', ...names] = START.exec(line) ?? []
      const name = names.find((each) => each !== undefined) ?? ''
      if (whole === undefined || /^(?:if|for|while|switch|catch)$/.test(name)) return []
      const end = lines.findIndex(
        (each, at) =>
          at > start && new RegExp(`^${indent}[})]`).test(each) && !/^\s*\)(?:: .*)? \{$/.test(each),
      )
      return end - start + 1 > LONG ? [`${file}:${start + 1} ${name} (${end - start + 1})`] : []
    })
  })
}

/** Exported names of src that no other file of src, test or bench imports. */
function unusedExports(source: Source): string[] {
  const texts = [...source].filter(([file]) => /\.tsx?$/.test(file))
  return texts.flatMap(([file, text]) => {
    if (!file.startsWith('src/') || file === 'src/index.ts' || file.startsWith('src/client/')) return []
    const names = [
      ...text.matchAll(/^export (?:async )?(?:function\*?|const|class|type|interface|enum) (\w+)/gm),
    ]
    return names.flatMap(([, name = '']) => {
      const word = new RegExp(`\\b${name}\\b`)
      const isUsed = texts.some(([other, words]) => other !== file && word.test(words))
      return isUsed ? [] : [`${file}: ${name}`]
    })
  })
}

/** Where src prepares a statement of D1 otherwise than through the helper. */
function rawStatements(source: Source): string[] {
  return [...source].flatMap(([file, text]) => {
    if (!file.startsWith('src/') || HELPERS.includes(file) || MIGRATIONS.test(file)) return []
    const lines = text.split('\n')
    return lines.flatMap((line, at) => (/\.prepare\(/.test(line) ? [`${file}:${at + 1}`] : []))
  })
}

/** Runs of six lines that stand in more than one place, imports and lone punctuation aside; overlapping runs count once. */
function repeatedPlaces(texts: string[]): number {
  const RUN = 6
  const seen = new Map<string, number>()
  const runs = texts.map((text) => {
    const lines = text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => /\w/.test(line) && !/^(?:import\b|\} from |\/?\*|\/\/)/.test(line))
    return lines
      .map((_, at) => lines.slice(at, at + RUN).join('\n'))
      .slice(0, Math.max(0, lines.length - RUN + 1))
  })
  for (const run of runs.flat()) seen.set(run, (seen.get(run) ?? 0) + 1)
  let places = 0
  for (const file of runs) {
    for (let at = 0; at < file.length; at++) {
      if ((seen.get(file[at] ?? '') ?? 0) < 2) continue
      places++
      while (at + 1 < file.length && (seen.get(file[at + 1] ?? '') ?? 0) > 1) at++
    }
  }
  return places
}
