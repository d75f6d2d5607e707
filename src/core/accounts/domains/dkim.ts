import { Buffer } from 'node:buffer'

export type DkimSigner = { domain: string; selector: string; key: CryptoKey }

/** The header fields to sign. The signature names From once more than it occurs, so that an added From breaks it. */
const SIGNED = [
  'from',
  'to',
  'cc',
  'subject',
  'date',
  'message-id',
  'reply-to',
  'in-reply-to',
  'references',
  'mime-version',
  'content-type',
  'list-unsubscribe',
  'list-unsubscribe-post',
  'auto-submitted',
  'x-mailmolt-trust-score',
  'x-mailmolt-verified',
  'x-mailmolt-verified-sender',
]
const LINE = 72

/**
 * Puts a DKIM signature before a message (RFC 6376, rsa-sha256, relaxed/relaxed). The message must be ASCII with CRLF and
 * must contain each signed field at most once, as `buildMessage` makes it. The same input gives the same bytes.
 *
 * We do not use a library: those that sign also bring a megabyte of code for verifying, and none signs From twice.
 */
export async function signDkim(
  raw: string,
  { domain, selector, key }: DkimSigner,
  at: Date,
): Promise<string> {
  const end = raw.indexOf('\r\n\r\n')
  const fields = raw
    .slice(0, end)
    .split(/\r\n(?![ \t])/)
    .map((field): [string, string] => [field.slice(0, field.indexOf(':')).toLowerCase(), field])
  const byName = new Map(fields)
  const signed = SIGNED.filter((name) => byName.has(name))
  const unsigned = [
    `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=${domain};`,
    ` s=${selector}; t=${Math.floor(at.getTime() / 1000)};`,
    ...names(['from', ...signed]),
    ` bh=${await digest(relaxedBody(raw.slice(end + 4)))};`,
    ' b=',
  ].join('\r\n')
  const covered = [
    ...signed.map((name) => `${relaxedField(byName.get(name) ?? '')}\r\n`),
    relaxedField(unsigned),
  ]
  const octets = new TextEncoder().encode(covered.join(''))
  const signature = Buffer.from(await crypto.subtle.sign(key.algorithm.name, key, octets)).toString('base64')
  return `${unsigned}${(signature.match(/.{1,72}/g) ?? []).join('\r\n  ')}\r\n${raw}`
}

/** The tag `h` as lines, each broken after a colon. */
function names(list: string[]): string[] {
  const lines = [' h=']
  for (const [position, name] of list.entries()) {
    const word = position < list.length - 1 ? `${name}:` : `${name};`
    const line = lines.at(-1) ?? ''
    if (line.length + word.length > LINE) lines.push(`  ${word}`)
    else lines[lines.length - 1] = line + word
  }
  return lines
}

/** A header field in relaxed form (RFC 6376, section 3.4.2). */
function relaxedField(field: string): string {
  const at = field.indexOf(':')
  const value = field
    .slice(at + 1)
    .replaceAll('\r\n', '')
    .replace(/[ \t]+/g, ' ')
    .trim()
  return `${field.slice(0, at).toLowerCase()}:${value}`
}

/** A body in relaxed form (RFC 6376, section 3.4.4). */
function relaxedBody(body: string): string {
  const lines = body.split('\r\n').map((line) => line.replace(/[ \t]+/g, ' ').replace(/ $/, ''))
  while (lines.at(-1) === '') lines.pop()
  return lines.map((line) => `${line}\r\n`).join('')
}

async function digest(text: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return Buffer.from(hash).toString('base64')
}
