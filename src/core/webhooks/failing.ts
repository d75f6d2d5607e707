import { TRIED_ALONE_AFTER_MS } from './schedule.ts'

/** How long what cannot be taken because its webhook fails waits at least, in ms; at most twice that. */
export const FAILING_MS = 60_000

/** SQL: whether webhook `w` has done nothing but fail of late, at the moment that a parameter names. */
export const isFailing = (now: string) => `w.failing_since <= ${now} - ${TRIED_ALONE_AFTER_MS}`

/** SQL: whether an attempt of webhook `w` is under way. */
export const isTried = (now: string) => `EXISTS (
  SELECT 1 FROM webhook_deliveries o INDEXED BY webhook_deliveries_claimed
  WHERE o.tenant_id = w.tenant_id AND o.webhook_id = w.id AND o.claim_until > ${now})`
