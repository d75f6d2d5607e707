/** SQL: the recipient in the row `row` is open: no carrier has delivered to it, and none has refused it for good. */
export const isOpen = (row: string) => `${row}.state IN ('pending', 'in_flight')`

/** SQL: the approval in the row `row` waits at `:now` for a person's decision. */
export const awaitsPerson = (row: string) => `(${row}.status = 'pending' AND ${row}.expires_at > :now)`
