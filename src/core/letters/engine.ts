import { type Context, type Emitter, Liquid, type Template as Node, Output, TypeGuards } from 'liquidjs'
import { sanitizeHtml } from '../reading/text/html.ts'
import type { Foreign } from './contexts.ts'

export type Path = { name: string; segments: (string | number)[] }

/** The longest part of a template, and the longest rendered part, in characters. */
const MAX_TEMPLATE = 200_000
const MAX_OUTPUT = 2_000_000

/** The engine of one part: how it writes the values of variables. */
export function engineFor(outputEscape: 'escape' | ((value: unknown) => string)) {
  const engine = new Liquid({
    strictVariables: true,
    strictFilters: true,
    lenientIf: true,
    ownPropertyOnly: true,
    dynamicPartials: false,
    templates: {},
    timezoneOffset: 0,
    locale: 'en-US',
    parseLimit: MAX_TEMPLATE,
    memoryLimit: MAX_OUTPUT,
    outputEscape,
  })
  for (const tag of ['include', 'render', 'layout', 'block']) Reflect.deleteProperty(engine.tags, tag)
  if (outputEscape === 'escape') {
    engine.registerFilter('raw', { raw: true, handler: (value: unknown) => sanitizeHtml(toText(value)) })
  }
  const render = engine.renderer.renderTemplates.bind(engine.renderer)
  engine.renderer.renderTemplates = (nodes, context, emitter) =>
    render(nodes.map(marked), context, emitter ?? collect(context))
  return engine
}

type Collector = Emitter & { buffer: string; foreign: Foreign[] }

/** Collects output, notes which parts of it are values, and counts it against the memory limit, which liquidjs does for filters only. */
export function collect(context: Context): Collector {
  const emitter: Collector = {
    buffer: '',
    foreign: [],
    write(piece: unknown) {
      const text = toText(piece)
      context.memoryLimit.use(text.length)
      emitter.buffer += text
    },
  }
  return emitter
}

const markedNodes = new WeakMap<Node, Node>()
const TAGS_WITH_VALUES = new Set(['cycle', 'echo', 'increment', 'decrement'])

/** The node, or one in its place that notes which part of the output is the value of a variable. */
function marked(node: Node): Node {
  const known = markedNodes.get(node)
  if (known) return known
  const tag = 'name' in node ? String(node.name) : ''
  if (!(node instanceof Output) && !TAGS_WITH_VALUES.has(tag)) return node
  const name = (node instanceof Output && pathsOf(node)?.[0]?.name) || node.token.getText()
  const noting: Node = Object.create(node, {
    render: {
      *value(context: Context, emitter: Collector): Generator<unknown, void, unknown> {
        const start = emitter.buffer.length
        const piece = yield node.render(context, emitter)
        if (piece) emitter.write(piece)
        emitter.foreign?.push({ start, end: emitter.buffer.length, name })
      },
    },
  })
  markedNodes.set(node, noting)
  return noting
}

export function toText(value: unknown): string {
  if (value === null || value === undefined) return ''
  return Array.isArray(value) ? value.map(toText).join('') : String(value)
}

/** The paths that one node needs, or null if only rendering can tell. */
export function pathsOf(node: Node): Path[] | null {
  if (!(node instanceof Output)) return node.arguments || node.children ? null : []

  const { initial, filters } = node.value
  const tokens = [
    ...(filters[0]?.name === 'default' ? [] : initial.postfix),
    ...filters.flatMap((filter) => filter.args.map((arg) => (Array.isArray(arg) ? arg[1] : arg))),
  ]
  const paths: Path[] = []
  for (const token of tokens) {
    if (
      TypeGuards.isLiteralToken(token) ||
      TypeGuards.isQuotedToken(token) ||
      TypeGuards.isNumberToken(token)
    )
      continue
    if (!TypeGuards.isPropertyAccessToken(token) || token.variable) return null
    const segments = token.props.map((prop) => ('content' in prop ? prop.content : null))
    const isSimple = (segment: unknown) =>
      typeof segment === 'string' && !['size', 'first', 'last'].includes(segment)
    if (!segments.every((segment): segment is string => isSimple(segment))) return null
    paths.push({ name: segments.join('.'), segments })
  }
  return paths
}
