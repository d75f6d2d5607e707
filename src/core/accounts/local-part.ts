import { type Env, settings } from '../../env.ts'
import { type Address, parseAddress, safeHeaderText } from '../ground/address.ts'
import { Fault } from '../ground/fault.ts'
import { newToken } from '../ground/ids.ts'
import { posesAsService } from '../reading/impersonation.ts'

const LOCAL_PART = /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/

/** Whether a local part is reserved: it speaks for the domain itself, or it looks like an address of the service. */
export const isReserved = (env: Env, localPart: string) =>
  posesAsService(localPart, 'address', settings(env).mailDomain)

/**
 * Throws `invalid` for a name that may not be the name of an agent or of a mailbox: it holds characters that no header may hold,
 * or it poses as the service. Readers see the name as the sender's.
 */
export function mustBeOwnName(env: Env, name: string, field: string): void {
  const unsafe = safeHeaderText(name)
  if (unsafe !== null) throw new Fault('invalid', `${field} ${unsafe}.`, { field })
  if (!posesAsService(name, 'name', settings(env).mailDomain)) return
  const message = `${field} looks like a name of this service, so no agent can have it. Choose another.`
  throw new Fault('invalid', message, { field })
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
  if (isReserved(env, local)) {
    throw wrong(`"${local}" is reserved. Choose another.`)
  }
  return { ...address, email: address.contact }
}

/**
 * A local part made from an agent's name. It ends in random characters from the second attempt on, and whenever the name
 * alone cannot be used.
 */
export function suggestLocalPart(env: Env, name: string, attempt: number): string {
  const plain = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40)
  const candidates = [plain, `agent-${plain}`].filter((each) => plain !== '' && !isReserved(env, each))
  const base = candidates[0] ?? 'agent'
  return attempt === 0 && base === plain ? base : `${base}-${newToken().slice(0, 6)}`
}
