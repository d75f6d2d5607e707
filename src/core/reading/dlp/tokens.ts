import { crc62 } from '../../ground/checksum.ts'
import { matches } from './matches.ts'
import { isNear } from './numbers.ts'
import type { Range } from './view.ts'

/** What manuals write in place of a secret. */
const PLACEHOLDER =
  /example|placeholder|sample|dummy|redacted|changeme|your|x{4}|\*{3}|(.)\1{7}|0123456|1234567|abcdefg|deadbeef/i

/** Whether a secret looks random: it has many different characters and is no placeholder. */
function isRandom(secret: string): boolean {
  return !PLACEHOLDER.test(secret) && new Set(secret).size >= Math.min(10, secret.length / 3)
}

/** Finds what matches a pattern. If the pattern has a group, only that is the secret. */
function find(pattern: RegExp, isSecret: (secret: string) => boolean = isRandom) {
  return (text: string): Range[] => {
    const found: Range[] = []
    for (const match of matches(text, pattern)) {
      const secret = match[1] ?? match[0]
      const start = match.index + match[0].lastIndexOf(secret)
      if (isSecret(secret)) found.push([start, start + secret.length])
    }
    return found
  }
}

/** Joins several finders into one. */
function any(...finders: ((text: string) => Range[])[]) {
  return (text: string): Range[] => finders.flatMap((each) => each(text))
}

const KEY_BEGINS = /-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----/g
const KEY_ENDS = /-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----/y
const KEY_AT_MOST = 16_384

/** Private keys in PEM or OpenPGP armour, complete or cut off. A header without a key does not count. */
export function privateKeys(text: string): Range[] {
  const found: Range[] = []
  for (const { index, 0: header } of matches(text, KEY_BEGINS)) {
    const from = index + header.length
    const next = text.indexOf('-----', from)
    const end = Math.min(next === -1 ? text.length : next, from + KEY_AT_MOST)
    const [letters = ''] =
      text
        .slice(from, end)
        .replace(/\\[rn]|\s/g, '')
        .match(/[A-Za-z0-9+/=]{48,}/) ?? []
    if (letters === '' || !isRandom(letters.slice(0, 200))) continue
    KEY_ENDS.lastIndex = end
    found.push([index, end + (KEY_ENDS.exec(text)?.[0].length ?? 0)])
  }
  return found
}

export const awsAccessKeys = find(/(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])/g)

export const awsSecretKeys = find(
  /(?:aws|amazon)[\w .-]{0,20}(?:secret|key)[\w .-]{0,20}["']?\s{0,3}(?:[:=]|=>|is)\s{0,3}["']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])/gi,
)

/** Tokens of GitHub and npm end in a checksum of the characters before it. */
const hasChecksum = (token: string) => {
  const body = token.slice(token.indexOf('_') + 1)
  return crc62(body.slice(0, -6)) === body.slice(-6)
}

export const githubTokens = any(
  find(/(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{36}(?![A-Za-z0-9])/g, hasChecksum),
  find(/(?<![A-Za-z0-9])github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}(?![A-Za-z0-9])/g),
)

export const npmTokens = find(/(?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])/g, hasChecksum)

export const gitlabTokens = find(
  /(?<![A-Za-z0-9])gl(?:pat|dt|rt|ptt|soat)-[A-Za-z0-9_-]{20,}(?:\.[0-9a-z]{2}\.[0-9a-z]{9})?(?![A-Za-z0-9])/g,
)

export const slackTokens = any(
  find(/(?<![A-Za-z0-9])xox[abeoprs]-(?:\d{8,14}-){1,3}[A-Za-z0-9]{16,64}(?![A-Za-z0-9])/g),
  find(/(?<![A-Za-z0-9])xapp-\d-[A-Z0-9]{8,14}-\d{8,14}-[0-9a-f]{32,128}(?![A-Za-z0-9])/g),
  find(
    /hooks\.slack\.com\/(?:services|workflows)\/(T[A-Z0-9]{8,12}\/[A-Z][A-Z0-9]{8,12}\/[A-Za-z0-9]{20,32})/g,
  ),
)

export const stripeSecretKeys = find(
  /(?<![A-Za-z0-9])[sr]k_(?:live|test)_[A-Za-z0-9]{16,247}(?![A-Za-z0-9])/g,
)

export const googleApiKeys = any(
  find(/(?<![A-Za-z0-9_-])AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])/g),
  find(/(?<![A-Za-z0-9_-])GOCSPX-[A-Za-z0-9_-]{28}(?![A-Za-z0-9_-])/g),
)

export const gcpServiceAccounts = find(/["']private_key_id["']\s{0,4}:\s{0,4}["']([0-9a-f]{40})["']/g)

/** Newer OpenAI keys contain `T3BlbkFJ`, which is "OpenAI" in base64. */
export const openaiApiKeys = find(
  /(?<![A-Za-z0-9])sk-(?:(?:proj|svcacct|admin|None)-)?[A-Za-z0-9_-]{20,100}T3BlbkFJ[A-Za-z0-9_-]{20,100}(?![A-Za-z0-9])/g,
)

export const anthropicApiKeys = find(
  /(?<![A-Za-z0-9])sk-ant-[a-z]{3,8}\d{2}-[A-Za-z0-9_-]{80,120}(?![A-Za-z0-9])/g,
)

export const sendgridApiKeys = find(
  /(?<![A-Za-z0-9])SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/g,
)

const TWILIO_NEAR = /twilio|auth[ _-]?token/i

/** Twilio keys and auth tokens. A token is just 32 hexadecimal digits, so it counts only near a word that names it. */
export function twilioKeys(text: string): Range[] {
  const tokens = find(/(?<![A-Za-z0-9])[0-9a-f]{32}(?![A-Za-z0-9])/g)(text)
  const keys = find(/(?<![A-Za-z0-9])SK[0-9a-f]{32}(?![A-Za-z0-9])/g)(text)
  return [...keys, ...tokens.filter(([start, end]) => isNear(text, start, end, TWILIO_NEAR))]
}

export const azureKeys = any(
  find(/AccountKey=([A-Za-z0-9+/]{86}==)/g),
  find(/SharedAccessKey=([A-Za-z0-9+/]{43}=)(?!=)/g),
  find(/(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~-])/g),
)

export const pypiTokens = find(/(?<![A-Za-z0-9])pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,300}(?![A-Za-z0-9])/g)

export const huggingfaceTokens = find(/(?<![A-Za-z0-9])hf_[A-Za-z]{34}(?![A-Za-z0-9])/g)

export const digitaloceanTokens = find(/(?<![A-Za-z0-9])do[opr]_v1_[0-9a-f]{64}(?![A-Za-z0-9])/g)

export const databaseUrls = find(
  /\b(?:postgres(?:ql)?|mysql|mariadb|mongodb(?:\+srv)?|rediss?|amqps?):\/\/[^\s:@/]{0,64}:([^\s:@/]{6,128})@[A-Za-z0-9.-]{3,253}/g,
  (password) => !PLACEHOLDER.test(password) && !/^(?:\$|<|\{|%|pass|secret$|hunter2$)/i.test(password),
)

/** Signed JSON Web Tokens (RFC 7519): the header must be JSON with an `alg`. */
export const jwts = find(
  /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,1000}\.eyJ[A-Za-z0-9_-]{4,8000}\.[A-Za-z0-9_-]{16,1000}(?![A-Za-z0-9_-])/g,
  (token) => {
    try {
      const header: unknown = JSON.parse(
        atob((token.split('.')[0] ?? '').replaceAll('-', '+').replaceAll('_', '/')),
      )
      return typeof header === 'object' && header !== null && 'alg' in header
    } catch {
      return false
    }
  },
)

export const mailmoltKeys = find(
  /(?<![A-Za-z0-9])mm_(?:live|test|smtp)_[A-Za-z0-9_-]{20,128}(?![A-Za-z0-9])/g,
)

export const moltbotdenKeys = find(/(?<![A-Za-z0-9])moltbotden_sk_[A-Za-z0-9_-]{16,128}(?![A-Za-z0-9])/g)
