import { type Env, settings } from '../../env.ts'
import { type Address, parseAddress } from '../ground/address.ts'
import { Fault } from '../ground/fault.ts'
import { newToken } from '../ground/ids.ts'

const LOCAL_PART = /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/

/** Local parts that speak for the domain itself (RFC 2142). No agent may have one. */
const RESERVED = new Set(
  'abuse admin administrator billing dns ftp help hostmaster info mailer-daemon marketing news no-reply noc noreply postmaster root sales security ssl-admin support usenet uucp webmaster www'.split(
    ' ',
  ),
)

/** Whether a local part is reserved, however its words are separated. */
export function isReserved(localPart: string): boolean {
  return RESERVED.has(localPart.replace(/[._]/g, '-')) || RESERVED.has(localPart.replace(/[._-]/g, ''))
}

/**
 * Turns a text into an address in our mail domain. The text is a local part or a whole address. The local part must be
 * letters and digits, with single dots, hyphens or underscores between them. Throws `invalid` for any other local part,
 * for a reserved name, and for another domain.
 */
export function ownAddress(env: Env, text: string): Address {
  const { mailDomain } = settings(env)
  const wrong = (why: string) => new Fault('invalid', `address ${why}`, { field: 'address' })
  const address = parseAddress(text.includes('@') ? text : `${text}@${mailDomain}`)
  if (address === null) throw wrong('is neither a local part nor an email address.')
  if (address.domain !== mailDomain) throw wrong(`must be in ${mailDomain}.`)
  const local = address.contact.slice(0, address.contact.lastIndexOf('@'))
  if (!LOCAL_PART.test(local)) {
    throw wrong('must be letters and digits, with single dots, hyphens or underscores between them.')
  }
  if (isReserved(local)) {
    throw wrong(`"${local}" is reserved. Choose another.`)
  }
  return { ...address, email: address.contact }
}

/**
 * A local part made from an agent's name. It ends in random characters from the second attempt on, and whenever the name
 * alone cannot be used.
 */
export function suggestLocalPart(name: string, attempt: number): string {
  const plain = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40)
  const base = plain === '' || RESERVED.has(plain) ? `agent-${plain}`.replace(/-$/, '') : plain
  return attempt === 0 && base === plain ? base : `${base}-${newToken().slice(0, 6)}`
}
