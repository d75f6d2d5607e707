import { join } from 'node:path'
import { installPackages } from './packages.ts'
import { type Kind, PROGRAMS } from './programs.ts'

const [kind, name, ...rest] = process.argv.slice(2)
if (kind !== 'prove' && kind !== 'eval') {
  console.error('Usage: npm run prove -- NAME [arguments], or npm run eval -- NAME [arguments]')
  process.exit(2)
}

const program = name === undefined ? undefined : PROGRAMS[kind].find((each) => each.name === name)
if (name === undefined || name === '--help' || name === '-h') {
  console.log(usageOf(kind))
} else if (program === undefined) {
  console.error(`There is no program "${name}".\n\n${usageOf(kind)}`)
  process.exit(2)
} else {
  const file = join(import.meta.dirname, kind, `${name}.ts`)
  if (program.needsPackages && !rest.some((each) => each === '--help' || each === '-h')) installPackages()
  process.argv = [process.execPath, file, ...rest]
  await import(file)
}

function usageOf(kind: Kind): string {
  const programs = PROGRAMS[kind]
  const width = Math.max(...programs.map((each) => each.name.length))
  const lines = programs.map((each) => `  ${each.name.padEnd(width)}  ${each.does}`)
  return `Usage: npm run ${kind} -- NAME [arguments]

${lines.join('\n')}

npm run ${kind} -- NAME --help describes the arguments of one program. A program exits with 0 if everything held,
with 1 if something did not, and with 2 if it could not start.`
}
