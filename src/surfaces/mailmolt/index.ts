import { bearer, idempotent, noSuchRoute, surface } from '../http.ts'
import { STATUS } from '../status.ts'
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

/** The paths of this surface that need a key. */
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

/** The paths where every POST is a send. */
const MAIL = ['/messages', '/threads', '/inbox']

export const mailmolt = surface({
  status: STATUS,
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
// In Hono `/x/*` matches `/x`, too.
for (const area of MAIL) mailmolt.use(`${area}/*`, bearer)
// The send path recognises a repeated send by its own key.
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
