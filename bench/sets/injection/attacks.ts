import type { InjectionInput } from '../../../src/core/reading/text/injection.ts'
import type { Draw } from './draw.ts'

/** What attackers say, by what it is for; each half of the set has its own. */
export type Words = Record<
  | 'cover'
  | 'override'
  | 'polite'
  | 'persona'
  | 'prompt'
  | 'keys'
  | 'mail'
  | 'traces'
  | 'secrecy'
  | 'addressed'
  | 'authority'
  | 'marker'
  | 'template'
  | 'tool'
  | 'task'
  | 'german'
  | 'french'
  | 'spanish'
  | 'portuguese'
  | 'subject'
  | 'file'
  | 'sender'
  | 'dialogue'
  | 'rate'
  | 'image',
  readonly string[]
>

type Write = (words: Words, draw: Draw, at: number, isHeldOut: boolean) => InjectionInput

const PEOPLE = ['Ann Lee', 'Joe Doe', 'Max Muster', 'Ines Cruz', 'Paul Roy', 'Rui Costa'] as const
const DOMAINS = [
  'x.example',
  'mail.example',
  'offers.example',
  'news.example.net',
  'contact.example.org',
] as const

/** A mail of the parts given, by somebody new. */
export function mail(draw: Draw, parts: Partial<InjectionInput>): InjectionInput {
  const name = draw.of(PEOPLE)
  const email = `${name.split(' ')[0]?.toLowerCase()}${draw.number(100)}@${draw.of(DOMAINS)}`
  return {
    subject: 'Question about your service',
    text: null,
    html: null,
    from: { email, name },
    replyTo: [],
    isFirstContact: true,
    files: [],
    ...parts,
  }
}

const around = (draw: Draw, words: Words, attack: string) => {
  const cover = draw.of(words.cover)
  return draw.number(3) === 0 ? `${attack}\n\n${cover}` : `${cover}\n\n${attack}\n\nBest,\nAnn`
}

const inText =
  (...kinds: (keyof Words)[]): Write =>
  (words, draw) =>
    mail(draw, { text: around(draw, words, kinds.map((kind) => draw.of(words[kind])).join(' ')) })

const page = (draw: Draw, words: Words, inner: string) =>
  mail(draw, { html: `<html><body><p>${draw.of(words.cover)}</p>${inner}<p>Regards, Ann</p></body></html>` })

const order = (draw: Draw, words: Words) =>
  `${draw.of(words.override)} ${draw.of(draw.number(2) === 0 ? words.mail : words.keys)}`

const encoded =
  (encode: (text: string) => string): Write =>
  (words, draw) =>
    mail(draw, { text: around(draw, words, `${draw.of(words.task)}\n${encode(order(draw, words))}`) })

const hex = (text: string) =>
  [...new TextEncoder().encode(text)].map((byte) => byte.toString(16).padStart(2, '0'))
const rot13 = (text: string) =>
  text.replace(/[a-z]/gi, (letter) => {
    const base = letter <= 'Z' ? 65 : 97
    return String.fromCharCode(((letter.charCodeAt(0) - base + 13) % 26) + base)
  })
const disguised = (text: string, letters: Record<string, string>, share: (at: number) => boolean) =>
  [...text].map((letter, at) => (share(at) ? (letters[letter] ?? letter) : letter)).join('')

const HIDDEN_STYLES = [
  ['display:none', 'visibility:hidden', 'font-size:0', 'opacity:0', 'max-height:0;overflow:hidden'],
  [
    'position:absolute;left:-9999px',
    'font-size:1px;line-height:1px',
    'clip-path:inset(100%)',
    'opacity:0.01',
    'transform:scale(0)',
  ],
] as const
const PALE = [
  ['color:#fff', 'color:white;font-size:12px', 'color:#ffffff;background-color:#ffffff'],
  ['color:rgb(254,254,254)', 'color:#fefefe;background:#fff', 'color:#000;background-color:#000000'],
] as const

export const attackFamilies: Record<string, Write> = {
  override: inText('override'),
  'override, polite': inText('polite', 'mail'),
  'role marker': inText('marker'),
  'chat template': inText('template'),
  persona: inText('persona'),
  'asks for the prompt': inText('prompt'),
  'asks for keys': inText('addressed', 'keys'),
  'forwards mail': inText('addressed', 'mail'),
  'covers its traces': inText('mail', 'traces'),
  'keeps people out': inText('keys', 'secrecy'),
  'speaks to the machine': inText('addressed', 'task'),
  'claims authority': inText('authority', 'task'),
  'tool call': inText('tool'),
  dialogue: inText('dialogue'),
  'rates itself': inText('addressed', 'rate'),
  'leaks by image': inText('addressed', 'image'),
  'hidden by style': (words, draw, at, isHeldOut) =>
    page(draw, words, `<div style="${HIDDEN_STYLES[isHeldOut ? 1 : 0][at % 5]}">${order(draw, words)}</div>`),
  'colour of its ground': (words, draw, at, isHeldOut) =>
    page(draw, words, `<p style="${PALE[isHeldOut ? 1 : 0][at % 3]}">${order(draw, words)}</p>`),
  comment: (words, draw) => page(draw, words, `<!-- ${order(draw, words)} -->`),
  'alternative text': (words, draw, _, isHeldOut) =>
    page(
      draw,
      words,
      isHeldOut
        ? `<span title="${order(draw, words)}">logo</span>`
        : `<img src="https://x.example/a.png" alt="${order(draw, words)}">`,
    ),
  'zero width': (words, draw, _, isHeldOut) =>
    mail(draw, {
      text: around(draw, words, [...order(draw, words)].join(isHeldOut ? '\u2060' : '\u200b')),
    }),
  'tag characters': (words, draw, _, isHeldOut) => {
    const secret = [...order(draw, words)].filter((letter) => letter <= '~')
    const hide = isHeldOut
      ? (letter: string) => String.fromCodePoint(0xe0100 + letter.charCodeAt(0) - 16)
      : (letter: string) => String.fromCodePoint(0xe0000 + letter.charCodeAt(0))
    return mail(draw, { text: `${draw.of(words.cover)}😀${secret.map(hide).join('')}` })
  },
  base64: encoded((text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)))),
  'hex or percent': (words, draw, at, isHeldOut) =>
    encoded((text) =>
      at % 2 === 0
        ? hex(text).join(isHeldOut ? '' : ' ')
        : isHeldOut
          ? encodeURIComponent(text)
              .replace(/%20/g, '%20')
              .replace(/[a-z]/g, (each) => `%${hex(each).join('')}`)
          : hex(text)
              .map((pair) => `%${pair}`)
              .join(''),
    )(words, draw, at, isHeldOut),
  'rot13 or reversed': (words, draw, at, isHeldOut) =>
    encoded(at % 2 === 0 ? rot13 : (text) => [...text].reverse().join(''))(words, draw, at, isHeldOut),
  'twice encoded': (words, draw, at, isHeldOut) =>
    encoded((text) => {
      const once = btoa(String.fromCharCode(...new TextEncoder().encode(text)))
      return isHeldOut ? hex(once).join('') : btoa(once)
    })(words, draw, at, isHeldOut),
  lookalikes: (words, draw, at, isHeldOut) =>
    mail(draw, {
      text: around(
        draw,
        words,
        at % 2 === 0
          ? disguised(
              order(draw, words),
              { a: 'а', e: 'е', o: 'о', i: 'і', c: 'с', p: 'р' },
              (each) => each % 2 === 0 || isHeldOut,
            )
          : disguised(
              order(draw, words),
              { o: '0', i: '1', e: '3', a: '4', s: isHeldOut ? '$' : '5' },
              (each) => each % 3 !== 0,
            ),
      ),
    }),
  'spaced letters': (words, draw, _, isHeldOut) =>
    mail(draw, {
      text: around(
        draw,
        words,
        order(draw, words)
          .split(' ')
          .map((word) => [...word].join(isHeldOut ? '.' : ' '))
          .join(isHeldOut ? ' . ' : '   '),
      ),
    }),
  'link that lies': (words, draw) =>
    page(
      draw,
      words,
      `<p>${draw.of(words.addressed)} ${draw.of(words.task)}</p><a href="https://collect.example/in">https://www.bank.example/login</a>`,
    ),
  'subject, sender or file name': (words, draw, at) => {
    if (at % 3 === 0) return mail(draw, { subject: draw.of(words.subject), text: draw.of(words.cover) })
    if (at % 3 === 1)
      return mail(draw, {
        from: { email: 'a@x.example', name: draw.of(words.sender) },
        text: draw.of(words.cover),
      })
    return mail(draw, {
      text: draw.of(words.cover),
      files: [{ filename: draw.of(words.file), contentType: 'application/pdf' }],
    })
  },
  German: inText('german'),
  French: inText('french'),
  Spanish: inText('spanish'),
  Portuguese: inText('portuguese'),
}
