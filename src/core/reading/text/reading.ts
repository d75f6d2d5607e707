import { Parser } from 'htmlparser2'
import { hiddenClasses, hidingOf, type Look } from './visibility.ts'

/** How deep elements may be nested. The parser's work grows with the square of the depth. */
export const MAX_DEPTH = 256

export type Reading = {
  /** The visible text, in lines, with links as `text (url)`. */
  text: string
  /** The visible text outside links. */
  unlinked: string
  /** Text that a program reads but a person does not see, and how it is hidden. */
  hidden: { how: string; text: string }[]
  /** Text in comments and attributes. */
  notes: { where: 'comment' | 'alt' | 'title' | 'aria-label'; text: string }[]
  links: { href: string; text: string }[]
  sources: string[]
  /** False if the elements are nested too deep and reading stopped. */
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

/** What is known after the part of a document that has been read. */
type State = {
  reading: Reading
  frames: Frame[]
  page: Page
  /** Classes that hide their elements, and how. */
  classes: Map<string, string>
  /** The style sheet that is being read. */
  style: string
  unlinked: string
  /** Whether visible text came after the last hidden text. */
  isApart: boolean
}

const VISIBLE: Look = { how: null, color: '#000000', background: '#ffffff' }
const ROOT: Frame = { name: '', look: VISIBLE, link: null, isPre: false, isSilent: false }

/** Reads HTML in one pass: visible text, hidden text, comments and attributes with text, links and sources. */
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
  const state: State = {
    reading,
    frames: [ROOT],
    page: newPage(),
    classes: new Map(),
    style: '',
    unlinked: '',
    isApart: false,
  }
  const parser = new Parser({
    onopentag(name, attributes) {
      if (state.frames.length > MAX_DEPTH) {
        reading.isWhole = false
        parser.pause()
        return
      }
      openElement(state, name, attributes)
    },
    ontext: (text) => addText(state, text),
    oncomment: (text) => addNote(state, 'comment', text),
    onclosetag(name) {
      if (reading.isWhole) closeElement(state, name)
    },
  })
  parser.write(html)
  if (reading.isWhole) parser.end()
  return { ...reading, text: state.page.text(), unlinked: state.unlinked }
}

const innermost = ({ frames }: State) => frames.at(-1) ?? ROOT

function openElement(state: State, name: string, attributes: Record<string, string>) {
  const { page, reading } = state
  const above = innermost(state)
  const look = hidingOf(attributes, state.classes, above.look)
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
  state.frames.push({ name, look, link, isPre: above.isPre || name === 'pre', isSilent })
  for (const key of SOURCES) if (attributes[key]) reading.sources.push(attributes[key])
  if (name === 'img' && attributes.alt) {
    addNote(state, 'alt', attributes.alt)
    addText(state, attributes.alt)
  }
  addNote(state, 'title', attributes.title)
  addNote(state, 'aria-label', attributes['aria-label'])
}

function closeElement(state: State, name: string) {
  const { frames, page, reading } = state
  const frame = frames.length > 1 ? frames.pop() : undefined
  if (frame?.name === 'style') {
    for (const [key, how] of hiddenClasses(state.style)) state.classes.set(key, how)
    state.style = ''
  }
  if (!frame || frame.isSilent || frame.look.how !== null) {
    if (frame?.link && frame.link !== innermost(state).link) reading.links.push(plainLink(frame.link))
    return
  }
  if (frame.link && frame.link !== innermost(state).link) {
    const link = plainLink(frame.link)
    reading.links.push(link)
    if (page.mark() > frame.link.start && isWorthShowing(link)) page.write(` (${link.href})`, false)
  }
  if (BLOCK.has(name)) page.line()
  if (SPACED.has(name)) page.paragraph()
}

function addText(state: State, text: string) {
  const { look, link, isPre, isSilent, name } = innermost(state)
  if (name === 'style') state.style += text
  if (isSilent) return
  if (look.how === null) {
    state.page.write(text, isPre)
    state.isApart = true
    if (link) link.text += text
    else state.unlinked += text
    return
  }
  const { hidden } = state.reading
  const last = hidden.at(-1)
  if (last?.how === look.how) last.text += `${state.isApart ? '\n' : ''}${text}`
  else if (text.trim() !== '') hidden.push({ how: look.how, text })
  state.isApart = false
}

function addNote({ reading }: State, where: Reading['notes'][number]['where'], text: string | undefined) {
  if (text && text.trim() !== '') reading.notes.push({ where, text })
}

type Page = ReturnType<typeof newPage>

/** Collects the visible text. Folds white space while writing, and keeps at most one empty line in a row. */
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

/** Whether to add the URL of a link to its text: not if the text already shows it. */
function isWorthShowing({ href, text }: { href: string; text: string }): boolean {
  if (!/^(?:https?|mailto|tel):/i.test(href)) return false
  const bare = (url: string) => url.replace(/^(?:https?:\/\/(?:www\.)?|mailto:|tel:)|\/$/gi, '').toLowerCase()
  return bare(href) !== bare(text)
}
