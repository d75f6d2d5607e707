import { Parser } from 'htmlparser2'
import PostalMime, { type Attachment, type Email } from 'postal-mime'

/** Reports say what they have to say at the start; the returned message after it may be long. */
const OCTETS_AT_MOST = 512 * 1024
const LINES_AT_MOST = 10_000
/** Lines that could be boundaries of parts. */
const DASHED_LINES_AT_MOST = 1_000
const LIMITS = { maxNestingDepth: 20, maxHeadersSize: 262_144, forceRfc822Attachments: true }

/** Longest text of a part that is looked at, in octets. */
const TEXT_AT_MOST = 65_536

/** The start of a mail, taken apart; messages inside it stay closed. Null where it is beyond the budgets. */
export async function readParts(raw: Uint8Array): Promise<{ mail: Email; body: string } | null> {
  const octets = reframe(raw.subarray(0, OCTETS_AT_MOST))
  if (octets === null) return null
  const mail = await PostalMime.parse(octets, LIMITS).catch(() => null)
  return mail && { mail, body: squeeze(bodyOf(mail) || afterHeader(decode(octets))) }
}

/** The decoded text of the first part of a type, with LF, or null. */
export function partText(mail: Email, type: RegExp): string | null {
  const part = mail.attachments.find(({ mimeType }) => type.test(mimeType))
  return part ? textOf(part) : null
}

/** The first value of a header field, or an empty text. */
export function headerOf(mail: Email, name: string): string {
  return mail.headers.find(({ key }) => key === name)?.value ?? ''
}

/** The text for people: plain parts, attached ones too, or what the HTML says. */
function bodyOf(mail: Email) {
  const attached = mail.attachments.filter(({ mimeType }) => mimeType === 'text/plain').map(textOf)
  const shown = mail.text ?? textOfHtml(mail.html ?? '')
  return [shown, ...attached].join('\n').slice(0, TEXT_AT_MOST).replace(/\r\n?/g, '\n').trim()
}

/** Long runs of white space say nothing and make searching slow. */
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

/** The octets that are looked at, in lines: some old relays end them in CR alone. */
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
