import { readerOf } from './owners.ts'

/** SQL: we receive mail for this address, as a mailbox or as an address in an attached domain. The argument is SQL. */
export const isReceived = (contact: string) => `(${readerOf(contact)} IS NOT NULL)`

/** SQL: a person signs in with this address, or is invited to. Then no mailbox may have it. The argument is SQL. */
export const isPersons = (contact: string) => `(
  EXISTS (SELECT 1 FROM owners po WHERE po.contact = ${contact})
  OR EXISTS (SELECT 1 FROM second_addresses ps WHERE ps.contact = ${contact}))`

/** SQL: the domain of an address. The argument is SQL. */
export const domainOf = (contact: string) => `substr(${contact}, instr(${contact}, '@') + 1)`
