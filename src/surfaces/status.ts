import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { FaultCode } from '../core/ground/fault.ts'

/** The status of each fault in one API. */
export type Statuses = Record<FaultCode, ContentfulStatusCode>

/** The default HTTP status of each fault, for APIs whose contract has no other. */
export const STATUS: Statuses = {
  unauthorized: 401,
  insufficient_scope: 403,
  mailbox_scope_denied: 403,
  tenant_mismatch: 403,
  agent_mismatch: 403,
  agent_required: 403,
  human_decision_required: 403,
  global_scope_not_allowed: 403,
  not_found: 404,
  agent_not_found: 404,
  mailbox_not_found: 404,
  template_not_found: 404,
  malformed_json: 400,
  invalid: 422,
  dedupe_key_required: 422,
  batch_too_large: 422,
  template_render_failed: 422,
  template_lint_failed: 422,
  payload_too_large: 413,
  conflict: 409,
  not_rendered: 409,
  approval_stale: 409,
  already_decided: 409,
  already_voted: 409,
  consensus_closed: 409,
  agent_inactive: 403,
  no_vote: 403,
  not_cancellable: 409,
  idempotency_in_progress: 409,
  idempotency_mismatch: 422,
  secret_already_shown: 409,
  not_a_participant: 403,
  not_configured: 503,
  too_many_registrations: 429,
  too_many_attempts: 429,
  rate_limited: 429,
  expired: 410,
  not_claimed: 403,
  payment_unavailable: 503,
}
