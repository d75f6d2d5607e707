import { secretsOf } from '../../../test/support/secrets.ts'
import { CARRIERS, HARMLESS } from './carriers.ts'

export type Sample = {
  rule: string | null
  family: string
  text: string
  isMarkup: boolean
  isHeldOut: boolean
}

/** Ways of writing the same thing that a reader, or a program, takes for the same. */
const DISGUISES: [family: string, isMarkup: boolean, disguise: (text: string) => string][] = [
  ['plain', false, (text) => text],
  ['zero-width marks', false, (text) => [...text].join('\u200b')],
  [
    'full-width digits',
    false,
    (text) => text.replace(/\d/g, (digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0)),
  ],
  ['percent signs', false, (text) => encodeURIComponent(text)],
  ['base64', false, (text) => btoa(text)],
  ['HTML', true, (text) => `<p>${escaped(text.slice(0, 6))}<b>${escaped(text.slice(6))}</b></p>`],
  ['HTML references', true, (text) => [...text].map((letter) => `&#${letter.codePointAt(0)};`).join('')],
]

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

/** Real-looking, and not it: one character of the secret is another, or the end is missing, or it goes on. */
const SPOILS: Record<string, ((secret: string, nth: number) => string)[]> = {
  checksum: [
    (secret, nth) => replaced(secret, secret.length - 2 - (nth % 5)),
    (secret) => `${secret}7`,
    (secret) => secret.slice(0, -2),
    (secret, nth) => replaced(secret, secret.length - 3 - (nth % 4)),
  ],
  token: [
    (secret) => secret.slice(0, Math.min(12, secret.length - 5)),
    (secret) => secret.slice(0, 8) + secret.slice(8).replace(/[A-Za-z0-9]/g, 'x'),
    (secret) => `${secret.slice(0, 8)}…`,
    (secret) => secret.slice(Math.ceil(secret.length / 2)),
  ],
}

/** Where half a password is one too: what manuals and templates write in its place. */
const PASSWORDS = [() => 'password', () => '$DB_PASSWORD', () => '<your-password>', () => '{{password}}']

const CHECKED = ['credit_card', 'us_ssn', 'iban', 'aba_routing', 'github_token', 'npm_token']

/** Another digit for a digit and another letter for a letter, so that a check must fail. */
function replaced(text: string, at: number): string {
  const next = (letter: string) =>
    /\d/.test(letter) ? String((Number(letter) + 1) % 10) : letter === 'k' ? 'q' : 'k'
  return text.slice(0, at) + next(text.charAt(at)) + text.slice(at + 1)
}

/** Positives and their look-alikes for each rule, the same for the same seed, and ordinary writing. */
export function dlpSet(seed: number): Sample[] {
  const samples: Sample[] = []
  for (const half of ['tuning', 'heldOut'] as const) {
    const isHeldOut = half === 'heldOut'
    const carriers = CARRIERS[half]
    for (let nth = 0; nth < 7; nth++) {
      const secrets = secretsOf(seed * 1_000 + nth * 50 + (isHeldOut ? 20_000 : 0))
      const carrier = carriers[nth] ?? '@'
      for (const [position, [rule, { text, secret }]] of Object.entries(secrets).entries()) {
        const [family, isMarkup, disguise] = DISGUISES[(nth + position) % DISGUISES.length] ?? [
          'plain',
          false,
          String,
        ]
        const carry = (said: string) => (isMarkup ? escaped(carrier) : carrier).replace('@', () => said)
        samples.push({ rule, family, isMarkup, isHeldOut, text: carry(disguise(text)) })
        for (const spoil of [0, 1]) {
          const spoiled = spoils(rule)[(nth + spoil * 2) % 4]?.(secret, nth) ?? ''
          if (rule === 'us_ssn' && spoil === 0) {
            samples.push(negative(carry(`9${secret.slice(1)}`), rule, isHeldOut))
          } else if (rule === 'us_ssn') {
            samples.push(negative(carry(`${secret.slice(0, 4)}00${secret.slice(6)}`), rule, isHeldOut))
          } else samples.push(negative(carry(text.replace(secret, () => spoiled)), rule, isHeldOut))
        }
      }
    }
    for (const text of HARMLESS[half]) samples.push(negative(text, 'ordinary writing', isHeldOut))
    for (const [nth, text] of HARMLESS[half].entries()) {
      const more = HARMLESS[half][(nth + 4) % HARMLESS[half].length] ?? ''
      samples.push(negative(`${text}\n\n${more}`, 'ordinary writing', isHeldOut))
    }
  }
  return samples
}

const spoils = (rule: string) =>
  rule === 'database_url' ? PASSWORDS : (SPOILS[CHECKED.includes(rule) ? 'checksum' : 'token'] ?? [])

function negative(text: string, family: string, isHeldOut: boolean): Sample {
  return { rule: null, family: `like ${family}`, text, isMarkup: false, isHeldOut }
}
