/** How long after its last heartbeat an agent counts as active, in ms. At exactly this age it still does. */
export const ACTIVE_FOR_MS = 300_000

/** SQL: the agent that holds the lease in the row `lease` is active at `:now`. */
export const isHolderActive = (lease: string) => `EXISTS (
  SELECT 1 FROM agents holder WHERE holder.tenant_id = ${lease}.tenant_id AND holder.id = ${lease}.agent_id
    AND holder.last_heartbeat_at >= :now - ${ACTIVE_FOR_MS})`

/** SQL: the lease in the row `lease` is live at `:now`: it has not ended, has not expired, and its holder is active. */
export const isLive = (lease: string) =>
  `(${lease}.ended_at IS NULL AND ${lease}.expires_at > :now AND ${isHolderActive(lease)})`
