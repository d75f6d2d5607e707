import type { Context } from 'hono'
import type { Person } from '../../core/accounts/sessions.ts'
import type { App } from '../http.ts'
import type { Form, Wrong } from './forms/form.ts'

export type Portal = {
  Bindings: App['Bindings']
  Variables: App['Variables'] & {
    person?: Person
    csrf?: string
    /** The values of a posted form, and what is wrong with it: for the page that shows the form again. */
    given?: Form
    wrong?: Wrong
    /** The page that a form leads to once it is done, and the message shown there. */
    leadsTo?: { to: string; message: string }
  }
}
export type PortalContext = Context<Portal>

/** What verbs of the core need that are called before a tenant is known. */
export const envAndNow = (c: PortalContext) => ({ env: c.env, now: c.get('now') })
