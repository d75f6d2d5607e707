import { bearer, idempotent, limitBody, noSuchRoute, surface } from '../http.ts'
import { account } from './account.ts'
import { metered } from './me.ts'
import { messages } from './messages.ts'
import { operator, operatorOnly } from './operator.ts'
import { registration } from './registration.ts'
import { send } from './send.ts'
import { ErrorView, errorBody } from './words.ts'

/** Codes that this API has other names for. */
const CODES: Record<string, string> = { invalid: 'validation_error' }

export const moltbotden = surface({
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
    not_a_participant: 403,
    not_configured: 503,
    too_many_registrations: 429,
    too_many_attempts: 429,
    rate_limited: 429,
    expired: 410,
    not_claimed: 403,
    payment_unavailable: 503,
  },
  error: { name: 'EmailError', schema: ErrorView },
  body({ code, message, status, details: { issues, retryAfter, ...details } }) {
    const place = typeof details.field === 'string' ? details.field : 'body'
    const whole = [{ loc: [place], msg: message, type: code }]
    return errorBody({
      code: CODES[code] ?? code,
      message,
      retryAfter: typeof retryAfter === 'number' ? retryAfter : undefined,
      details,
      issues: status === 422 ? (Array.isArray(issues) ? issues : whole) : undefined,
    })
  },
})

for (const area of ['/agents/*', '/email/*', '/admin/email/*']) moltbotden.use(area, limitBody)
moltbotden.route('/', registration)
moltbotden.use('/email/*', metered, bearer)
// A send is known again by its own key, in the send path.
moltbotden.route('/', send)
moltbotden.use('/email/*', idempotent)
moltbotden.route('/', account)
moltbotden.route('/', messages)
moltbotden.all('/email/*', noSuchRoute)
moltbotden.use('/admin/email/*', operatorOnly)
moltbotden.route('/', operator)
moltbotden.all('/admin/email/*', noSuchRoute)
