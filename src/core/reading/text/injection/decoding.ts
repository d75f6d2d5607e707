/** A text to search: as it was written, or after one kind of disguise was decoded. */
type View = { disguise: string | null; text: string }

const LAYERS = 2
const RUNS = 40
const RUN = 8_192

/** Pairs: a letter of another script, and the Latin letter that it looks like. */
const LOOKALIKES = new Map(
  [
    ...'аaвbсcеeнhіiјjкkмmоoрpԛqѕsтtуyхxԝwьbпnгrԁdһhӏlɡgıiαaβbεeηnιiκkνvοoρpτtυuχxωwγyƍdⅼlɑaｅe'.matchAll(
      /(.)(.)/gu,
    ),
  ].map(([, from = '', to = '']) => [from, to]),
)
const LEET = new Map(
  Object.entries({ 0: 'o', 1: 'i', 3: 'e', 4: 'a', 5: 's', 7: 't', '@': 'a', $: 's', '!': 'i' }),
)

const LEET_PAIR = /[a-z][013457@$!]{1,2}[a-z]/gi

const BASE64 = /(?<![\w+/-])[\w+/-]{20,}(?:\r?\n[\w+/-]{4,}){0,200}={0,2}/g
const PERCENT = /(?:%[\da-f]{2}[\w.,!?+-]{0,12}){6,}/gi
const HEX = /(?<![\da-z])(?:(?:0x|\\x)?[\da-f]{2}[\s,:]{0,2}){12,}/gi
const ESCAPES = /(?:\\u[\da-f]{4}[\w .,!?]{0,12}){4,}/gi
const ENTITIES = /(?:&#(?:x[\da-f]{1,6}|\d{1,7});[\w .,!?]{0,12}){4,}/gi
const SPACED = /\b[a-z][ ._*~|-]{1,3}[a-z][ ._*~|-]{1,3}(?:[a-z][ ._*~|-]{1,3}){7,}[a-z]\b/gi
const TURNED = /vtaber|vafgehpgvba|qvfertneq|flfgrz|cebzcg|sbejneq|cnffjbeq|nffvfgnag|frperg/i
const REVERSED = /erongi|snoitcurtsni|tpmorp|tnatsissa|drawrof|drawssap|drageresid|metsys|terces/i

/** Every view of a text, with disguises decoded two layers deep. All are folded; the first is the text itself. */
export function viewsOf(text: string): View[] {
  const views: View[] = []
  const queue: { view: View; layer: number }[] = [{ view: { disguise: null, text }, layer: 0 }]
  for (const { view, layer } of queue) {
    views.push({ ...view, text: fold(view.text) })
    if (layer === LAYERS) continue
    for (const inner of undisguised(view.text)) {
      if (queue.length >= RUNS * LAYERS) break
      const disguise = inner.disguise ?? view.disguise
      queue.push({ view: { disguise, text: inner.text }, layer: layer + 1 })
    }
  }
  return views
}

/**
 * The form in which phrases are searched: lower case, no accents, compatibility forms replaced, invisible characters removed,
 * lookalike letters made Latin, and single line breaks made spaces.
 */
export function fold(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it matches everything outside ASCII.
  const isPlain = !/[^\x00-\x7f]/.test(text)
  const shown = isPlain
    ? text
    : latin(text.normalize('NFKD').replace(/[\p{M}\p{Cf}\p{Default_Ignorable_Code_Point}]/gu, ''))
  return shown
    .replace(/(?<![*_`~])[*_`~]+(?=\w)|(?<=\w)[*_`~]+/g, '')
    .replace(/[ \t\r\f\v]*\n[ \t\r\f\v]*(?!\s*\n)/g, (gap) => (gap.split('\n').length > 2 ? '\n' : ' '))
    .replace(/[ \t]{2,}/g, ' ')
    .toLowerCase()
}

/** The text in tag characters, which no program shows. The flags of England, Scotland and Wales use them too and are skipped. */
export function tagText(text: string): string {
  const rest = text.replace(/\u{1f3f4}[\u{e0020}-\u{e007f}]{2,6}\u{e007f}/gu, '')
  const tags = rest.match(/[\u{e0020}-\u{e007e}]/gu) ?? []
  return tags.map((tag) => String.fromCodePoint((tag.codePointAt(0) ?? 0) - 0xe0000)).join('')
}

/** Text hidden in runs of zero-width marks (as bits) or of variation selectors (as bytes). */
export function invisibleText(text: string): string {
  const said: string[] = []
  for (const [run] of some(text, /[\u200b-\u200d\u2060-\u2064\ufeff]{40,}/g)) {
    const marks = [...new Set(run)]
    for (const zero of marks.length === 2 ? marks : []) {
      const bits = [...run].map((mark) => (mark === zero ? '0' : '1')).join('')
      const bytes = bits.match(/.{8}/g) ?? []
      said.push(readable(Uint8Array.from(bytes, (byte) => Number.parseInt(byte, 2))) ?? '')
    }
  }
  for (const [run] of some(text, /[\ufe00-\ufe0f\u{e0100}-\u{e01ef}]{10,}/gu)) {
    const bytes = [...run].map((mark) => {
      const code = mark.codePointAt(0) ?? 0
      return code < 0xe0100 ? code - 0xfe00 : code - 0xe0100 + 16
    })
    said.push(readable(Uint8Array.from(bytes)) ?? '')
  }
  return said.filter((each) => each !== '').join('\n')
}

/** How many Latin words have a zero-width mark inside, where the script never needs one. */
export function brokenWordCount(text: string): number {
  return text.match(/[A-Za-z][\u200b-\u200d\u2060-\u2064\ufeff\u180e]+(?=[A-Za-z])/g)?.length ?? 0
}

/** How many words mix Latin letters with lookalikes of another script. */
export function mixedWordCount(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it matches everything outside ASCII.
  if (!/[^\x00-\x7f]/.test(text)) return 0
  return (
    text.match(/[A-Za-z][\u0370-\u03ff\u0400-\u052f]|[\u0370-\u03ff\u0400-\u052f][A-Za-z]/gu)?.length ?? 0
  )
}

function latin(text: string): string {
  if (!/[\u0131\u0251\u0261\u0370-\u052f\u217c]/.test(text)) return text
  return text.replace(/[\p{L}]+/gu, (word) =>
    /[A-Za-z]/.test(word) || [...word.toLowerCase()].every((letter) => LOOKALIKES.has(letter))
      ? [...word].map((letter) => LOOKALIKES.get(letter.toLowerCase()) ?? letter).join('')
      : word,
  )
}

function* undisguised(text: string): Generator<View> {
  for (const [run] of some(text, BASE64)) {
    const decoded = readable(bytesOfBase64(run))
    if (decoded !== null) yield { disguise: 'base64', text: decoded }
  }
  for (const [run] of some(text, HEX)) {
    const digits = run.replace(/0x|\\x|[^\da-f]/gi, '')
    const decoded = readable(Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)))
    if (decoded !== null) yield { disguise: 'hex', text: decoded }
  }
  for (const [run] of some(text, PERCENT)) {
    const decoded = run.replace(/(?:%[\da-f]{2})+/gi, (part) =>
      new TextDecoder().decode(
        Uint8Array.from(part.slice(1).split('%'), (pair) => Number.parseInt(pair, 16)),
      ),
    )
    yield { disguise: 'percent', text: decoded.replaceAll('+', ' ') }
  }
  for (const [run] of some(text, ESCAPES)) {
    const decoded = run.replace(/\\u([\da-f]{4})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
    yield { disguise: 'escapes', text: decoded }
  }
  for (const [run] of some(text, ENTITIES)) {
    const decoded = run.replace(/&#(x?)([\da-f]+);/gi, (_, isHex: string, digits: string) => {
      const code = Number.parseInt(digits, isHex ? 16 : 10)
      return code <= 0x10ffff ? String.fromCodePoint(code) : ''
    })
    yield { disguise: 'entities', text: decoded }
  }
  for (const [run] of some(text, SPACED)) yield { disguise: 'spaced letters', text: joined(run) }
  const begin = text.slice(0, 4 * RUN)
  if (TURNED.test(begin)) yield { disguise: 'rot13', text: turned(begin) }
  if (REVERSED.test(begin)) yield { disguise: 'reversed', text: [...begin].reverse().join('') }
  const leet = begin.split('\n').filter((line) => (line.match(LEET_PAIR)?.length ?? 0) >= 3)
  if (leet.length > 0) yield { disguise: 'digits for letters', text: unleet(leet.join('\n')) }
}

function* some(text: string, pattern: RegExp) {
  let count = 0
  for (const match of text.matchAll(pattern)) {
    if (++count > RUNS) return
    yield [match[0].slice(0, RUN)] as const
  }
}

function bytesOfBase64(run: string): Uint8Array {
  const plain = run.replace(/\s/g, '').replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '')
  const whole = plain.slice(0, plain.length - (plain.length % 4 === 1 ? 1 : 0))
  try {
    return Uint8Array.from(atob(whole), (letter) => letter.charCodeAt(0))
  } catch {
    return new Uint8Array()
  }
}

/** The bytes as text, or null if they are not text. */
function readable(bytes: Uint8Array): string | null {
  if (bytes.length < 10) return null
  let strange = 0
  for (const byte of bytes.subarray(0, 64)) if (byte < 9 || (byte > 13 && byte < 32)) strange++
  if (strange > 0 && (strange < 24 || bytes[0] === 0)) return null
  const isWide = bytes.length % 2 === 0 && bytes.every((byte, at) => at % 2 === 0 || byte === 0)
  const text = isWide
    ? String.fromCharCode(...bytes.filter((_, at) => at % 2 === 0))
    : new TextDecoder().decode(bytes)
  const odd = text.match(/[\ufffd\p{Cc}\p{Co}\p{Cn}]/gu)?.length ?? 0
  const lines = text.match(/[\n\r\t]/g)?.length ?? 0
  return (odd - lines) / text.length < 0.05 ? text : null
}

/** Letters with one separator between them are one word. Two or more separators divide words. */
function joined(run: string): string {
  const parts = run.split(/[ ._*~|-]{2,3}/)
  return parts.map((part) => part.replace(/[ ._*~|-]/g, '')).join(' ')
}

function turned(text: string): string {
  return text.replace(/[a-z]/gi, (letter) => {
    const base = letter <= 'Z' ? 65 : 97
    return String.fromCharCode(((letter.charCodeAt(0) - base + 13) % 26) + base)
  })
}

function unleet(text: string): string {
  return text.replace(/(?<![\w@$!])[\w@$!]{3,20}(?![\w@$!])/g, (word) =>
    word.replace(/[013457@$!]/g, (letter) => LEET.get(letter) ?? letter),
  )
}
