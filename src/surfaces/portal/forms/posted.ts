import { Fault, type FaultCode } from '../../../core/ground/fault.ts'
import type { PortalContext } from '../session.ts'
import { type Form, formOf } from './form.ts'

/** How a page deals with a form that is posted to it. */
type Frame = {
  /** Does what the form asks for, and answers with where that leads. */
  act: (form: Form) => Promise<Response>
  /** Shows the page with the form again. */
  again: (fault: Fault) => Promise<Response>
  /** What a person can do something about, or wait for; whatever else goes wrong goes on. */
  mended?: FaultCode[]
  /** The field at which a fault stands that names none. */
  field?: string
}

/**
 * Answers a posted form: by what it does or, where something is wrong that a person can mend, by its page once more. Fields of
 * that page then hold what was written in them, and the page says what is wrong, first of all and at the field.
 */
export async function posted(c: PortalContext, { act, again, ...of }: Frame): Promise<Response> {
  const form = await formOf(c)
  c.set('given', form)
  try {
    return await act(form)
  } catch (error) {
    return await again(refuse(c, error, of))
  }
}

/** Lets the page that is shown next say a fault that a person can mend; any other goes on. */
export function refuse(
  c: PortalContext,
  error: unknown,
  { mended = ['invalid'], field = '' }: Pick<Frame, 'mended' | 'field'> = {},
): Fault {
  if (!(error instanceof Fault) || !mended.includes(error.code)) throw error
  const { details, message } = error
  c.set('wrong', { field: typeof details.field === 'string' ? details.field : field, message })
  return error
}
