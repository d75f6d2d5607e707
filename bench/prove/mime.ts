import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { readMail } from '../../src/core/reading/mime/mail.ts'

const HELP = `Usage: npm run prove -- mime DIR [options]

Reads every message in the folder DIR as inbound mail, then mutations of these messages. The reader must not throw or fail,
must find the content of each message, and must read 99 of 100 messages within 250 ms. Exits with 1 if one of these fails.

  --mutations N  number of mutations (default 10000)
  --seed N       seed of the mutations (default 1)
  --json         print the figures as JSON
  --help         print this`

const WITHIN_MS = 250
const HOP = { authservIds: ['mx.cloudflare.net'] }

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    mutations: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
const [folder] = positionals
const isFolder = folder !== undefined && (await stat(folder).catch(() => null))?.isDirectory()
if (!folder || !isFolder)
  fail(`${folder ? `The folder ${folder} does not exist.` : 'Name a folder.'}\n\n${HELP}`)
const mutations = count('mutations')
const seed = count('seed')

type Figures = {
  read: number
  uncaught: number
  lost: number
  unreadable: Record<string, number>
  ambiguous: number
  p50Ms: number
  p99Ms: number
  maxMs: number
  problems: string[]
}

const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))
  .sort()
const messages = await Promise.all(
  names.map(async (name) => ({ name, raw: (await readFile(name)).toString('latin1') })),
)
if (messages.length === 0) fail(`The folder ${folder} contains no messages.`)

const MUTATIONS: readonly (readonly [label: string, change: (raw: string) => string])[] = [
  ['drop a field', (raw) => inHeader(raw, (fields, at) => fields.splice(at, 1))],
  ['repeat a field', (raw) => inHeader(raw, (fields, at) => fields.splice(at, 0, fields[at] ?? ''))],
  ['swap fields', (raw) => inHeader(raw, (fields, at) => fields.reverse().splice(at, 0, fields.pop() ?? ''))],
  ['another author', (raw) => inHeader(raw, (fields, at) => fields.splice(at, 0, 'From: "a@b.test x"@c.test'))],
  ['fold oddly', (raw) => inHeader(raw, (fields, at) => fields.splice(at, 1, (fields[at] ?? '').replaceAll(' ', '\r\n \t')))],
  ['fold blankly', (raw) => inHeader(raw, (fields, at) => fields.splice(at, 1, `${fields[at]}\r\n \r\n\t`))],
  ['double a boundary', (raw) => atOne(raw, /boundary\s*=\s*"?[^\s";]+"?/gi, (found) => `${found}; ${found}x`)],
  ['spoil a boundary', (raw) => atOne(raw, /boundary\s*=\s*"?/gi, (found) => `${found}x`)],
  ['drop a delimiter', (raw) => atOne(raw, /^--\S+/gm, () => '')],
  ['close early', (raw) => atOne(raw, /^--\S+/gm, (found) => `${found}--`)],
  ['repeat a delimiter', (raw) => atOne(raw, /^--\S+/gm, (found) => `${found}\r\n\r\n`.repeat(1 + Math.floor(next() * 600)))],
  ['repeat a part', (raw) => atOne(raw, /^--\S+\r*\n(?:.*\n){1,40}/gm, (found) => found.repeat(1 + Math.floor(next() * 50)))],
  ['truncate', (raw) => raw.slice(0, Math.floor(next() * raw.length))],
  ['behead', (raw) => raw.slice(Math.floor((next() * raw.length) / 4))],
  ['attach the message to itself', (raw) => `${split(raw).fields[0]}\r\nContent-Type: message/rfc822\r\n\r\n${raw}`],
  ['nest in multiparts', (raw) => {
    const depth = 1 + Math.floor(next() * 30)
    const open = Array.from({ length: depth }, (_, at) => `Content-Type: multipart/mixed; boundary=n${at}\r\n\r\n--n${at}\r\n`)
    return `From: a@b.test\r\n${open.join('')}${raw}`
  }],
  ['another encoding', (raw) => atOne(raw, /7bit|8bit|base64|quoted-printable|binary/gi, () => pick(['7bit', 'base64', 'quoted-printable', 'x-uuencode', '']))],
  ['an encoding for all', (raw) => inHeader(raw, (fields) => fields.push(`Content-Transfer-Encoding: ${pick(['base64', 'quoted-printable'])}`))],
  ['another charset', (raw) => atOne(raw, /charset\s*=\s*"?[\w-]+/gi, () => `charset="${pick(['utf-16le', 'utf-7', 'iso-2022-jp', 'gb18030', 'replacement', 'x-none', ''])}`)],
  ['another type', (raw) => atOne(raw, /(?:text|image|application|multipart|message)\/[\w-]+/gi, () => pick(['text/html', 'text/plain', 'message/rfc822', 'multipart/digest', 'multipart/alternative', 'application/pdf', 'text/calendar']))],
  ['a long file name', (raw) => inHeader(raw, (fields) => fields.push(`Content-Disposition: attachment${Array.from({ length: 300 }, (_, at) => `;\r\n filename*${at}*=%e3%81`).join('')}`))],
  ['other line ends', (raw) => raw.replace(/\r?\n/g, pick(['\n', '\r\n', '\r\r\n', '\r']))],
  ['one long line', (raw) => atRandom(raw, pick('<"(=@\xff a'.split('')).repeat(100_000))],
  ['flip octets', (raw) => Array.from({ length: 20 }).reduce((text: string) => atRandom(text, String.fromCharCode(Math.floor(next() * 256)), 1), raw)],
  ['drop a stretch', (raw) => atRandom(raw, '', Math.floor(next() * 400))],
  ['insert a token', (raw) => atRandom(raw, pick(['\0', '\r', '\n\n', '\r\n\r\n', '--', '=?utf-8?B?', '?=', '"', '(', '<', 'Content-Type: multipart/mixed; boundary=""\r\n']))],
] // biome-ignore format: a table

const next = random(seed)
// The first reading is slow, because the reader is compiled then. So it is not measured.
for (const { raw } of messages) await readMail(Buffer.from(raw, 'latin1'), HOP).catch(() => null)
const unchanged = await prove(messages)
const mutated = await prove(mutate(mutations))
const holds = [unchanged, mutated].every(
  ({ uncaught, lost, p99Ms }) => uncaught === 0 && lost === 0 && p99Ms <= WITHIN_MS,
)
if (values.json)
  console.log(JSON.stringify({ seed, messages: unchanged, mutations: mutated, holds }, null, 2))
else
  console.log(
    `${line('messages', unchanged)}\n${line('mutations', mutated)}\n${holds ? 'Holds.' : 'DOES NOT HOLD.'}`,
  )
process.exit(holds ? 0 : 1)

async function prove(given: Iterable<{ name: string; raw: string }>): Promise<Figures> {
  const times: number[] = []
  const figures = {
    uncaught: 0,
    lost: 0,
    ambiguous: 0,
    unreadable: {} as Record<string, number>,
    problems: [] as string[],
  }
  for (const { name, raw } of given) {
    const octets = new Uint8Array(Buffer.from(raw, 'latin1'))
    const begin = performance.now()
    const mail = await readMail(octets, HOP).catch((thrown: unknown) => String(thrown))
    times.push(performance.now() - begin)
    if (times.length % 1_000 === 0) console.error(`${times.length} read`)
    if (typeof mail === 'string' || mail.unreadable === 'reader_failed') {
      figures.uncaught++
      figures.problems.push(`uncaught: ${name}`)
      continue
    }
    if (mail.unreadable) figures.unreadable[mail.unreadable] = (figures.unreadable[mail.unreadable] ?? 0) + 1
    if (mail.ambiguities.length > 0) figures.ambiguous++
    const hasContent = Boolean(mail.text || mail.html || mail.files.length > 0 || mail.unreadable)
    if (!hasContent && hasBody(raw)) {
      figures.lost++
      figures.problems.push(`lost: ${name}`)
    }
  }
  times.sort((one, other) => one - other)
  const at = (share: number) => Number((times[Math.ceil(times.length * share) - 1] ?? 0).toFixed(2))
  return { read: times.length, ...figures, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) }
}

/** Whether the body contains more than blank lines, part headers and delimiters. */
function hasBody(raw: string) {
  const begin = /(?:^|\n)\r*\n/.exec(raw)
  const lines = begin ? raw.slice(begin.index).split(/[\r\n]+/) : []
  return lines.some(
    (text) => text.trim() !== '' && !text.startsWith('--') && !/^[!-9;-~]+:|^[ \t]/.test(text),
  )
}

function* mutate(wanted: number) {
  for (let made = 0; made < wanted; made++) {
    let { name, raw } = pick(messages)
    const steps = 1 + Math.floor(next() * 4)
    for (let step = 0; step < steps; step++) {
      const [label, change] = pick(MUTATIONS)
      raw = change(raw)
      name += ` + ${label}`
    }
    yield { name: `#${made} ${name}`, raw: raw.slice(0, 4 * 1024 * 1024) }
  }
}

function pick<T>(list: readonly T[]): T {
  const found = list[Math.floor(next() * list.length)]
  if (found === undefined) throw new Error('the list is empty')
  return found
}

/** Splits a message into its header fields, with their folded lines, and the rest. */
function split(raw: string) {
  const end = /\r*\n\r*\n/.exec(raw)?.index ?? raw.length
  return { fields: raw.slice(0, end).split(/\r*\n(?![ \t])/), rest: raw.slice(end) }
}

function inHeader(raw: string, change: (fields: string[], at: number) => void) {
  const { fields, rest } = split(raw)
  change(fields, Math.floor(next() * fields.length))
  return fields.join('\r\n') + rest
}

/** Replaces one random match of the pattern. */
function atOne(raw: string, pattern: RegExp, replacement: (found: string) => string) {
  const found = [...raw.matchAll(pattern)]
  if (found.length === 0) return raw
  const { 0: text, index } = pick(found)
  return raw.slice(0, index) + replacement(text) + raw.slice(index + text.length)
}

function atRandom(raw: string, insert: string, drop = 0) {
  const at = Math.floor(next() * raw.length)
  return raw.slice(0, at) + insert + raw.slice(at + drop)
}

function line(
  name: string,
  { read, uncaught, lost, unreadable, ambiguous, p50Ms, p99Ms, maxMs, problems }: Figures,
) {
  const why = Object.entries(unreadable).map(([reason, times]) => `${reason} ${times}`)
  return [
    `${read} ${name}: uncaught ${uncaught}, lost ${lost}, ambiguous ${ambiguous}`,
    `  p50 ${p50Ms} ms, p99 ${p99Ms} ms, longest ${maxMs} ms`,
    `  unreadable: ${why.join(', ') || 'none'}`,
    ...problems.slice(0, 10).map((problem) => `  ${problem}`),
  ].join('\n')
}

/** Random numbers from 0 to 1 (mulberry32). The same seed gives the same numbers. */
function random(start: number) {
  let state = start
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

function count(name: 'mutations' | 'seed') {
  const given = Number(values[name])
  return Number.isInteger(given) && given >= 0
    ? given
    : fail(`--${name} must be a whole number, not "${values[name]}".`)
}

function fail(message: string): never {
  console.error(message)
  process.exit(2)
}
