/**
 * Every way in which a request can be misused. Each surface maps every code to a status (`surface` in surfaces/http): a new
 * code does not compile until all of them do.
 */
const FAULT_CODES = [
  'unauthorized',
  'insufficient_scope',
  'mailbox_scope_denied',
  'tenant_mismatch',
  'agent_mismatch',
  'agent_required',
  'human_decision_required',
  'global_scope_not_allowed',
  'not_found',
  'agent_not_found',
  'mailbox_not_found',
  'template_not_found',
  'malformed_json',
  'invalid',
  'dedupe_key_required',
  'batch_too_large',
  'template_render_failed',
  'template_lint_failed',
  'payload_too_large',
  'conflict',
  'not_rendered',
  'approval_stale',
  'already_decided',
  'already_voted',
  'consensus_closed',
  'agent_inactive',
  'no_vote',
  'not_cancellable',
  'idempotency_in_progress',
  'idempotency_mismatch',
  'secret_already_shown',
  'not_a_participant',
  'not_configured',
  'too_many_registrations',
  'too_many_attempts',
  'rate_limited',
  'expired',
  'not_claimed',
  'payment_unavailable',
] as const
export type FaultCode = (typeof FAULT_CODES)[number]

type FaultDetails = Record<string, unknown>

/** A misused request: thrown, never returned. Its message is for the caller. */
export class Fault extends Error {
  readonly code: FaultCode
  readonly details: FaultDetails

  constructor(code: FaultCode, message: string, details: FaultDetails = {}) {
    super(message)
    this.name = 'Fault'
    this.code = code
    this.details = details
  }
}
