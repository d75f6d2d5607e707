import { type Env, settings } from '../../env.ts'
import { type Address, mustBeAddress, parseAddress } from '../ground/address.ts'
import { Fault } from '../ground/fault.ts'
import { statement } from '../ground/sql.ts'
import { isReceived } from '../policy/received.ts'
import { isWithin } from './domains/name.ts'

const RECEIVED = statement<{ is_received: number }>(`SELECT ${isReceived(':contact')} AS is_received`)

/**
 * Whether we receive the mail of an address: it lies in our own domain or below it, or a mailbox has it in an attached domain.
 * Agents read such mail, so it cannot prove who a person is. Asked again whenever a letter would prove something.
 */
export async function isReceivedHere(env: Env, contact: string): Promise<boolean> {
  const domain = parseAddress(contact)?.domain
  if (domain === undefined || isWithin(domain, settings(env).mailDomain)) return true
  return (await RECEIVED.first(env, { contact }))?.is_received === 1
}

/** The address of a person. Throws `invalid` for any other text, and for an address whose mail we receive. */
export async function mustBePersonal(env: Env, email: string, field: string): Promise<Address> {
  const address = mustBeAddress(email, field)
  if (!(await isReceivedHere(env, address.contact))) return address
  throw receivedHere(env, field)
}

const receivedHere = (env: Env, field: string) =>
  new Fault(
    'invalid',
    `Give an address of your own. This one belongs to an agent, as do all addresses at ${settings(env).mailDomain}.`,
    { field },
  )
