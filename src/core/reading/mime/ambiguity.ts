import { domainToUnicode } from 'node:url'
import { decodeWords } from 'postal-mime'
import type { Party } from '../party.ts'
import { BUDGET } from './budget.ts'
import { type Field, fieldValue, type Header, type HeaderFault } from './header.ts'
import { type AddressFault, type NameFault, readMailboxes } from './parties.ts'

/** Fields that may occur only once (RFC 5322, section 3.6, and RFC 2045). */
const ONCE = [
  'from',
  'sender',
  'reply-to',
  'to',
  'cc',
  'date',
  'subject',
  'message-id',
  'in-reply-to',
  'references',
  'mime-version',
] as const

/** Why two mail programs may show different messages, or a person may see another author than a program does. */
export type Ambiguity =
  | `repeated_${(typeof ONCE)[number]}`
  | HeaderFault
  | AddressFault
  | NameFault
  | 'no_from'
  | 'several_from'
  | 'group_in_from'
  | 'open_quote_in_from'
  | 'mixed_script_domain'
  | 'control_in_subject'
  | 'contradictory_parts'

type Author = { from: Party | null; ambiguities: Ambiguity[] }

const CONTROL = /[^\P{Cc}\t]/u
/** Scripts that may be mixed with Latin letters in one name (UTS 39, section 5.2, "highly restrictive"). */
const EAST_ASIAN =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}]/gu
const SCRIPTS = ['Latin', 'Cyrillic', 'Greek', 'Armenian', 'Hebrew', 'Arabic', 'Cherokee', 'Georgian', 'Thai']
const SCRIPT = SCRIPTS.map((name) => new RegExp(`\\p{Script=${name}}`, 'u'))

/**
 * Reads the author of a message and lists what is ambiguous about its header. The author is null if another mail program
 * could read a different one from the From field.
 */
export function readAuthor({ fields, faults }: Header): Author {
  const ambiguities: Ambiguity[] = [...faults, ...repeated(fields)]
  const subject = fieldValue(fields, 'subject')
  if (CONTROL.test(decodeWords(subject.slice(0, BUDGET.field)))) ambiguities.push('control_in_subject')

  const given = fields.filter(({ name }) => name === 'from')
  const value = given[0]?.value ?? ''
  const { mailboxes, count, hasGroup, isOpen } = readMailboxes(value, 2)
  if (hasGroup) ambiguities.push('group_in_from')
  else if (count === 0) ambiguities.push('no_from')
  if (count > 1) ambiguities.push('several_from')
  if (isOpen) ambiguities.push('open_quote_in_from')
  const found = new Set(mailboxes.flatMap((mailbox) => mailbox.faults))
  ambiguities.push(...found)

  const party = mailboxes[0]?.party ?? null
  if (party && mixesScripts(party.email)) ambiguities.push('mixed_script_domain')
  const isOne = given.length === 1 && count === 1 && !hasGroup && !isOpen && found.size === 0
  const isSure = isOne && faults.length === 0 && !ambiguities.includes('mixed_script_domain')
  return { from: isSure ? party : null, ambiguities }
}

function repeated(fields: Field[]): Ambiguity[] {
  const seen = new Map<string, number>()
  for (const { name } of fields) seen.set(name, (seen.get(name) ?? 0) + 1)
  return ONCE.filter((name) => (seen.get(name) ?? 0) > 1).map((name): Ambiguity => `repeated_${name}`)
}

function mixesScripts(email: string) {
  const domain = domainToUnicode(email.slice(email.lastIndexOf('@') + 1))
  return domain.split('.').some((label) => {
    const used = SCRIPT.filter((script) => script.test(label)).length
    const isEastAsian = label.replace(EAST_ASIAN, '') !== label
    return used > 1 || (isEastAsian && used === 1 && !/\p{Script=Latin}/u.test(label))
  })
}
