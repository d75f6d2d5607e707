import { Tokenizer } from 'htmlparser2'
import { newView, type View } from './view.ts'

/** Elements that stand apart from what is before and after them: a number does not go on across them. */
const BLOCK = new Set(
  'address article aside blockquote body br caption center dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hr html li main nav ol option p pre script section select style table tbody td textarea tfoot th thead title tr ul'.split(
    ' ',
  ),
)

/**
 * What HTML says, shown or hidden, entities resolved, across tags; and what stands beside it: attributes, comments,
 * declarations and the names of what is no element. One pass, without a tree, so that no nesting makes it slow.
 */
export function markupViews(html: string): View[] {
  const seen = newView()
  const beside = newView()
  const source: View = { text: html, starts: null, ends: null }
  /** Where the value of the attribute has been read to, and from which of its characters on the end is not known yet. */
  let read = 0
  let open = 0
  /** A block has just begun or ended. */
  let isApart = true
  const close = (end: number) => {
    for (; open < beside.ends.length; open++) beside.ends[open] = Math.max(beside.ends[open] ?? 0, end)
  }
  const boundary = (start: number, end: number) => {
    const name = html.slice(start, end)
    if (BLOCK.has(name.toLowerCase()) && !isApart) seen.add('\n', start, start)
    isApart = isApart || BLOCK.has(name.toLowerCase())
    if (name.length > 12) aside(start, end)
  }
  const aside = (start: number, end: number) => {
    beside.add('\n', start, start)
    beside.copy(source, start, end)
    open = beside.ends.length
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
      onattribname(start, end) {
        aside(start, end)
        beside.add('=', start, start)
        open = beside.ends.length
        read = end
      },
      onattribdata(start, end) {
        close(start)
        beside.copy(source, start, end)
        open = beside.ends.length
        read = end
      },
      onattribentity: (code) => beside.add(String.fromCodePoint(code), html.indexOf('&', read), read),
      onattribend(quote, end) {
        close(quote > 1 ? end - 1 : end)
      },
      oncomment: (start, end) => aside(start, end),
      oncdata: (start, end) => aside(start, end),
      ondeclaration: aside,
      onprocessinginstruction: aside,
      onopentagend() {},
      onselfclosingtag() {},
      onend() {},
    },
  )
  tokenizer.write(html)
  tokenizer.end()
  return [seen.done(), beside.done()]
}
