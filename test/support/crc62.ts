import { crc32 } from 'node:zlib'

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** CRC32 in six digits of base62, as GitHub and npm end their tokens. */
export function crc62(text: string): string {
  let rest = crc32(text)
  let digits = ''
  for (let at = 0; at < 6; at++) {
    digits = DIGITS.charAt(rest % 62) + digits
    rest = Math.floor(rest / 62)
  }
  return digits
}
