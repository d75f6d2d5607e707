import type { Party } from '../party.ts'
import { type Ambiguity, readAuthor } from './ambiguity.ts'
import { type Authentication, type Boundary, readAuthentication } from './authentication.ts'
import { type Automatic, readAutomatic } from './automatic.ts'
import { type Body, type IncomingFile, readBody } from './body.ts'
import { BUDGET, type Unreadable } from './budget.ts'
import { type Field, fieldValue, type Header, printable, readHeader } from './header.ts'
import { readMailboxes } from './parties.ts'
import { splitParts } from './parts.ts'

export type { IncomingFile } from './body.ts'

export type IncomingMail = {
  /** All message ids are without angle brackets. */
  messageId: string | null
  inReplyTo: string | null
  /** The last 100 at most. */
  references: string[]
  date: Date | null
  /** The author. Null if there is none, or if mail programs may disagree about it. */
  from: Party | null
  /** The first From field as text, for display only. */
  claimedFrom: string
  replyTo: Party[]
  to: Party[]
  cc: Party[]
  subject: string
  text: string | null
  /** As received. It must be sanitised before it is shown. */
  html: string | null
  files: IncomingFile[]
  /** Whether text or HTML was cut to the limit. */
  isTruncated: boolean
  /** Why no program may act on this message automatically. Empty for an ordinary message. */
  ambiguities: Ambiguity[]
  authentication: Authentication
  automatic: Automatic
  /** Why only the header was read, or null. */
  unreadable: Unreadable | null
}

const MAX_SUBJECT = 998
const MAX_REFERENCES = 100
const DATE =
  /^(?:[a-z]{3,9}\s*,?\s*)?(\d{1,2})\s+([a-z]{3})[a-z]*\.?\s+(\d{2,4})\s+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\s*([+-]\d{4}|[a-z]{1,5}))?/i
const MESSAGE_ID = /<([!-;=?-~]{1,998})>/g

const NOTHING: Body = { text: null, html: null, files: [], isTruncated: false }

/**
 * Reads one raw message. Never throws. If a message is over a limit or the reader fails, `unreadable` says why and the
 * result has only what the header gave.
 */
export async function readMail(raw: Uint8Array, boundary: Boundary): Promise<IncomingMail> {
  try {
    const header = readHeader(raw, 0)
    const recipients = readRecipients(header.fields)
    const structure = raw.length <= BUDGET.message && !header.overrun ? splitParts(raw, header) : null
    const unreadable: Unreadable | null =
      (raw.length > BUDGET.message ? 'message_too_large' : header.overrun) ??
      (recipients.count > BUDGET.recipients ? 'too_many_recipients' : null) ??
      structure?.overrun ??
      null
    const body = unreadable || !structure ? NOTHING : await readBody(raw, structure.parts).catch(() => null)
    const isContradictory = structure?.isContradictory ?? false
    const mail = describe(header, boundary, unreadable ?? (body ? null : 'reader_failed'), isContradictory)
    return { ...mail, ...recipients.parties, ...(body ?? NOTHING) }
  } catch {
    const none: Header = { fields: [], faults: [], start: 0, end: 0, overrun: null }
    return describe(none, boundary, 'reader_failed', false)
  }
}

/** Everything but the body and the recipients. */
function describe(
  header: Header,
  boundary: Boundary,
  unreadable: Unreadable | null,
  isContradictory: boolean,
): IncomingMail {
  const { fields } = header
  const { from, ambiguities } = readAuthor(header)
  if (isContradictory) ambiguities.push('contradictory_parts')
  // The part of the header that was not read may contradict the author.
  const author = header.overrun ? null : from
  const authentication = readAuthentication(fields, boundary, author)
  const isSure = ambiguities.length === 0 && unreadable === null
  return {
    messageId: readIds(fieldValue(fields, 'message-id')).at(0) ?? null,
    inReplyTo: readIds(fieldValue(fields, 'in-reply-to')).at(0) ?? null,
    references: readIds(fieldValue(fields, 'references')).slice(-MAX_REFERENCES),
    date: readDate(fieldValue(fields, 'date')),
    from: author,
    claimedFrom: printable(fieldValue(fields, 'from'), 320),
    replyTo: [],
    to: [],
    cc: [],
    subject: printable(fieldValue(fields, 'subject'), MAX_SUBJECT),
    ...NOTHING,
    ambiguities: [...new Set(ambiguities)],
    authentication: { ...authentication, isFromAuthenticated: authentication.isFromAuthenticated && isSure },
    automatic: readAutomatic(fields, author),
    unreadable,
  }
}

/** Reads Reply-To, To and Cc: valid addresses only, no duplicates within a field, at most the limit in total. */
function readRecipients(fields: Field[]) {
  let room = BUDGET.recipients
  let count = 0
  const read = (wanted: string) => {
    const found = new Map<string, Party>()
    for (const { name, value } of fields) {
      if (name !== wanted) continue
      const { mailboxes, count: named } = readMailboxes(value, room)
      count += named
      room -= mailboxes.length
      for (const { party } of mailboxes) if (party && !found.has(party.email)) found.set(party.email, party)
    }
    return [...found.values()]
  }
  const parties = { replyTo: read('reply-to'), to: read('to'), cc: read('cc') }
  return { parties, count }
}

/** The ids in angle brackets. If there are none, the value itself if it looks like an id. */
function readIds(value: string): string[] {
  const found = [...value.matchAll(MESSAGE_ID)].map(([, id = '']) => id)
  const bare = value.trim()
  return found.length > 0 || !/^[!-;=?A-~]{1,500}@[!-;=?A-~]{1,400}$/.test(bare) ? found : [bare]
}

/** RFC 5322, section 3.3, with obsolete zones and years. A date without a known zone is read as UTC. */
function readDate(value: string): Date | null {
  const [, day, month, year, hour, minute, second = '0', zone = '+0000'] =
    DATE.exec(value.slice(0, 100)) ?? []
  const read = (offset: string) => new Date(`${day} ${month} ${year} ${hour}:${minute}:${second} ${offset}`)
  const date = Number.isNaN(read(zone).getTime()) ? read('+0000') : read(zone)
  const isSane = date.getUTCFullYear() >= 1970 && date.getUTCFullYear() <= 9999
  return isSane ? date : null
}
