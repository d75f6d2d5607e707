import { Parser } from 'htmlparser2'

/** One run of text between tags, decoded, without the white space around it. */
type Span = { start: number; end: number; text: string; block: number; isFixed: boolean }

type Markup = {
  html: string
  /** The runs whose wording may change, in order. */
  spans: { start: number; end: number; text: string }[]
  /** Everything else, unchanged, with a mark in place of each run. */
  skeleton: string
}

/** Lines that the law or the recipient depends on: they are never reworded. */
export const SYSTEM_LINE =
  /unsubscrib|opt[- ]?(?:ing[- ])?out|(?:email|mail|notification|your) preferences|(?:stop|no longer|are|were|not) (?:wish(?:ing)? to |want to )?(?:receiv|get)\w* (?:this|these|such|our|any)|(?:received|receiving|getting|got) (?:this|these)\b|abmelden|abbestellen|d[ée]sinscri|cancelar (?:la )?suscripci/i

/** Elements whose text is not reworded: links, buttons and text that is no prose. */
const FIXED = new Set(
  'a button code kbd noscript option pre samp script style svg template textarea title xmp'.split(' '),
)
const BLOCK = new Set(
  'address article aside blockquote body br center dd div dl dt footer form h1 h2 h3 h4 h5 h6 head header hr html li main nav ol p section table tbody td tfoot th thead tr ul'.split(
    ' ',
  ),
)

/** Finds the text of a document that may be reworded. Blocks with a system line, or with its link, are left out. */
export function readMarkup(html: string): Markup {
  const found: Span[] = []
  const blocks: string[] = ['']
  let fixedIn = 0
  const say = (text: string) => {
    blocks[blocks.length - 1] += text
  }
  const parser: Parser = new Parser({
    onopentag(name, attributes) {
      if (BLOCK.has(name)) blocks.push('')
      if (FIXED.has(name)) fixedIn++
      if (attributes.href) say(` ${attributes.href} `)
    },
    onclosetag(name) {
      if (BLOCK.has(name)) blocks.push('')
      if (FIXED.has(name)) fixedIn--
    },
    ontext(text) {
      const [start, end] = [parser.startIndex, parser.endIndex + 1]
      const last = found.at(-1)
      const isFixed = fixedIn > 0
      say(text)
      if (last && last.end === start && last.isFixed === isFixed) {
        last.end = end
        last.text += text
      } else {
        found.push({ start, end, text, block: blocks.length - 1, isFixed })
      }
    },
  })
  parser.end(html)

  const spans = found
    .filter((span) => !span.isFixed && !SYSTEM_LINE.test(blocks[span.block] ?? ''))
    .map(({ start, end, text }) => trimmed(html, start, end, text))
    .filter((span) => span.text.trim() !== '')
  return { html, spans, skeleton: pieces(html, spans).join('\0') }
}

/** The document with its runs replaced. Runs with equal text keep their bytes. */
export function writeMarkup({ html, spans }: Markup, texts: string[]): string {
  const between = pieces(html, spans)
  return between
    .map((piece, index) => {
      const span = spans[index]
      const text = texts[index]
      if (!span || text === undefined) return piece
      return piece + (text === span.text ? html.slice(span.start, span.end) : escaped(text))
    })
    .join('')
}

function pieces(html: string, spans: Markup['spans']): string[] {
  const starts = [0, ...spans.map((span) => span.end)]
  return starts.map((start, index) => html.slice(start, spans[index]?.start ?? html.length))
}

function trimmed(html: string, start: number, end: number, text: string) {
  const raw = html.slice(start, end)
  const lead = raw.length - raw.trimStart().length
  const trail = raw.trim() === '' ? 0 : raw.length - raw.trimEnd().length
  const core = raw.trim()
  return { start: start + lead, end: end - trail, text: core === raw ? text : text.trim() }
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\u00a0', '&nbsp;')
}
