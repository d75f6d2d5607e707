import { bearer, idempotent, noSuchRoute, surface } from '../http.ts'
import { agents } from './agents.ts'
import { approvals } from './approvals.ts'
import { audit, auditKeys } from './audit.ts'
import { billing } from './billing.ts'
import { bonds } from './bonds.ts'
import { canaries } from './canaries.ts'
import { claims } from './claims.ts'
import { compliance, complianceLinks } from './compliance.ts'
import { domains } from './domains.ts'
import { inbox } from './inbox.ts'
import { memory } from './memory.ts'
import { messages } from './messages.ts'
import { oversight } from './oversight.ts'
import { ErrorView } from './refusals.ts'
import { registration } from './registration.ts'
import { registry } from './registry.ts'
import { search } from './search.ts'
import { send } from './send.ts'
import { smtpCredentials } from './smtp-credentials.ts'
import { smtpLogin, submission } from './submission.ts'
import { threads } from './threads.ts'
import { webhooks } from './webhooks.ts'

/** Where this surface needs a key. */
const AREAS = [
  '/agents/me',
  '/agents/heartbeat',
  '/search',
  '/webhooks',
  '/compliance',
  '/smtp-credentials',
  '/oversight',
  '/billing',
  '/bonds',
  '/custom-domains',
]

/** Its mail, where nothing but a send is asked for by POST. */
const MAIL = ['/messages', '/threads', '/inbox']

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
    not_a_participant: 403,
    not_configured: 503,
    too_many_registrations: 429,
    too_many_attempts: 429,
    rate_limited: 429,
    expired: 410,
    not_claimed: 403,
    payment_unavailable: 503,
  },
  error: { name: 'MailMoltError', schema: ErrorView },
  body: ({ code, message, details }) => ({ error: code, message, ...details }),
})

mailmolt.route('/', registration)
mailmolt.route('/', claims)
mailmolt.route('/', auditKeys)
mailmolt.use('/smtp/*', smtpLogin)
mailmolt.route('/', submission)
mailmolt.all('/smtp/*', noSuchRoute)
mailmolt.route('/', registry)
mailmolt.route('/', complianceLinks)
// `/x/*` matches `/x` too.
for (const area of MAIL) mailmolt.use(`${area}/*`, bearer)
// A send is known again by its own key, in the send path.
mailmolt.route('/', send)
mailmolt.route('/', messages)
mailmolt.route('/', threads)
mailmolt.route('/', inbox)
for (const area of AREAS) mailmolt.use(`${area}/*`, bearer, idempotent)
mailmolt.route('/', agents)
mailmolt.route('/', search)
mailmolt.route('/', memory)
mailmolt.route('/', webhooks)
mailmolt.route('/', audit)
mailmolt.route('/', smtpCredentials)
mailmolt.route('/', oversight)
mailmolt.route('/', canaries)
mailmolt.route('/', approvals)
mailmolt.route('/', billing)
mailmolt.route('/', bonds)
mailmolt.route('/', domains)
mailmolt.route('/', compliance)
for (const area of [...MAIL, ...AREAS]) mailmolt.all(`${area}/*`, noSuchRoute)
