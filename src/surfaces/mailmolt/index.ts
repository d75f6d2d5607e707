import { surface } from '../http.ts'
import { registration } from './registration.ts'

export const mailmolt = surface({
  status: {
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
    not_cancellable: 409,
    idempotency_in_progress: 409,
    idempotency_mismatch: 422,
    secret_already_shown: 409,
  },
  body: ({ code, message, details }) => ({ error: code, message, ...details }),
})

mailmolt.route('/', registration)
