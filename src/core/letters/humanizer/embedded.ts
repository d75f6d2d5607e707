import type { HumanizerStyle } from '../../../schema/accounts.ts'
import { fixedPlaces, type Wording } from './guard.ts'
import { readMarkup, writeMarkup } from './markup.ts'

/** Rewrites one text. `pick` chooses a variant: always the same for the same send and rule. */
type Rule = { name: string; pattern: RegExp; to: Partial<Record<HumanizerStyle, string[]>> }

const ALL = (...variants: string[]) => ({ casual: variants, friendly: variants, professional: variants })
const EASY = (...variants: string[]) => ({ casual: variants, friendly: variants })

/** First words of a message. `Dear` stays before a title or an office. */
const GREETING: Rule = {
  name: 'greeting',
  pattern:
    /^(?:Hello|Hi|Hey|Greetings|Dear(?!\s+(?:Sir|Madam|Mr|Mrs|Ms|Mx|Dr|Prof|Professor|Team|Customer|Hiring|All|Colleagues?)\b))(?=[ ,!]|$)/,
  to: { casual: ['Hi', 'Hey'], friendly: ['Hi', 'Hello'], professional: ['Hello'] },
}

/** A closing on a line of its own. */
const CLOSING: Rule = {
  name: 'closing',
  pattern:
    /^(?:(?:Yours )?(?:Sincerely|Faithfully|Truly)|Sincerely yours|(?:Best|Kind|Warm)(?:est)? regards|Regards|Respectfully|Cheers|All the best|Best|Many thanks)(?=[,.!]?$)/gim,
  to: {
    casual: ['Cheers', 'Best'],
    friendly: ['All the best', 'Warmly'],
    professional: ['Best regards', 'Kind regards'],
  },
}

const PHRASES: Rule[] = [
  {
    name: 'finds-you',
    pattern: /\bI hope (?:this|that this|my) (?:e-?mail|message|note|letter) finds you well\b/g,
    to: {
      casual: ["Hope you're doing well", 'Hope all is well'],
      friendly: ["I hope you're doing well", 'I hope your week is going well'],
      professional: ['I hope you are well', 'I hope all is well with you'],
    },
  },
  {
    name: 'writing-to',
    pattern: /\bI(?: am|'m|’m) (?:writing|reaching out) to (?:inform you|let you know) that\b/g,
    to: {
      ...EASY('I wanted to let you know that', 'Just to let you know:'),
      professional: ['I would like to let you know that'],
    },
  },
  {
    name: 'pleased',
    pattern: /\bWe(?: are|'re|’re) (?:pleased|delighted) to (?:inform|tell|advise) you that\b/g,
    to: EASY("We're happy to tell you that", "We're glad to say that"),
  },
  { name: 'advised', pattern: /\bPlease be (?:advised|informed) that\b/g, to: ALL('Please note that') },
  {
    name: 'earliest',
    pattern: /\bat your earliest convenience\b/g,
    to: EASY('when you have a moment', 'when you get a chance'),
  },
  { name: 'kindly', pattern: /\bKindly\b(?= [a-z])/g, to: ALL('Please') },
  { name: 'in-order-to', pattern: /\bin order to\b/g, to: ALL('to') },
  { name: 'prior-to', pattern: /\bprior to\b/g, to: ALL('before') },
  { name: 'utilize', pattern: /\butili[sz]e\b/g, to: ALL('use') },
  { name: 'additionally', pattern: /\b(?:Additionally|Furthermore|Moreover),/g, to: EASY('Also,') },
  { name: 'require', pattern: /\bshould you (?:require|need)\b/g, to: EASY('if you need') },
  { name: 'Require', pattern: /\bShould you (?:require|need)\b/g, to: EASY('If you need') },
  { name: 'assistance', pattern: /\bassistance\b/g, to: EASY('help') },
  { name: 'asap', pattern: /\bASAP\b/g, to: { professional: ['as soon as possible'] } },
  { name: 'gonna', pattern: /\bgonna\b/g, to: { professional: ['going to'] } },
  { name: 'wanna', pattern: /\bwanna\b/g, to: { professional: ['want to'] } },
  { name: 'shouting', pattern: /!{2,}/g, to: { professional: ['.'], ...EASY('!') } },
]

/** Contractions that read well before any lower-case word. */
const SHORT: [long: string, short: string][] = [
  ['do not', "don't"],
  ['does not', "doesn't"],
  ['did not', "didn't"],
  ['is not', "isn't"],
  ['are not', "aren't"],
  ['was not', "wasn't"],
  ['were not', "weren't"],
  ['will not', "won't"],
  ['would not', "wouldn't"],
  ['should not', "shouldn't"],
  ['could not', "couldn't"],
  ['have not', "haven't"],
  ['has not', "hasn't"],
  ['cannot', "can't"],
  ['I am', "I'm"],
  ['I will', "I'll"],
  ['we are', "we're"],
  ['we will', "we'll"],
  ['you are', "you're"],
  ['you will', "you'll"],
  ['they are', "they're"],
]

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)
const withCapitals = SHORT.flatMap((pair): [string, string][] => {
  const [long, short] = [capital(pair[0]), capital(pair[1])]
  return long === pair[0] ? [pair] : [pair, [long, short]]
})

const CONTRACTIONS: Rule[] = withCapitals.map(([long, short]) => ({
  name: `short ${long}`,
  pattern: new RegExp(`\\b${long}(?= [a-z])`, 'g'),
  to: EASY(short),
}))

const EXPANSIONS: Rule[] = withCapitals.map(([long, short]) => ({
  name: `long ${long}`,
  pattern: new RegExp(`\\b${short.replace("'", "['’]")}(?= [a-z])`, 'g'),
  to: { professional: [long] },
}))

const INLINE = [...PHRASES, ...CONTRACTIONS, ...EXPANSIONS]

/** Frequent small words that identify a language. */
const SMALL_WORDS = {
  en: 'the and you your is are for with this that have will our we from please thank thanks hello hi hey dear been would can has it not be of to welcome was if any here i',
  other:
    'der die das und ist nicht ein eine für mit auf wir sie ihr ihre hallo danke bitte von zu dem den le la les des et est vous votre pour avec dans une un bonjour merci nous el los las y es por para con una hola gracias su il che di per non ciao grazie sono è o os um uma não para você obrigado de het een en van voor niet dank och att det som är för inte tack i na się jest nie dla',
}
const WORDS_OF = {
  en: new Set(SMALL_WORDS.en.split(' ')),
  other: new Set(SMALL_WORDS.other.split(' ')),
}

/** Placeholders for text that must not change, from the Unicode private-use area. */
const MARK = /\ue000(\d+)\ue001/g
const MARKS = /[\ue000\ue001]/

/**
 * Rewords a message in a style by fixed rules: greeting, closing, stock phrases, contractions. The same send gives the
 * same wording every time. English only: messages and parts in other languages are returned unchanged.
 */
export function reword(wording: Wording, style: HumanizerStyle, seed: string, values: string[]): Wording {
  const markup = wording.html === null ? null : readMarkup(wording.html)
  const spans = markup?.spans.map((span) => span.text) ?? []
  const whole = [wording.subject, wording.text ?? '', ...spans].join('\n')
  if (!isEnglish(whole) || MARKS.test(whole)) return wording

  const change = (text: string, isFirst: boolean) => rewordText(text, style, seed, values, isFirst)
  return {
    subject: change(wording.subject, true).replace(/\s+/g, ' '),
    text: wording.text === null ? null : change(wording.text, true),
    html: markup
      ? writeMarkup(
          markup,
          spans.map((text, index) => change(text, index === 0)),
        )
      : null,
  }
}

/** Whether a text is English, judged by its small words. */
export function isEnglish(text: string): boolean {
  const { words, english, other } = smallWords(text)
  return english > 0 && english / words >= 0.12 && english > 2 * other
}

function smallWords(text: string) {
  const words = text.toLowerCase().match(/[\p{L}\p{M}]+/gu) ?? []
  const english = words.filter((word) => WORDS_OF.en.has(word)).length
  const other = words.filter((word) => WORDS_OF.other.has(word) && !WORDS_OF.en.has(word)).length
  return { words: words.length, english, other }
}

function rewordText(
  text: string,
  style: HumanizerStyle,
  seed: string,
  values: string[],
  isFirst: boolean,
): string {
  return text
    .split(/(\n[ \t]*\n)/)
    .map((paragraph, index) => {
      const { english, other } = smallWords(paragraph)
      return other > english
        ? paragraph
        : rewordParagraph(paragraph, style, seed, values, isFirst && index === 0)
    })
    .join('')
}

function rewordParagraph(
  text: string,
  style: HumanizerStyle,
  seed: string,
  values: string[],
  isFirst: boolean,
): string {
  const { masked, kept } = mask(text, values)
  const rules = isFirst ? [GREETING, CLOSING, ...INLINE] : [CLOSING, ...INLINE]
  let changed = masked
  for (const { name, pattern, to } of rules) {
    const variants = to[style]
    if (!variants) continue
    const variant = variants[hash(`${seed} ${name}`) % variants.length] ?? ''
    changed = changed.replace(
      pattern,
      (found) => (text.includes('’') ? variant.replaceAll("'", '’') : variant) || found,
    )
  }
  return changed.replace(MARK, (_, index) => kept[Number(index)] ?? '')
}

function mask(text: string, values: string[]): { masked: string; kept: string[] } {
  const kept: string[] = []
  let masked = ''
  let done = 0
  const places = fixedPlaces(text, values).sort((left, right) => left.start - right.start)
  for (const [index, { start, end }] of places.entries()) {
    if (end <= done) continue
    const until = places
      .slice(index + 1)
      .reduce((reach, next) => (next.start < reach ? Math.max(reach, next.end) : reach), end)
    const from = Math.max(start, done)
    masked += `${text.slice(done, from)}\ue000${kept.length}\ue001`
    kept.push(text.slice(from, until))
    done = until
  }
  return { masked: masked + text.slice(done), kept }
}

/** FNV-1a with its upper bits mixed in: its lowest bit alone only counts odd characters. Not for secrets. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193) >>> 0
  return Math.imul(value ^ (value >>> 16), 0x85ebca6b) >>> 16
}
