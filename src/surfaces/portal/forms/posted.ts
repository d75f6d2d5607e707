import { Fault, type FaultCode } from '../../../core/ground/fault.ts'
import type { PortalContext } from '../context.ts'
import { type Form, formOf } from './form.ts'

type Handling = {
  /** Does what the form asks for, and gives the answer. */
  act: (form: Form) => Promise<Response>
  /** Shows the page with the form again. */
  again: (fault: Fault) => Promise<Response>
  /** Faults that a person can correct, or that pass with time. All others are thrown. */
  mended?: FaultCode[]
  /** The field to mark if the fault names none. */
  field?: string
}

/**
 * Handles a posted form. If a fault occurs that a person can correct, the form's page is shown again: with the values that were
 * typed, and with the fault at the top and at its field.
 */
export async function posted(c: PortalContext, { act, again, ...handling }: Handling): Promise<Response> {
  const form = await formOf(c)
  c.set('given', form)
  try {
    return await act(form)
  } catch (error) {
    return await again(refuse(c, error, handling))
  }
}

/** Keeps a fault that a person can correct for the page that is shown next. Throws every other error again. */
export function refuse(
  c: PortalContext,
  error: unknown,
  { mended = ['invalid'], field = '' }: Pick<Handling, 'mended' | 'field'> = {},
): Fault {
  if (!(error instanceof Fault) || !mended.includes(error.code)) throw error
  const { details, message } = error
  c.set('wrong', { field: typeof details.field === 'string' ? details.field : field, message })
  return error
}

/** The decision that a form carries. Throws `invalid` if it carries none. */
export function decisionOf(given: string | undefined): 'approve' | 'reject' {
  if (given === 'approve' || given === 'reject') return given
  throw new Fault('invalid', 'Choose whether to approve or to reject.', { field: 'decision' })
}
