import { z } from '@hono/zod-openapi'

type Path = (string | number)[]
type Unknown = { path: Path; message: string; isNear: boolean }

/** Which unknown fields are refused: all of them, or only those that were probably meant for something else. */
type Refused = 'all' | 'near misses'

/**
 * The schema of a request body that refuses unknown fields by name. Otherwise a caller who writes `permission` for
 * `permissions`, or `send_at` for `scheduledAt`, gets something else than they asked for. Fields in `ignored` are dropped.
 */
export function strictly<Schema extends z.ZodType>(
  schema: Schema,
  { ignored = [], refused = 'all' }: { ignored?: string[]; refused?: Refused } = {},
) {
  return z.preprocess((value, context) => {
    for (const { path, message, isNear } of unknownFields(schema, value, [])) {
      if (path.length === 1 && ignored.includes(String(path[0]))) continue
      if (refused === 'all' || isNear) context.addIssue({ code: 'custom', path, message, input: value })
    }
    return value
  }, schema)
}

/** The fields of a value, at any depth, that its schema does not know. */
function unknownFields(schema: z.ZodType, value: unknown, path: Path): Unknown[] {
  const inner = unwrapped(schema)
  if (inner instanceof z.ZodUnion) return fewest(inner.options as z.ZodType[], value, path)
  if (inner instanceof z.ZodArray) {
    const element = inner.element as z.ZodType
    return Array.isArray(value)
      ? value.flatMap((each, at) => unknownFields(element, each, [...path, at]))
      : []
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return []
  if (inner instanceof z.ZodRecord) {
    const of = inner.valueType as z.ZodType
    return Object.entries(value).flatMap(([name, each]) => unknownFields(of, each, [...path, name]))
  }
  if (!(inner instanceof z.ZodObject) || inner.def.catchall instanceof z.ZodUnknown) return []
  const shape = inner.shape as Record<string, z.ZodType>
  return Object.entries(value).flatMap(([name, each]) => {
    const field = Object.hasOwn(shape, name) ? shape[name] : undefined
    if (field !== undefined) return unknownFields(field, each, [...path, name])
    return [{ path: [...path, name], ...notAField(name, Object.keys(shape)) }]
  })
}

/** The alternative of a union that knows most of the value's fields. */
function fewest(options: z.ZodType[], value: unknown, path: Path): Unknown[] {
  const found = options
    .filter((option) => takes(option, value))
    .map((each) => unknownFields(each, value, path))
  return found.reduce((best, each) => (each.length < best.length ? each : best), found[0] ?? [])
}

/** Whether a schema is for values of this kind: objects, lists, or something else. */
function takes(schema: z.ZodType, value: unknown): boolean {
  const inner = unwrapped(schema)
  if (inner instanceof z.ZodUnion) return true
  if (Array.isArray(value)) return inner instanceof z.ZodArray
  const isObject = typeof value === 'object' && value !== null
  return isObject === (inner instanceof z.ZodObject || inner instanceof z.ZodRecord)
}

function unwrapped(schema: z.ZodType): z.ZodType {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodReadonly ||
    schema instanceof z.ZodLazy
  ) {
    return unwrapped(schema.unwrap() as z.ZodType)
  }
  if (!(schema instanceof z.ZodPipe)) return schema
  return unwrapped((schema.in instanceof z.ZodTransform ? schema.out : schema.in) as z.ZodType)
}

/** Says that a field is unknown, and which one was probably meant. */
function notAField(name: string, known: string[]): { message: string; isNear: boolean } {
  const meant = nearest(name, known)
  const about = 'is not a field of this request.'
  if (meant !== null) return { message: `${about} Did you mean "${meant}"?`, isNear: true }
  const fields = known.length === 0 ? 'It has none here.' : `Its fields here: ${known.join(', ')}.`
  return { message: `${about} ${fields}`, isNear: DECISIVE.test(plain(name)) }
}

/**
 * Words, without case and separators, that ask for something decisive. Where a request has no such field, dropping it would do
 * the opposite: send at once, without the file, to fewer people, or in earnest.
 */
const DECISIVE =
  /^(send|deliver|schedule)(d)?(at|on|for|time|after)?$|^delay|^expir|^validuntil$|^ttl$|^attach|^files?$|^(cc|bcc)$|^replyto|^(dedupe|idempotency)|^(dryrun|simulate|simulation|preview|draft|sandbox|test|testmode)$|^(hold|review|approval|requireapproval|requiresapproval|autonomy)|^(permission|scope|mailboxscope)|limit$/

/** Words that callers use for fields of other names, without case and separators. */
const SYNONYMS: [meant: RegExp, word: RegExp][] = [
  [
    /^scheduledat$/,
    /^(send|deliver|schedule|scheduled|sendat|deliverat|scheduleat|scheduledfor|sendtime|delay)$/,
  ],
  [/^expiresat$/, /^(expiry|expires|expiration|expirationdate|expiresin|validuntil|ttl|until)$/],
  [/^mailboxscopes$/, /^(scopes?|mailbox|mailboxes|mailboxids?)$/],
  [/^(attachments)$/, /^(files?|attach|attached)$/],
  [/^(recipientemail|to)$/, /^(to|email|recipients?|recipientemail|recipient)$/],
  [/^(text|bodytext)$/, /^(body|content|message|text|bodytext|plain)$/],
  [/^(html|bodyhtml)$/, /^(html|bodyhtml|htmlbody)$/],
  [/^(dedupekey)$/, /^(idempotencykey|idempotency|key|dedupe)$/],
  [/^(payload)$/, /^(variables?|vars|data|params|context)$/],
]

/** The known field that a name is a slip of, or another word for; null if there is none. */
export function nearest(name: string, known: string[]): string | null {
  const word = plain(name)
  const same = known.find((each) => plain(each) === word)
  if (same !== undefined) return same
  const meant = known.find((each) =>
    SYNONYMS.some(([field, synonym]) => field.test(plain(each)) && synonym.test(word)),
  )
  if (meant !== undefined) return meant
  const longer = known.find((each) => word.length > 3 && plain(each).startsWith(word))
  if (longer !== undefined) return longer
  const [best] = known
    .map((each) => ({ each, distance: distanceOf(word, plain(each)) }))
    .filter(({ each, distance }) => distance <= Math.max(1, Math.floor(plain(each).length / 3)))
    .sort((one, other) => one.distance - other.distance)
  return best?.each ?? null
}

const plain = (name: string) =>
  name
    .slice(0, 64)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '')

/** The edit distance of two short words (Levenshtein). */
function distanceOf(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (const [at, letter] of [...one].entries()) {
    const next = [at + 1]
    for (const [to, against] of [...other].entries()) {
      const change = (row[to] ?? 0) + (letter === against ? 0 : 1)
      next.push(Math.min(change, (row[to + 1] ?? 0) + 1, (next[to] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
