import { Tokenizer } from 'htmlparser2'
import { newView, plainView, type View } from './view.ts'

/** Elements that separate their text from the text around them: a number does not continue across their tags. */
const BLOCK = new Set(
  'address article aside blockquote body br caption center dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hr html li main nav ol option p pre script section select style table tbody td textarea tfoot th thead title tr ul'.split(
    ' ',
  ),
)

/**
 * Two views of HTML. The first is its text, shown or hidden, with entities decoded and tags removed. The second is
 * everything beside the text: attributes, comments, declarations and the names of unknown elements. Reads in one pass
 * without building a tree, so that deep nesting does not make it slow.
 */
export function markupViews(html: string): View[] {
  const seen = newView()
  const beside = besideText(html)
  const source = plainView(html)
  /** Whether the text so far ends at a block, so that no further line break is needed. */
  let isApart = true
  const boundary = (start: number, end: number) => {
    const name = html.slice(start, end)
    if (BLOCK.has(name.toLowerCase()) && !isApart) seen.add('\n', start, start)
    isApart = isApart || BLOCK.has(name.toLowerCase())
    if (name.length > 12) beside.add(start, end)
  }
  const tokenizer = new Tokenizer(
    { decodeEntities: true },
    {
      ontext(start, end) {
        isApart = false
        seen.copy(source, start, end)
      },
      ontextentity(code, end) {
        isApart = false
        const begin = html.lastIndexOf('&', end - 1)
        seen.add(String.fromCodePoint(code), begin, end)
      },
      onopentagname: boundary,
      onclosetag: boundary,
      onattribname: beside.attributeName,
      onattribdata: beside.attributeData,
      onattribentity: beside.attributeEntity,
      onattribend: beside.attributeEnd,
      oncomment: (start, end) => beside.add(start, end),
      oncdata: (start, end) => beside.add(start, end),
      ondeclaration: beside.add,
      onprocessinginstruction: beside.add,
      onopentagend() {},
      onselfclosingtag() {},
      onend() {},
    },
  )
  tokenizer.write(html)
  tokenizer.end()
  return [seen.done(), beside.done()]
}

/** Collects what is beside the text, each piece on a line of its own. */
function besideText(html: string) {
  const view = newView()
  const source = plainView(html)
  /** How far the value of the current attribute has been read. */
  let read = 0
  /** The first character of the view whose end in the source is not known yet. */
  let open = 0
  const close = (end: number) => {
    for (; open < view.ends.length; open++) view.ends[open] = Math.max(view.ends[open] ?? 0, end)
  }
  const add = (start: number, end: number) => {
    view.add('\n', start, start)
    view.copy(source, start, end)
    open = view.ends.length
  }
  return {
    add,
    attributeName(start: number, end: number) {
      add(start, end)
      view.add('=', start, start)
      open = view.ends.length
      read = end
    },
    attributeData(start: number, end: number) {
      close(start)
      view.copy(source, start, end)
      open = view.ends.length
      read = end
    },
    /** The tokenizer does not tell where an entity ends: the next piece of the value does. */
    attributeEntity: (code: number) => view.add(String.fromCodePoint(code), html.indexOf('&', read), read),
    attributeEnd: (quote: number, end: number) => close(quote > 1 ? end - 1 : end),
    done: view.done,
  }
}
