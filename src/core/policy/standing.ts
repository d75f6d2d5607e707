import { SUSPENDED_BELOW } from './plans.ts'

/**
 * SQL: the tenant `t`, its mailbox `m` and its agent `g` are in standing, so that they may send. `g` comes from a LEFT JOIN:
 * a mailbox may send for no agent.
 */
export const IN_STANDING = `(t.status = 'active' AND m.status = 'active' AND m.frozen_at IS NULL
  AND m.reputation >= ${SUSPENDED_BELOW} AND (g.id IS NULL OR g.status IN ('active', 'pending_claim')))`
