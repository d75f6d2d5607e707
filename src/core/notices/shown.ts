import { fieldsBeside } from '../letters/bound.ts'
import type { Rendered } from '../letters/rendered.ts'
import type { Party } from '../reading/party.ts'
import { quotation } from '../reading/text/visible.ts'

/** The longest text and the most header fields that a letter shows, in quoted lines. */
const TEXT_AT_MOST = 200
const FIELDS_AT_MOST = 200
/** The lines that are shown of a longer text. */
const BEGINNING = 40

/** A message as a letter shows it. */
type Shown = {
  /** Quoted lines. No text of the message can leave them. */
  lines: string[]
  /** What of the message they do not show, in a few words each. If there is anything, an answer by mail cannot approve. */
  hidden: string[]
}

/** Shows a message in a letter: all its recipients, its header fields and its text, as far as a letter can show them. */
export function shownIn(message: Rendered): Shown {
  const fields = fieldLines(message)
  const text = quotation(message.text ?? '')
  const isLong = text.length > TEXT_AT_MOST
  const shownText = isLong ? text.slice(0, BEGINNING) : text
  return {
    lines: [...fields.slice(0, FIELDS_AT_MOST), '|', ...shownText],
    hidden: [
      ...(message.html === null ? [] : ['its HTML, which most mail programs show instead of the text']),
      ...(message.files?.length
        ? [message.files.length === 1 ? 'a file' : `${message.files.length} files`]
        : []),
      ...(isLong ? [`${text.length - BEGINNING} more lines of text`] : []),
      ...(fields.length > FIELDS_AT_MOST ? [`${fields.length - FIELDS_AT_MOST} more lines of header`] : []),
    ],
  }
}

/** What a letter does not show of a message, or null if it shows everything. */
export function hiddenIn(message: Rendered): string | null {
  const { hidden } = shownIn(message)
  return hidden.length === 0 ? null : hidden.join(', ')
}

function fieldLines(message: Rendered): string[] {
  const { from, to, cc, bcc, replyTo, subject } = message
  const parties = (name: string, list: Party[]) =>
    list.flatMap((party) => quotation(`${name}: ${named(party)}`))
  return [
    ...parties('From', [from]),
    ...parties('Reply-To', replyTo ? [replyTo] : []),
    ...parties('To', to),
    ...parties('Cc', cc),
    ...parties('Bcc', bcc),
    ...quotation(`Subject: ${subject}`),
    ...fieldsBeside(message).flatMap(([name, value]) => quotation(`${name}: ${value}`)),
  ]
}

/** The address first: a name may look like another address. */
const named = ({ email, name }: Party) => (name === null ? email : `${email} (named "${name}")`)
