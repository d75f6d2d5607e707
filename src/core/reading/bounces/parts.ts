import { Parser } from 'htmlparser2'
import PostalMime, { type Attachment, type Email } from 'postal-mime'

/** How much of a mail is read. The report is at the start; the returned message after it may be long. */
const OCTETS_AT_MOST = 512 * 1024
const LINES_AT_MOST = 10_000
/** Limit on lines that could be boundaries of parts. */
const DASHED_LINES_AT_MOST = 1_000
const LIMITS = { maxNestingDepth: 20, maxHeadersSize: 262_144, forceRfc822Attachments: true }

/** How much of the text of a part is read, in octets. */
const TEXT_AT_MOST = 65_536

/** Parses the start of a mail, but not the messages inside it. Null if it is over a limit. */
export async function readParts(raw: Uint8Array): Promise<{ mail: Email; body: string } | null> {
  const octets = reframe(raw.subarray(0, OCTETS_AT_MOST))
  if (octets === null) return null
  const mail = await PostalMime.parse(octets, LIMITS).catch(() => null)
  return mail && { mail, body: squeeze(bodyOf(mail) || afterHeader(decode(octets))) }
}

/** The decoded text of the first part of a type, with LF line ends, or null. */
export function partText(mail: Email, type: RegExp): string | null {
  const part = mail.attachments.find(({ mimeType }) => type.test(mimeType))
  return part ? textOf(part) : null
}

/** The first value of a header field, or ''. */
export function headerOf(mail: Email, name: string): string {
  return mail.headers.find(({ key }) => key === name)?.value ?? ''
}

/** The text for people: the plain text or else the HTML as text, and attached plain text. */
function bodyOf(mail: Email) {
  const attached = mail.attachments.filter(({ mimeType }) => mimeType === 'text/plain').map(textOf)
  const shown = mail.text ?? textOfHtml(mail.html ?? '')
  return [shown, ...attached].join('\n').slice(0, TEXT_AT_MOST).replace(/\r\n?/g, '\n').trim()
}

/** Shortens long runs of white space, which would make searching slow. */
function squeeze(text: string) {
  return text.replace(/[ \t]{9,}/g, '        ').replace(/\n{3,}/g, '\n\n')
}

function textOf({ content }: Attachment) {
  return decode(typeof content === 'string' ? new TextEncoder().encode(content) : new Uint8Array(content))
}

function decode(octets: Uint8Array) {
  return new TextDecoder().decode(octets.subarray(0, TEXT_AT_MOST)).replace(/\r\n?/g, '\n')
}

function afterHeader(text: string) {
  return text.slice(Math.max(text.indexOf('\n\n'), 0))
}

function textOfHtml(html: string) {
  let text = ''
  let hidden = 0
  const parser = new Parser({
    onopentag(name) {
      if (name === 'style' || name === 'script') hidden++
      if (/^(?:p|br|div|tr|td|li|h\d|pre)$/.test(name)) text += '\n'
    },
    onclosetag(name) {
      if (name === 'style' || name === 'script') hidden--
    },
    ontext(said) {
      if (hidden === 0) text += said
    },
  })
  parser.end(html.slice(0, 4 * TEXT_AT_MOST))
  return text
}

/** The first lines, up to the limits. Some old relays end lines with CR alone. Null if too many lines could be boundaries. */
function reframe(octets: Uint8Array): Uint8Array | null {
  const lined = octets.includes(10) ? octets : octets.map((octet) => (octet === 13 ? 10 : octet))
  let dashed = 0
  let end = lined.indexOf(10)
  for (let lines = 1; end >= 0 && lines < LINES_AT_MOST; lines++) {
    if (lined[end + 1] === 45 && lined[end + 2] === 45) dashed++
    end = lined.indexOf(10, end + 1)
  }
  return dashed > DASHED_LINES_AT_MOST ? null : lined.subarray(0, end < 0 ? lined.length : end)
}
