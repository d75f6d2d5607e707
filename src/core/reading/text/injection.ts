import {
  brokenWordCount,
  fold,
  invisibleText,
  mixedWordCount,
  tagText,
  viewsOf,
} from './injection/decoding.ts'
import type { Phrase } from './injection/phrase.ts'
import { MARKERS } from './injection/phrases.ts'
import { findPhrases } from './injection/search.ts'
import { type Reading, readHtml } from './reading.ts'

export type InjectionInput = {
  subject: string
  text: string | null
  html: string | null
  from: { email: string; name: string | null } | null
  replyTo: string[]
  isFirstContact: boolean
  files: { filename: string; contentType: string }[]
}

type InjectionReason = { code: string; detail: string }

type Sign = InjectionReason & { weight: number }

/** A text in the mail. `isSeen` tells whether a person who reads the mail sees it. */
type Passage = { place: string; text: string; isSeen: boolean }

const MAX_BODY = 1_048_576
const MAX_DETAIL = 60

/** Words in a mail that reports about attacks, rather than being one. */
const REPORT =
  /\b(?:attackers?|adversar(?:y|ies|ial)|researchers?|hackers?|criminals?|fraudsters?|scammers?|threat actors?|prompt[- ]injections?|injections?|jailbreaks?|injected|malicious|payloads?|exploits?|vulnerabilit\w+|red[- ]team\w*|proof of concept|trick(?:s|ed|ing)? (?:the|an|your|it)|instruct(?:s|ed|ing) (?:the|an|your|it)|told (?:the|an|your|it)|tells? (?:the|an|your|it)|asks? (?:the|an|your|it)|asked (?:the|an|it)|angreifer\w*|angriff\w*|forscher\w*|attaquants?|attaques?|pirates?|chercheurs?|atacantes?|ataques?|investigador\w*|pesquisador\w*)\b/
const QUOTING =
  /\b(?:such as|for example|e\.g\.|like|saying|says|said|reads?|wrote|titled|called|phrases?|strings?|sentences?|examples?|contain(?:s|ed|ing)?|z\. ?b\.|beispielsweise|etwa|wie|par exemple|comme|por ejemplo|como|por exemplo)\b/
const TOPIC =
  /\bprompt[- ]injections?\b|\battackers?\b|\bresearchers?\b|\bvulnerabilit|\bjailbreak|\bmitigations?\b|\bred[- ]team|\bllm security\b|\bowasp\b|\bthreat model|\bangreifer|\battaquants?\b|\batacantes?\b/g
const NEGATED =
  /\b(?:never|do not|don't|not to|won't|will not|would not|can ?not|can't|should not|shouldn't|must not|nobody should|no one should|not ask you to|never ask you to|niemals|nie|bitte nicht|ne|jamais de|nunca|no|nao) (?:ever |need to |have to |want to |ask you to |ask for |accept |please )?$/

/**
 * Scores how much a mail looks like instructions to a program that reads it, from 0 to 1, with the strongest reason first.
 * Looks at wording (in six languages), disguise and structure, without network calls. The score is a hint for policy, not
 * a protection: a determined attacker can avoid it.
 */
export function injectionScore(input: InjectionInput): { score: number; reasons: InjectionReason[] } {
  const reading = input.html === null ? null : readHtml(input.html.slice(0, MAX_BODY))
  const passages = passagesOf(input, reading)
  const signs = passages.flatMap(signsIn)
  const strong = signs.filter((sign) => sign.weight >= 0.3)
  const isSaid =
    strong.some((sign) => sign.weight >= 0.45) || new Set(strong.map((sign) => sign.code)).size > 1
  signs.push(...signsAround(input, reading, isSaid))

  const heaviest = new Map<string, Sign>()
  for (const sign of signs) {
    if (sign.weight > (heaviest.get(sign.code)?.weight ?? 0)) heaviest.set(sign.code, sign)
  }
  const kept = [...heaviest.values()].sort((a, b) => b.weight - a.weight || (a.code < b.code ? -1 : 1))
  const doubt = kept.reduce((rest, sign) => rest * (1 - Math.min(sign.weight, 0.95)), 1)
  return {
    score: Math.round((1 - doubt) * 100) / 100,
    reasons: kept.map(({ code, detail }) => ({ code, detail })),
  }
}

function passagesOf(input: InjectionInput, reading: Reading | null): Passage[] {
  const text = (input.text ?? '').slice(0, MAX_BODY)
  const page = reading?.text ?? ''
  const isSame = page !== '' && text !== '' && bare(page) === bare(text)
  const seen = (reading?.hidden.length ?? 0) > 0 ? bare(page) : ''
  return [
    { place: 'subject', text: input.subject, isSeen: true },
    { place: 'sender', text: input.from?.name ?? '', isSeen: true },
    { place: 'text', text, isSeen: true },
    { place: 'html', text: isSame ? '' : page, isSeen: true },
    ...(reading?.hidden ?? [])
      .filter((each) => !seen.includes(bare(each.text)))
      .map(({ how, text }) => ({ place: how, text, isSeen: false })),
    ...(reading?.notes ?? []).map(({ where, text }) => ({
      place: where,
      text: where === 'comment' ? text.replace(/^\[if [^\]]*\]>|<[^<>]*>/g, ' ') : text,
      isSeen: false,
    })),
    ...input.files.map((file) => ({
      place: 'file name',
      text: file.filename.replace(/[_.+-]+/g, ' '),
      isSeen: false,
    })),
  ].filter((passage) => passage.text.trim() !== '')
}

/** Only the letters and digits, to compare a hidden line with the visible text. */
function bare(text: string): string {
  return text.replace(/[^\p{L}\p{N}]+/gu, '')
}

function signsIn(passage: Passage): Sign[] {
  const signs: Sign[] = []
  const unseen = [tagText(passage.text), invisibleText(passage.text)]
  if ((unseen[0] ?? '').length >= 5) signs.push(sign('tag_characters', 0.7, passage.place, unseen[0] ?? ''))
  if (unseen[1]) signs.push(sign('zero_width', 0.5, passage.place, unseen[1]))
  const broken = brokenWordCount(passage.text)
  if (broken >= 3) signs.push(sign('zero_width', 0.35, passage.place, `inside ${broken} words`))
  const mixed = mixedWordCount(passage.text)
  if (mixed >= 2) signs.push(sign('mixed_scripts', 0.25, passage.place, `${mixed} words mix alphabets`))

  for (const text of unseen) {
    if (text !== '')
      signs.push(...phrasesIn(fold(text), { ...passage, isSeen: false }, 'invisible characters', text))
  }
  for (const view of viewsOf(passage.text)) {
    const source = view.disguise === null ? passage.text : view.text
    signs.push(...phrasesIn(view.text, passage, view.disguise, source))
  }
  return signs
}

/** The phrases in one view of a passage. They weigh more in disguised or hidden text. */
function phrasesIn(folded: string, passage: Passage, disguise: string | null, source = folded): Sign[] {
  const place = disguise ?? passage.place
  const isAbout = new Set(folded.match(TOPIC)).size >= 3
  const signs: Sign[] = []
  const weigh = (text: string, { code, weight }: Phrase, start: number, length: number) => {
    const told = disguise === null ? reported(text, start, length) * (isAbout ? 0.7 : 1) : 1
    const factor = told * (disguise !== null || !passage.isSeen ? 1.3 : 1)
    signs.push(sign(code, Math.min(0.9, weight * factor), place, text.slice(start, start + length)))
  }
  for (const { phrase, start, length } of findPhrases(folded)) weigh(folded, phrase, start, length)
  const lines = linesOf(source)
  for (const marker of MARKERS) {
    for (const match of lines.matchAll(marker.pattern)) weigh(lines, marker, match.index, match[0].length)
  }
  const [first] = signs.filter((each) => each.weight >= 0.4)
  if (first && disguise !== null) signs.push({ ...first, code: 'encoded_instruction', weight: 0.5 })
  if (first && !passage.isSeen) signs.push({ ...first, code: 'hidden_instruction', weight: 0.45 })
  return signs
}

function linesOf(source: string): string {
  return source
    .normalize('NFKC')
    .replace(/\p{Cf}/gu, '')
    .toLowerCase()
}

/** A factor for a phrase's weight: below 1 if the mail only reports, quotes or forbids it. */
function reported(text: string, start: number, length: number): number {
  const before = text.slice(Math.max(0, start - 160), start)
  if (NEGATED.test(before.slice(-40))) return 0.15
  const sentence = before.slice(
    Math.max(...['. ', '! ', '? ', '\n'].map((end) => before.lastIndexOf(end))) + 1,
  )
  const isReport = REPORT.test(sentence) || REPORT.test(text.slice(start, start + length))
  const open = /["“„«「‘'`][^"“”„«»「」’\n]{0,100}$/.test(before)
  const isQuoted = open && /^[^"“„«「\n]{0,160}["”“»」’'`]/.test(text.slice(start + length))
  if (isQuoted) return isReport || REPORT.test(before) || QUOTING.test(before) ? 0.15 : 0.6
  return isReport ? 0.3 : 1
}

/** Signs outside the wording: hidden text, misleading links, a different reply address, a first contact. */
function signsAround(input: InjectionInput, reading: Reading | null, isSaid: boolean): Sign[] {
  const signs: Sign[] = []
  for (const { how, text } of reading?.hidden ?? []) {
    if (/\p{L}{3}/u.test(text) && text.trim().length >= 40) signs.push(sign('hidden_text', 0.06, how, text))
  }
  for (const { href, text } of reading?.links ?? []) {
    const [shown, real] = [hostOf(text), hostOf(href)]
    if (shown && real && siteOf(shown) !== siteOf(real)) {
      signs.push(sign('link_mismatch', isSaid ? 0.15 : 0.05, shown, `leads to ${real}`))
    }
  }
  const sender = domainOf(input.from?.email ?? '')
  const other = input.replyTo.map(domainOf).find((domain) => siteOf(domain) !== siteOf(sender))
  if (sender && other)
    signs.push(sign('reply_to_other_domain', isSaid ? 0.1 : 0.03, sender, `replies go to ${other}`))
  if (input.isFirstContact && isSaid) {
    signs.push(sign('first_contact_imperative', 0.08, 'sender', 'unknown until now and gives orders'))
  }
  return signs
}

function hostOf(text: string): string | null {
  const found =
    /^\s*(?:https?:\/\/)?(?:[^\s/@]{1,200}@)?((?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24})(?=[\s/:?#]|$)/i.exec(
      text,
    )
  return found?.[1]?.toLowerCase() ?? null
}

function domainOf(email: string): string {
  return email.slice(email.lastIndexOf('@') + 1).toLowerCase()
}

/** Approximates the registrable domain: the last two labels, or three under a suffix such as co.uk. */
function siteOf(host: string): string {
  const labels = host.split('.')
  const isNarrow = /^(?:co|com|org|net|gov|ac|edu|or|ne)$/.test(labels.at(-2) ?? '')
  return labels.slice(isNarrow ? -3 : -2).join('.')
}

function sign(code: string, weight: number, place: string, quote: string): Sign {
  const plain = `${place}: ${quote}`.replace(/[^\p{L}\p{N}\p{P}\p{S}]+/gu, ' ').trim()
  return { code, weight, detail: [...plain].slice(0, MAX_DETAIL).join('') }
}
