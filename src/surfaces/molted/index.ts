import { bearer, idempotent, noSuchRoute, surface } from '../http.ts'
import { STATUS } from '../status.ts'
import { agents } from './agents.ts'
import { approvals } from './approvals.ts'
import { batch, batches } from './batch.ts'
import { budget } from './budget.ts'
import { consensus } from './consensus.ts'
import { consents } from './consents.ts'
import { deadLetters } from './dead-letters.ts'
import { events } from './events.ts'
import { intent } from './intent.ts'
import { keys } from './keys.ts'
import { leases } from './leases.ts'
import { mailboxes } from './mailboxes.ts'
import { nextAction } from './next-action.ts'
import { send } from './send.ts'
import { sends } from './sends.ts'
import { settings } from './settings.ts'
import { stream } from './stream.ts'
import { suppressions } from './suppressions.ts'
import { templates } from './templates.ts'
import { webhooks } from './webhooks.ts'
import { ErrorView } from './words.ts'

/** The paths of this surface below /v1. All others belong to MailMolt. */
const AREAS = ['/agent', '/ops', '/send', '/templates', '/suppressions', '/consent']

export const molted = surface({
  status: {
    ...STATUS,
    invalid: 400,
    dedupe_key_required: 400,
    batch_too_large: 400,
    template_render_failed: 400,
    template_lint_failed: 400,
  },
  error: { name: 'MoltedError', schema: ErrorView },
  body: ({ code, message, status, details }) => ({ statusCode: status, error: code, message, ...details }),
})

molted.route('/', send)
molted.route('/', batch)
// In Hono `/x/*` matches `/x`, too.
for (const area of AREAS) molted.use(`${area}/*`, bearer, idempotent)
molted.route('/', sends)
molted.route('/', batches)
molted.route('/', nextAction)
molted.route('/', intent)
molted.route('/', agents)
molted.route('/', leases)
molted.route('/', consensus)
molted.route('/', approvals)
molted.route('/', deadLetters)
molted.route('/', keys)
molted.route('/', mailboxes)
molted.route('/', templates)
molted.route('/', suppressions)
molted.route('/', consents)
molted.route('/', settings)
molted.route('/', budget)
molted.route('/', webhooks)
molted.route('/', events)
molted.route('/', stream)
for (const area of AREAS) molted.all(`${area}/*`, noSuchRoute)
