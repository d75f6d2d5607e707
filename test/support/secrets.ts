import { crc62 } from './crc62.ts'

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** Pseudo-random letters. The same seed gives the same letters. */
export function randomLetters(length: number, seed: number, alphabet = LETTERS): string {
  let state = (seed * 2_654_435_761 + 12_345) >>> 0 || 1
  let text = ''
  for (let at = 0; at < length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    text += alphabet[(state >>> 0) % alphabet.length]
  }
  return text
}

const HEX = '0123456789abcdef'
const DIGITS = '0123456789'

/** A token with a random body, followed by the checksum of this body. */
const withChecksum = (begin: string, seed: number) => {
  const body = randomLetters(30, seed)
  return `${begin}${body}${crc62(body)}`
}

const base64url = (value: unknown) =>
  btoa(JSON.stringify(value)).replaceAll('=', '').replaceAll('+', '-').replaceAll('/', '_')

/** Appends the check digit of the Luhn algorithm. */
export function luhn(digits: string): string {
  const sum = [...digits].reverse().reduce((all, digit, at) => {
    const value = Number(digit) * (at % 2 === 0 ? 2 : 1)
    return all + (value > 9 ? value - 9 : value)
  }, 0)
  return `${digits}${(10 - (sum % 10)) % 10}`
}

/** An IBAN (ISO 13616) with its check digits. */
export function iban(country: string, account: string): string {
  const digits = [...`${account}${country}00`].map((letter) => Number.parseInt(letter, 36)).join('')
  const rest = [...digits].reduce((left, digit) => (left * 10 + Number(digit)) % 97, 0)
  return `${country}${String(98 - rest).padStart(2, '0')}${account}`
}

/** Appends the check digit to the first eight digits of an ABA routing number. */
export function routing(digits: string): string {
  const sum = [...digits].reduce((all, digit, at) => all + Number(digit) * ([3, 7, 1][at % 3] ?? 0), 0)
  return `${digits}${(10 - (sum % 10)) % 10}`
}

/** A text that looks like a PEM private key. */
export function armoured(seed: number, kind = 'RSA '): string {
  const lines = Array.from({ length: 12 }, (_, at) => randomLetters(64, seed * 100 + at))
  return [`-----BEGIN ${kind}PRIVATE KEY-----`, ...lines, `-----END ${kind}PRIVATE KEY-----`].join('\n')
}

/**
 * For each DLP rule: a text with a secret, and the secret that the rule must find. The secrets are fakes. They are made at run
 * time, so that no secret scanner finds one in the repository.
 */
export function secretsOf(seed: number): Record<string, { text: string; secret: string }> {
  const plain = (secret: string) => ({ text: secret, secret })
  const named = (before: string, secret: string) => ({ text: `${before}${secret}`, secret })
  const lower = (length: number, salt: number) => randomLetters(length, seed + salt, HEX)
  const any = (length: number, salt: number) => randomLetters(length, seed + salt)
  return {
    credit_card: plain(luhn(`4${randomLetters(14, seed + 1, DIGITS)}`)),
    us_ssn: plain(
      `2${randomLetters(2, seed + 2, '123456789')}-${randomLetters(2, seed + 3, '123456789')}-4${randomLetters(3, seed + 4, DIGITS)}`,
    ),
    iban: plain(iban('DE', randomLetters(18, seed + 5, DIGITS))),
    aba_routing: named(
      'routing number ',
      routing(`0${randomLetters(1, seed + 6, '123456789')}${randomLetters(6, seed + 7, DIGITS)}`),
    ),
    private_key: plain(armoured(seed + 8)),
    aws_access_key: plain(`AKIA${randomLetters(16, seed + 9, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567')}`),
    aws_secret_key: named('aws_secret_access_key = ', any(40, 10)),
    github_token: plain(withChecksum('ghp_', seed + 11)),
    gitlab_token: plain(`glpat-${any(20, 12)}`),
    slack_token: plain(
      `xoxb-${randomLetters(12, seed + 13, DIGITS)}-${randomLetters(12, seed + 14, DIGITS)}-${any(24, 15)}`,
    ),
    stripe_secret_key: plain(`sk_live_${any(24, 16)}`),
    google_api_key: plain(`AIza${any(35, 17)}`),
    gcp_service_account: {
      text: `{"type": "service_account", "private_key_id": "${lower(40, 18)}"}`,
      secret: lower(40, 18),
    },
    azure_key: named('AccountName=store;AccountKey=', `${any(86, 19)}==`),
    openai_api_key: plain(`sk-proj-${any(40, 20)}T3BlbkFJ${any(40, 21)}`),
    anthropic_api_key: plain(`sk-ant-api03-${any(93, 22)}AA`),
    huggingface_token: plain(`hf_${randomLetters(34, seed + 23, LETTERS.slice(0, 52))}`),
    sendgrid_api_key: plain(`SG.${any(22, 24)}.${any(43, 25)}`),
    twilio_key: plain(`SK${lower(32, 26)}`),
    npm_token: plain(withChecksum('npm_', seed + 27)),
    pypi_token: plain(`pypi-AgEIcHlwaS5vcmc${any(90, 28)}`),
    digitalocean_token: plain(`dop_v1_${lower(64, 29)}`),
    database_url: { text: `postgres://app:${any(18, 30)}@db.internal:5432/app`, secret: any(18, 30) },
    jwt: plain(
      `${base64url({ alg: 'HS256', typ: 'JWT' })}.${base64url({ sub: any(12, 31), iat: 1_760_000_000 })}.${any(43, 32)}`,
    ),
    mailmolt_api_key: plain(`mm_live_${any(49, 33)}`),
    moltbotden_api_key: plain(`moltbotden_sk_${any(32, 34)}`),
  }
}
