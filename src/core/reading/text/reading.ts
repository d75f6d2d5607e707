import { Parser } from 'htmlparser2'
import { hiddenClasses, hidingOf, type Look } from './visibility.ts'

/** How deep elements may lie in one another; the parser's own work grows with the square of it. */
export const MAX_DEPTH = 256

export type Reading = {
  /** What a reader sees, in lines, links as `text (url)`. */
  text: string
  /** The part of it that is not the text of a link. */
  unlinked: string
  /** What a program reads and a person does not, and why not. */
  hidden: { how: string; text: string }[]
  /** Texts that stand beside the page. */
  notes: { where: 'comment' | 'alt' | 'title' | 'aria-label'; text: string }[]
  links: { href: string; text: string }[]
  sources: string[]
  /** False where the elements lie too deep and reading stopped. */
  isWhole: boolean
}

type Link = { href: string; text: string; start: number }

type Frame = { name: string; look: Look; link: Link | null; isPre: boolean; isSilent: boolean }

const SILENT = new Set(
  'canvas head iframe math noembed noframes object option script select style svg template textarea title xmp'.split(
    ' ',
  ),
)
const BLOCK = new Set(
  'address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure footer form header html li main nav ol p pre section summary table tbody tfoot thead tr ul'.split(
    ' ',
  ),
)
const SPACED = new Set(['h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'p', 'table', 'ul', 'ol', 'blockquote', 'hr'])
const SOURCES = ['src', 'background', 'poster', 'action', 'data']

/** Takes HTML apart in one pass: what is seen, what is hidden, what stands beside, where links lead. */
export function readHtml(html: string): Reading {
  const reading: Reading = {
    text: '',
    unlinked: '',
    hidden: [],
    notes: [],
    links: [],
    sources: [],
    isWhole: true,
  }
  const visible: Look = { how: null, color: '#000000', background: '#ffffff' }
  const root: Frame = { name: '', look: visible, link: null, isPre: false, isSilent: false }
  const frames = [root]
  const top = () => frames.at(-1) ?? root
  const page = newPage()
  const classes = new Map<string, string>()
  let style = ''
  let unlinked = ''
  let isApart = false

  const say = (text: string) => {
    const { look, link, isPre, isSilent, name } = top()
    if (name === 'style') style += text
    if (isSilent) return
    if (look.how === null) {
      page.write(text, isPre)
      isApart = true
      if (link) link.text += text
      else unlinked += text
      return
    }
    const last = reading.hidden.at(-1)
    if (last?.how === look.how) last.text += `${isApart ? '\n' : ''}${text}`
    else if (text.trim() !== '') reading.hidden.push({ how: look.how, text })
    isApart = false
  }
  const note = (where: Reading['notes'][number]['where'], text: string | undefined) => {
    if (text && text.trim() !== '') reading.notes.push({ where, text })
  }

  const parser = new Parser({
    onopentag(name, attributes) {
      if (frames.length > MAX_DEPTH) {
        reading.isWhole = false
        parser.pause()
        return
      }
      const above = top()
      const look = hidingOf(attributes, classes, above.look)
      const isSilent = above.isSilent || SILENT.has(name)
      const isSeen = !isSilent && look.how === null
      if (isSeen && name === 'br') page.line()
      if (isSeen && name === 'hr') page.paragraph()
      if (isSeen && BLOCK.has(name)) page.line()
      if (isSeen && SPACED.has(name)) page.paragraph()
      if (isSeen && name === 'li') page.write('- ', false)
      if (isSeen && (name === 'td' || name === 'th')) page.write(' ', false)

      const href = name === 'a' || name === 'area' ? attributes.href?.trim() : undefined
      const link = href ? { href, text: '', start: page.mark() } : above.link
      frames.push({ name, look, link, isPre: above.isPre || name === 'pre', isSilent })
      for (const key of SOURCES) if (attributes[key]) reading.sources.push(attributes[key])
      if (name === 'img' && attributes.alt) {
        note('alt', attributes.alt)
        say(attributes.alt)
      }
      note('title', attributes.title)
      note('aria-label', attributes['aria-label'])
    },
    ontext: say,
    oncomment: (text) => note('comment', text),
    onclosetag(name) {
      if (!reading.isWhole) return
      const frame = frames.length > 1 ? frames.pop() : undefined
      if (frame?.name === 'style') {
        for (const [key, how] of hiddenClasses(style)) classes.set(key, how)
        style = ''
      }
      if (!frame || frame.isSilent || frame.look.how !== null) {
        if (frame?.link && frame.link !== top().link) reading.links.push(plainLink(frame.link))
        return
      }
      if (frame.link && frame.link !== top().link) {
        const link = plainLink(frame.link)
        reading.links.push(link)
        if (page.mark() > frame.link.start && isWorthShowing(link)) page.write(` (${link.href})`, false)
      }
      if (BLOCK.has(name)) page.line()
      if (SPACED.has(name)) page.paragraph()
    },
  })
  parser.write(html)
  if (reading.isWhole) parser.end()
  return { ...reading, text: page.text(), unlinked }
}

/** Lines as they grow: white space is folded while it is written, and never more than one line stays empty. */
function newPage() {
  const pieces: string[] = []
  let written = 0
  let pending: '' | ' ' | '\n' | '\n\n' = ''
  const push = (piece: string) => {
    pieces.push(piece)
    written += piece.trim().length
  }
  return {
    write(text: string, isPre: boolean) {
      const said = isPre ? text : text.replace(/[ \t\r\n\f\u00a0]+/g, ' ')
      const body = isPre ? said : said.trim()
      if (said.startsWith(' ') && pending === '') pending = ' '
      if (body === '') return
      if (pieces.length > 0) push(pending)
      pending = ''
      push(body)
      if (!isPre && said.endsWith(' ')) pending = ' '
    },
    line() {
      if (pending !== '\n\n') pending = '\n'
    },
    paragraph() {
      pending = '\n\n'
    },
    mark: () => written,
    text: () => pieces.join('').trim(),
  }
}

function plainLink({ href, text }: Link) {
  return { href, text: text.replace(/\s+/g, ' ').trim() }
}

/** An address that the text already shows is not said twice. */
function isWorthShowing({ href, text }: { href: string; text: string }): boolean {
  if (!/^(?:https?|mailto|tel):/i.test(href)) return false
  const bare = (url: string) => url.replace(/^(?:https?:\/\/(?:www\.)?|mailto:|tel:)|\/$/gi, '').toLowerCase()
  return bare(href) !== bare(text)
}
