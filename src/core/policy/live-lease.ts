/** How long after its last heartbeat an agent counts as active, in ms. At exactly this age it still does. */
export const ACTIVE_FOR_MS = 300_000

/** SQL: the agent `a` is active at `:now`. */
export const ACTIVE = `a.last_heartbeat_at >= :now - ${ACTIVE_FOR_MS}`

/** SQL: the lease `l`, held by the agent `a`, is live at `:now`: not ended, not expired, and its holder is active. */
export const LIVE_LEASE = `(l.ended_at IS NULL AND l.expires_at > :now AND ${ACTIVE})`
