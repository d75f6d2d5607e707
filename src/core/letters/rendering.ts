import { Context, type Liquid, LiquidError, type Template as Node, toValueSync } from 'liquidjs'
import { MAX_SUBJECT, safeHeaderText } from '../ground/address.ts'
import { type Foreign, isInTag, type Misplaced, misplacedIn } from './contexts.ts'
import { collect, engineFor, type Path, pathsOf, toText } from './engine.ts'
import { outputsIn } from './outputs.ts'

export type Part = 'subject' | 'html' | 'text'

export type Template = { subject: string; html: string | null; text: string | null }

export type Payload = Record<string, unknown>

type CompiledPart = {
  part: Part
  nodes: Node[]
  /** Top-level names that the part reads and does not assign. */
  variables: string[]
  /** The paths that a payload must have; null if only rendering can tell, because of branches or loops. */
  paths: Path[] | null
  /** Whether a variable stands in a tag, where its value is judged before the send is accepted. */
  hasVariableInTag: boolean
}

type Compiled = { parts: CompiledPart[] }

type Compilation = { ok: true; compiled: Compiled } | { ok: false; part: Part; line: number; detail: string }

type Rendered =
  | { ok: true; subject: string; html: string | null; text: string | null }
  | { ok: false; missing: string[]; unfit: Misplaced[]; detail: string }

/** Variables that the system fills in. A payload cannot override them. */
export const SYSTEM_VARIABLES = ['unsubscribe_url', 'physical_address'] as const

export type SystemValues = Partial<Record<(typeof SYSTEM_VARIABLES)[number], string>>

/** Nodes that one rendering may visit. Counted, not timed: a Worker's clock stands still while it computes. */
const MAX_STEPS = 10_000
const KEPT = 32

const engines: Record<Part, Liquid> = {
  subject: engineFor((value) => {
    const reason = typeof value === 'string' ? safeHeaderText(value) : null
    if (reason !== null) throw new Error(`a value in the subject ${reason}`)
    return toText(value)
  }),
  html: engineFor('escape'),
  text: engineFor(toText),
}

const recent = new Map<string, Compiled>()

/**
 * Parses a template; the last few are cached by content. There are no includes, layouts or files. A syntax error
 * names its part and its line, counted from 1.
 */
export function compileTemplate(template: Template): Compilation {
  const key = JSON.stringify([template.subject, template.html, template.text])
  const known = recent.get(key)
  const parts: CompiledPart[] = known?.parts ?? []
  for (const part of known ? [] : (['subject', 'html', 'text'] as const)) {
    const source = template[part]
    if (source === null) continue
    try {
      parts.push(compilePart(part, source))
    } catch (error) {
      return { ok: false, part, ...placeOf(error) }
    }
  }
  const compiled = known ?? { parts }
  recent.delete(key)
  recent.set(key, compiled)
  for (const oldest of recent.keys()) {
    if (recent.size <= KEPT) break
    recent.delete(oldest)
  }
  return { ok: true, compiled }
}

/** Top-level names that the template reads and does not assign, with guarded ones and without the system's own. */
export function variablesIn(compiled: Compiled): string[] {
  const system: readonly string[] = SYSTEM_VARIABLES
  return [...new Set(compiled.parts.flatMap((part) => part.variables))].filter(
    (name) => !system.includes(name),
  )
}

/**
 * The variables that rendering needs and this payload lacks, as dotted paths. Undefined is missing, null is not. Names
 * that `default`, `if` or `assign` only test, and names in branches that are not taken, are not missing, either.
 */
export function missingVariables(compiled: Compiled, payload: Payload, system: SystemValues = {}): string[] {
  const scope = { ...payload, ...system }
  const missing = compiled.parts.flatMap((part) =>
    part.paths === null
      ? missingWhileRendering(part, scope)
      : part.paths.filter((path) => lacks(scope, path.segments)).map((path) => path.name),
  )
  return [...new Set(missing)]
}

/**
 * The variables whose values must not stand where the template puts them, such as a URL with another scheme than http, https,
 * mailto and tel. Empty for a payload that cannot be rendered for another reason.
 */
export function unfitVariables(compiled: Compiled, payload: Payload, system: SystemValues = {}): Misplaced[] {
  if (!compiled.parts.some(({ hasVariableInTag }) => hasVariableInTag)) return []
  const rendered = renderTemplate(compiled, payload, system)
  return rendered.ok ? [] : rendered.unfit
}

/**
 * Renders every part. Output is HTML-escaped in `html`, or sanitised if the template says `raw`, and refused where it could do
 * more than be shown. The subject becomes one line and refuses values that are not allowed in a header. More than 10,000 steps
 * or 2,000,000 characters are refused.
 */
export function renderTemplate(compiled: Compiled, payload: Payload, system: SystemValues = {}): Rendered {
  const missing = missingVariables(compiled, payload, system)
  const refused = (detail: string, unfit: Misplaced[] = []) => ({
    ok: false as const,
    missing,
    unfit,
    detail,
  })
  if (missing.length > 0) return refused(`missing variables: ${missing.join(', ')}`)

  const scope = { ...payload, ...system }
  const output: Template = { subject: '', html: null, text: null }
  for (const part of compiled.parts) {
    try {
      const { text, foreign } = renderPart(part, scope)
      output[part.part] = text
      const unfit = part.part === 'html' ? misplacedIn(text, foreign, { isSource: false }) : []
      if (unfit.length > 0) return refused(detailOf(unfit), unfit)
    } catch (error) {
      const { line, detail } = placeOf(error)
      return refused(`${part.part}, line ${line}: ${detail}`)
    }
  }
  const subject = output.subject.replace(/\s+/g, ' ').trim()
  const reason =
    safeHeaderText(subject) ?? (subject.length > MAX_SUBJECT ? `is longer than ${MAX_SUBJECT}` : null)
  if (reason !== null) return refused(`the subject ${reason}`)
  return { ok: true, ...output, subject }
}

/** What is wrong with variables in their places, as a part of a sentence. */
export function detailOf(unfit: Misplaced[]): string {
  return unfit.map(({ name, reason }) => `"${name}" ${reason}`).join('; ')
}

function compilePart(part: Part, source: string): CompiledPart {
  const engine = engines[part]
  const nodes = engine.parse(source)
  const paths = nodes.map(pathsOf)
  return {
    part,
    nodes,
    variables: engine.globalVariablesSync(nodes),
    paths: paths.every((list) => list !== null) ? paths.flat() : null,
    hasVariableInTag: part === 'html' && hasVariableInTag(source),
  }
}

function lacks(scope: Payload, segments: Path['segments']) {
  let value: unknown = scope
  for (const segment of segments) {
    if (value === null) return false
    const holder: Record<string, unknown> = Object(value)
    if (!Object.hasOwn(holder, segment)) return true
    value = holder[segment]
    if (value === undefined) return true
  }
  return false
}

function missingWhileRendering(part: CompiledPart, scope: Payload) {
  try {
    renderPart(part, scope, true)
    return []
  } catch (error) {
    return undefinedIn(error)
  }
}

function undefinedIn(error: unknown): string[] {
  if (!LiquidError.is(error)) return []
  if ('errors' in error && Array.isArray(error.errors)) return error.errors.flatMap(undefinedIn)
  return error.name === 'UndefinedVariableError' ? [error.token.getText()] : []
}

/** By the source; rendering judges the result in any case. */
function hasVariableInTag(source: string): boolean {
  const { html, outputs } = outputsIn(source)
  return outputs.length > 0 && isInTag(html, outputs)
}

function renderPart(
  part: CompiledPart,
  scope: Payload,
  catchAllErrors = false,
): { text: string; foreign: Foreign[] } {
  const engine = engines[part.part]
  const options = { ...engine.options, catchAllErrors }
  const context = new Context(scope, options, { sync: true }, { liquid: engine })
  let steps = 0
  context.renderLimit.check = () => {
    steps++
    if (steps > MAX_STEPS) throw new Error(`needs more than ${MAX_STEPS} steps`)
  }
  const collector = collect(context)
  const text = toText(toValueSync(engine.renderer.renderTemplates(part.nodes, context, collector)))
  return { text, foreign: collector.foreign }
}

function placeOf(error: unknown) {
  const [line = 1] = LiquidError.is(error) ? error.token.getPosition() : []
  const message = error instanceof Error ? error.message : String(error)
  return { line, detail: message.replace(/, (?:file:.*, )?line:\d+, col:\d+$/, '') }
}
