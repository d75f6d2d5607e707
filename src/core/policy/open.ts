/** States of a recipient to whom no carrier has delivered yet, and whom none has finally refused. */
export const OPEN = ['pending', 'in_flight'] as const

/** SQL: the recipient in the row `row` is still open. */
export const isOpen = (row: string) => `${row}.state IN (${OPEN.map((state) => `'${state}'`).join(', ')})`

/** SQL: the approval in the row `row` waits at `:now` for a person's decision. */
export const awaitsPerson = (row: string) => `(${row}.status = 'pending' AND ${row}.expires_at > :now)`
