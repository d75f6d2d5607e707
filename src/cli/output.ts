import { isObject, type Json, type JsonObject, textAt } from './json.ts'

export type Showing = { json?: true | undefined; table?: true | undefined }

type Asking = { optsWithGlobals: () => Showing }

const COLOURS: Record<string, string> = {
  queued: '32',
  delivered: '32',
  accepted: '32',
  active: '32',
  approved: '32',
  published: '32',
  true: '32',
  pending: '33',
  pending_approval: '33',
  scheduled: '33',
  duplicate: '33',
  unknown: '33',
  blocked: '31',
  rejected: '31',
  failed: '31',
  error: '31',
  bounced: '31',
  revoked: '31',
  false: '31',
}

/** Whether to print for a person (a terminal, or --table) rather than for a program. */
export function isForReading(command: Asking): boolean {
  const { json, table } = command.optsWithGlobals()
  return json === undefined && (table !== undefined || process.stdout.isTTY === true)
}

/** Prints an answer on stdout: as JSON for a program, as a table for a person. */
export function show(command: Asking, answer: Json, columns?: string[]) {
  if (!isForReading(command)) {
    const isTerminal = process.stdout.isTTY === true
    return write(JSON.stringify(answer, null, isTerminal ? 2 : undefined))
  }
  const items = isObject(answer) && Array.isArray(answer.items) ? answer.items : answer
  if (Array.isArray(items)) write(items.length === 0 ? 'none' : table(items, columns))
  else if (isObject(items)) write(sheet(items))
  else write(cell(items))
  const next = textAt(answer, 'nextCursor')
  if (next !== null) console.error(`There may be more. For the next page add: --cursor ${next}`)
}

function write(text: string) {
  process.stdout.write(`${text}\n`)
}

/** One field per line, then each list of objects as its own table. */
function sheet(answer: JsonObject): string {
  const fields = flat(answer)
  const width = Math.max(0, ...fields.map(([name]) => name.length))
  const lines = fields.map(([name, value]) => `${bold(cell(name).padEnd(width))}  ${coloured(cell(value))}`)
  const tables = listsOf(answer).map(([name, list]) => `\n${bold(cell(name))}\n${table(list)}`)
  return [...lines, ...tables].join('\n')
}

function table(items: Json[], columns?: string[]): string {
  const rows = items.map((item) => (isObject(item) ? item : { value: item }))
  const names = columns ?? [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const cells = rows.map((row) => names.map((name) => cell(at(row, name))))
  const heads = names.map((name) => titled(name))
  const widths = heads.map((head, i) => Math.max(head.length, ...cells.map((line) => (line[i] ?? '').length)))
  const line = (texts: string[], paint: (text: string) => string) =>
    texts
      .map((text, i) => {
        const gap = i === texts.length - 1 ? '' : ' '.repeat((widths[i] ?? 0) - text.length)
        return paint(text) + gap
      })
      .join('  ')
  return [line(heads, bold), ...cells.map((texts) => line(texts, coloured))].join('\n')
}

/** The value at a path such as `config.autonomy`. */
function at(row: JsonObject, path: string): Json {
  let value: Json | undefined = row
  for (const name of path.split('.')) value = isObject(value) ? value[name] : undefined
  return value ?? null
}

function flat(value: JsonObject, prefix = ''): [string, Json][] {
  return Object.entries(value).flatMap(([name, inner]): [string, Json][] => {
    if (isObject(inner)) return flat(inner, `${prefix}${name}.`)
    return isList(inner) ? [] : [[`${prefix}${name}`, inner]]
  })
}

function listsOf(value: JsonObject, prefix = ''): [string, Json[]][] {
  return Object.entries(value).flatMap(([name, inner]): [string, Json[]][] => {
    if (isObject(inner)) return listsOf(inner, `${prefix}${name}.`)
    return isList(inner) ? [[`${prefix}${name}`, inner]] : []
  })
}

function isList(value: Json | undefined): value is JsonObject[] {
  return Array.isArray(value) && value.length > 0 && value.every(isObject)
}

/** Text from mail is untrusted: control characters are removed, so it cannot control the terminal. */
function cell(value: Json | undefined): string {
  if (value === null || value === undefined || (Array.isArray(value) && value.length === 0)) return '-'
  const isSimple = Array.isArray(value) && !isList(value)
  const text = isSimple ? value.map(cell).join(', ') : plain(value)
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
}

function plain(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** `contactEmail` becomes CONTACT EMAIL. */
function titled(name: string): string {
  return cell(name.split('.').at(-1))
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toUpperCase()
}

const isColoured = process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb'

const paint = (code: string, text: string) => (isColoured ? `\x1b[${code}m${text}\x1b[0m` : text)

const bold = (text: string) => paint('1', text)

function coloured(text: string): string {
  const code = COLOURS[text]
  return code === undefined ? text : paint(code, text)
}
