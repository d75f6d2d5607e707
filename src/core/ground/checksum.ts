const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/**
 * The CRC32 of a text in six base62 digits. Our keys end in it, like those of GitHub and npm: a key with a wrong checksum is a
 * typo and needs no look-up.
 */
export function crc62(body: string): string {
  let crc = ~0
  for (const letter of body) {
    crc ^= letter.charCodeAt(0)
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  let rest = ~crc >>> 0
  let text = ''
  for (let i = 0; i < 6; i++) {
    text = BASE62.charAt(rest % 62) + text
    rest = Math.floor(rest / 62)
  }
  return text
}
