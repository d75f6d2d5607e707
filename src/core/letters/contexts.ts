import { Parser, Tokenizer } from 'htmlparser2'

/** A part of an HTML text that came from a variable: from `start` up to `end`, in characters. */
export type Foreign = { start: number; end: number; name: string }

/** A variable in a place where its value could do more than be shown, and why that place or value is refused. */
export type Misplaced = { name: string; reason: string }

/** Attributes that hold text, numbers or names. A value in any other attribute is treated as a URL. */
const PLAIN = new Set(
  [
    'abbr align alt axis bgcolor border cellpadding cellspacing char charoff charset class clear color cols colspan compact dir',
    'disabled face frame headers height hidden hspace id itemprop itemtype label lang language leftmargin marginheight',
    'marginwidth media name noshade nowrap placeholder property rel role rows rowspan rules scope size span start summary',
    'tabindex target title topmargin type valign value vspace width',
  ].flatMap((line) => line.split(' ')),
)
/** Attributes that hold several URLs. */
const LISTS = new Set(['srcset', 'imagesrcset', 'ping', 'archive'])
/** Attributes in which no value is allowed: they hold a document or an instruction, or they change other attributes. */
const REFUSED = new Set(['srcdoc', 'http-equiv', 'attributename', 'values', 'from', 'to', 'by', 'sandbox'])
/** Elements whose content is not shown as text. */
const RAW = new Set(
  'script style xmp iframe noembed noframes noscript plaintext template object embed applet svg math'.split(
    ' ',
  ),
)

const URL_ALLOWED = /^(?:https?:\/\/[^/\\]|mailto:|tel:)/i
const STYLE_URL_ALLOWED = /^(?:https?:\/\/[^/\\]|cid:|data:image\/)/i
const DESCRIPTOR = /^\d{1,5}(?:\.\d{1,3})?[wxh]$/
/** Words, numbers, colours and lengths. Nothing that loads, and nothing that ends a declaration. */
const STYLE_VALUE = /^[\w\s#%.,+/:?=&~-]*$/

type Attribute = { name: string; start: number; end: number; quote: number }
type Zone =
  | { kind: 'tag'; start: number; end: number; element: string; attributes: Attribute[] }
  | { kind: 'text' | 'hidden'; start: number; end: number; inside: string | null }

const UNQUOTED = 1

/**
 * Finds variables in an HTML text that stand where a value could do more than be shown: in a URL that is not http, https, mailto
 * or tel, in an attribute without quotes, in a script, a style, a comment or an event handler, in a name, or across the end of
 * what holds them. With `isSource` the text is the template itself, whose variables have no values yet. One pass over the text,
 * without building a tree.
 */
export function misplacedIn(
  html: string,
  foreign: Foreign[],
  { isSource }: { isSource: boolean },
): Misplaced[] {
  const parts = foreign.filter(({ start, end }) => end > start)
  if (parts.length === 0) return []
  const found = new Map<string, Misplaced>()
  const refuse = ({ name }: Foreign, reason: string | null) => {
    if (reason !== null && !found.has(name)) found.set(name, { name, reason })
  }
  const zones = zonesOf(html)
  const inAttribute = new Map<Attribute, { tag: Zone & { kind: 'tag' }; parts: Foreign[] }>()
  let first = 0
  for (const part of parts) {
    while ((zones[first]?.end ?? Number.POSITIVE_INFINITY) <= part.start) first++
    for (let at = first; at < zones.length; at++) {
      const zone = zones[at]
      if (!zone || zone.start >= part.end) break
      if (zone.kind !== 'tag') refuse(part, textFault(zone))
      // A value may bring whole elements: only `raw` lets them through, and they are sanitised.
      else if (part.start > zone.start || part.end < zone.end) {
        const attribute = holding(zone.attributes, part)
        if (!attribute) refuse(part, 'stands in a tag outside the quotes of an attribute')
        else {
          const known = inAttribute.get(attribute) ?? { tag: zone, parts: [] }
          known.parts.push(part)
          inAttribute.set(attribute, known)
        }
      }
    }
  }
  for (const [attribute, { tag, parts: held }] of inAttribute) {
    const reason = attributeFault(html, tag, attribute, held, isSource)
    for (const part of held) refuse(part, reason)
  }
  return [...found.values()]
}

/** Whether a variable stands in a tag, or in anything else but shown text. */
export function isInTag(html: string, foreign: Foreign[]): boolean {
  const zones = zonesOf(html).filter((zone) => zone.kind !== 'text' || zone.inside !== null)
  let first = 0
  return foreign.some((part) => {
    while ((zones[first]?.end ?? Number.POSITIVE_INFINITY) <= part.start) first++
    return (zones[first]?.start ?? Number.POSITIVE_INFINITY) < part.end
  })
}

/** The attribute whose value holds the whole part, if one does. They are in the order of the text. */
function holding(attributes: Attribute[], part: Foreign): Attribute | null {
  let [low, high] = [0, attributes.length - 1]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((attributes[middle]?.start ?? 0) <= part.start) low = middle
    else high = middle - 1
  }
  const found = attributes[low]
  return found && found.start <= part.start && part.end <= found.end ? found : null
}

function textFault({ kind, inside }: Zone & { kind: 'text' | 'hidden' }): string | null {
  if (kind === 'hidden') return 'stands in a comment or a declaration'
  return inside === null ? null : `stands inside <${inside}>`
}

/** Why the variables in this attribute are refused, or null. */
function attributeFault(
  html: string,
  tag: Zone & { kind: 'tag' },
  { name, start, end, quote }: Attribute,
  parts: Foreign[],
  isSource: boolean,
): string | null {
  if (quote === UNQUOTED) return `stands in the attribute ${name} without quotes`
  if (name.startsWith('on')) return `stands in the event handler ${name}`
  if (REFUSED.has(name)) return `stands in the attribute ${name}`
  if (tag.element === 'script' || tag.element === 'style') return `stands inside <${tag.element}>`
  if (tag.element === 'meta' && name === 'content') {
    const isInstruction = tag.attributes.some((other) => other.name === 'http-equiv')
    return isInstruction ? 'stands in an instruction' : null
  }
  if (isSource || PLAIN.has(name) || name.startsWith('data-') || name.startsWith('aria-')) return null
  const value = decoded(html.slice(start, end))
  if (name === 'style') {
    return parts.every((part) => STYLE_VALUE.test(decoded(html.slice(part.start, part.end)))) &&
      isSafeStyle(value)
      ? null
      : 'must be a plain value of a style'
  }
  const isSafe = LISTS.has(name)
    ? value.split(/[\s,]+/).every((each) => each === '' || DESCRIPTOR.test(each) || URL_ALLOWED.test(each))
    : isSafeUrl(value, decoded(html.slice(start, parts[0]?.start)))
  return isSafe ? null : `must be a URL that begins with http://, https://, mailto: or tel: (in ${name})`
}

/** A URL whose beginning is fixed in the template is safe. Otherwise the value must be a whole URL with an allowed scheme. */
function isSafeUrl(value: string, prefix: string): boolean {
  if (/[:/?#]/.test(prefix)) return true
  const url = asParsed(value)
  return url === '' || URL_ALLOWED.test(url)
}

/** As browsers read a URL: without controls and spaces around it, and without tabs and line breaks in it. */
function asParsed(url: string): string {
  return url.replace(/^[\0- ]+/, '').replace(/[\t\n\r]/g, '')
}

function isSafeStyle(style: string): boolean {
  const [, ...urls] = style.toLowerCase().split('url(')
  return urls.every((url) => STYLE_URL_ALLOWED.test(asParsed(url.replace(/^[\s"']+/, ''))))
}

/** The value of an attribute with its entities decoded, as this parser and browsers decode them. */
function decoded(source: string): string {
  let value = ''
  const parser = new Parser({
    onattribute: (_, text) => {
      value = text
    },
  })
  parser.end(`<a b="${source.replaceAll('"', '&quot;')}">`)
  return value
}

/** The text as zones: tags with their attributes, shown or unshown text, and what is between them, such as comments. */
function zonesOf(html: string): Zone[] {
  const zones: Zone[] = []
  let read = 0
  let raw: string | null = null
  let tag: (Zone & { kind: 'tag' }) | null = null
  let attribute: Attribute | null = null
  const add = (zone: Zone) => {
    if (zone.start > read) zones.push({ kind: 'hidden', start: read, end: zone.start, inside: null })
    zones.push(zone)
    read = zone.end
  }
  const text = (start: number, end: number) => add({ kind: 'text', start, end, inside: raw })
  const closeTag = (end: number) => {
    if (tag) add({ ...tag, end })
    tag = null
  }
  const tokenizer = new Tokenizer(
    { decodeEntities: true },
    {
      ontext: text,
      ontextentity: (_, end) => text(Math.min(read, end), end),
      onopentagname(start, end) {
        tag = {
          kind: 'tag',
          start: start - 1,
          end,
          element: html.slice(start, end).toLowerCase(),
          attributes: [],
        }
      },
      onattribname(start, end) {
        attribute = { name: html.slice(start, end).toLowerCase(), start: end, end, quote: 0 }
      },
      onattribdata() {},
      onattribentity() {},
      onattribend(quote, end) {
        if (!attribute || !tag) return
        const begin = /[^\s=]/.exec(html.slice(attribute.start, end))?.index ?? 0
        const isQuoted = quote > UNQUOTED
        attribute.quote = quote
        attribute.start += begin + (isQuoted ? 1 : 0)
        attribute.end = isQuoted ? end - 1 : end
        tag.attributes.push(attribute)
        attribute = null
      },
      onopentagend(end) {
        const element = tag?.element ?? ''
        closeTag(end + 1)
        if (raw === null && RAW.has(element)) raw = element
      },
      onselfclosingtag: (end) => closeTag(end + 1),
      onclosetag(start, end) {
        const element = html.slice(start, end).toLowerCase()
        if (element === raw) raw = null
        const close = html.indexOf('>', end)
        const after = close < 0 ? html.length : close + 1
        add({ kind: 'tag', start: start - 2, end: after, element, attributes: [] })
      },
      oncomment() {},
      oncdata() {},
      ondeclaration() {},
      onprocessinginstruction() {},
      onend() {},
    },
  )
  tokenizer.write(html)
  tokenizer.end()
  if (read < html.length) zones.push({ kind: 'hidden', start: read, end: html.length, inside: null })
  return zones
}
