import sanitize from 'sanitize-html'
import { MAX_DEPTH, readHtml } from './reading.ts'

/** Longest document that keeps its markup, in characters. From a longer one only the first fifth of this is kept, as text. */
export const MAX_HTML = 1_048_576

const MAX_PASSES = 4
const MAX_URL = 4_096
const MAX_STYLE = 4_000

const TAGS =
  'a abbr address article aside b big blockquote br caption center cite code col colgroup dd del dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q s samp section small span strike strong sub sup table tbody td tfoot th thead tr tt u ul var wbr'.split(
    ' ',
  )
/** Elements that are removed with their content, because it is not prose. */
const SILENT =
  'applet audio canvas embed frameset head iframe math noembed noframes noscript object option plaintext script select style svg template textarea title video xml xmp'.split(
    ' ',
  )
const CELL = ['colspan', 'rowspan', 'headers', 'scope', 'abbr', 'nowrap', 'height']

/** Words, numbers, quoted names and colour functions: no url(), no escapes, no variables. */
const VALUE = /^(?:(?:rgba?|hsla?)\([\d\s.,%/a-z-]{1,60}\)|[\w#.%+"', /-])+$/i
const UNSIGNED = /^(?!.*-\d)[\w\s.%]{1,80}$/i
const SHOWN =
  /^(?:block|inline|inline-block|none|list-item|table|inline-table|table-(?:row|cell|row-group|header-group|footer-group|column|caption))$/i

const STYLES = {
  ...allow(
    VALUE,
    'background background-color border-color border-style border-collapse border color font font-family font-style font-variant font-weight font-size letter-spacing line-height list-style list-style-type list-style-position text-align text-decoration text-transform vertical-align white-space word-break word-wrap overflow-wrap direction table-layout clear float caption-side quotes visibility opacity box-sizing border-top border-right border-bottom border-left border-radius mso-hide mso-line-height-rule mso-table-lspace mso-table-rspace -webkit-text-size-adjust -ms-text-size-adjust',
  ),
  ...allow(
    UNSIGNED,
    'width height min-width max-width min-height max-height margin margin-top margin-right margin-bottom margin-left padding padding-top padding-right padding-bottom padding-left border-width border-spacing',
  ),
  ...allow(SHOWN, 'display'),
  ...allow(/^hidden$/i, 'overflow'),
}

class TooDeep extends Error {}

/**
 * Keeps ordinary mail markup and removes scripts, forms, automatic loading and positioning outside the message. Cleaning
 * the result again changes nothing. HTML over `MAX_HTML` characters, nested too deep, or still changing after
 * `MAX_PASSES` comes back as escaped text.
 */
export function sanitizeHtml(html: string): string {
  if (html.length > MAX_HTML) return asText(html)
  try {
    let cleaned = clean(html)
    for (let pass = 0; pass < MAX_PASSES && cleaned.length <= MAX_HTML; pass++) {
      const again = clean(cleaned)
      if (again === cleaned) return cleaned
      cleaned = again
    }
  } catch {
    return asText(html)
  }
  return asText(html)
}

/** Plain text for a mail that has only HTML: blocks as lines, links as `text (url)`, no hidden elements. */
export function textOfHtml(html: string): string {
  const source = html.slice(0, MAX_HTML)
  const { text, isWhole } = readHtml(source)
  return isWhole ? text : source.replace(/<[^<>]*>?/g, ' ').trim()
}

function clean(html: string): string {
  let depth = 0
  return sanitize(withoutControls(html), {
    allowedTags: TAGS,
    nonTextTags: SILENT,
    disallowedTagsMode: 'discard',
    allowedAttributes: {
      '*': ['style', 'align', 'valign', 'dir', 'lang', 'title', 'bgcolor', 'width', 'role', 'aria-hidden'],
      a: ['href', 'target', 'rel'],
      img: ['src', 'alt', 'height', 'border'],
      font: ['color', 'face', 'size'],
      table: ['border', 'cellpadding', 'cellspacing', 'height', 'summary'],
      td: CELL,
      th: CELL,
      tr: ['height'],
      col: ['span'],
      colgroup: ['span'],
      ol: ['start', 'type'],
      ul: ['type'],
      li: ['value'],
      hr: ['size', 'color', 'noshade'],
      blockquote: ['type'],
    },
    allowedStyles: { '*': STYLES },
    allowedSchemes: ['https', 'http', 'mailto', 'tel', 'cid'],
    allowedSchemesByTag: { img: ['https', 'cid', 'data'] },
    allowProtocolRelative: false,
    transformTags: { '*': (tagName, attribs) => ({ tagName, attribs: harmless(tagName, attribs) }) },
    onOpenTag() {
      depth++
      if (depth > MAX_DEPTH) throw new TooDeep()
    },
    onCloseTag() {
      depth--
    },
  })
}

/** The attributes an element may keep. A URL must be complete and have an allowed scheme. */
function harmless(tag: string, attributes: Record<string, string>): Record<string, string> {
  const { href, src, style, target, rel, ...kept } = attributes
  const link = tag === 'a' ? webUrl(href, /^(?:https?:\/\/[^/\\]|mailto:|tel:|cid:)/i) : null
  if (link !== null) {
    Object.assign(kept, { href: link, rel: 'noopener noreferrer nofollow' })
    if (target !== undefined) kept.target = '_blank'
  }
  const image = tag === 'img' ? imageUrl(src) : null
  if (image !== null) kept.src = image
  if (style !== undefined && style.length <= MAX_STYLE) kept.style = style
  return kept
}

function webUrl(value: string | undefined, schemes: RegExp): string | null {
  const url = value?.trim().replace(/[\t\n\r]/g, '') ?? ''
  return url.length <= MAX_URL && schemes.test(url) && !/[\s<>]/.test(url) ? url : null
}

function imageUrl(value: string | undefined): string | null {
  const isData = /^\s*data:image\/(?:png|gif|jpeg|webp);base64,[\w+/=\s-]*$/i.test(value ?? '')
  return isData ? (value ?? '').replace(/\s/g, '') : webUrl(value, /^(?:https:\/\/[^/\\]|cid:)/i)
}

/** Removes control characters but tab and line end: HTML does not allow them, and parsers treat them differently. */
function withoutControls(html: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it removes control characters.
  return html.replace(/\r\n?/g, '\n').replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]/g, '')
}

function asText(source: string): string {
  const begin = withoutControls(source.slice(0, MAX_HTML / 5)).toWellFormed()
  return begin.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function allow(values: RegExp, names: string): Record<string, RegExp[]> {
  return Object.fromEntries(names.split(' ').map((name) => [name, [values]]))
}
