import { bearer, idempotent, limitBody, noSuchRoute, surface } from '../http.ts'
import { STATUS } from '../status.ts'
import { account } from './account.ts'
import { messages } from './messages.ts'
import { metered } from './metered.ts'
import { operator, operatorOnly } from './operator.ts'
import { registration } from './registration.ts'
import { send } from './send.ts'
import { ErrorView, errorBody } from './words.ts'

/** Error codes with other names in this API. */
const CODES: Record<string, string> = { invalid: 'validation_error' }

export const moltbotden = surface({
  status: STATUS,
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
// The send path recognises a repeated send by its own key.
moltbotden.route('/', send)
moltbotden.use('/email/*', idempotent)
moltbotden.route('/', account)
moltbotden.route('/', messages)
moltbotden.all('/email/*', noSuchRoute)
moltbotden.use('/admin/email/*', operatorOnly)
moltbotden.route('/', operator)
moltbotden.all('/admin/email/*', noSuchRoute)
