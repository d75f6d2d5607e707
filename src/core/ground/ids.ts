import { Buffer } from 'node:buffer'

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

/** A new id: `prefix_`, 10 characters of time in ms (so that ids sort by age), 26 of randomness (130 bits). */
export function newId(prefix: string, now: Date): string {
  return `${prefix}_${timePart(now)}${randomPart()}`
}

/** The smallest id that `newId` can make at a time or later: the lower bound of a range of ids. */
export function idFloor(prefix: string, at: Date): string {
  return `${prefix}_${timePart(at)}`
}

/** 16 random bytes as lower-case hex: the token of one lock of a row. */
export function newToken(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
}

/** 32 random bytes as base64url: a secret in a link or cookie. */
export function newBearer(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')
}

function timePart(at: Date): string {
  let rest = at.getTime()
  let text = ''
  for (let i = 0; i < 10; i++) {
    text = ALPHABET.charAt(rest % 32) + text
    rest = Math.floor(rest / 32)
  }
  return text
}

function randomPart(): string {
  let text = ''
  for (const byte of crypto.getRandomValues(new Uint8Array(26))) text += ALPHABET.charAt(byte & 31)
  return text
}
