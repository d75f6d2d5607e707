import type { MiddlewareHandler } from 'hono'
import { bindingAllowance, mayReachMailbox } from '../../core/accounts/sender.ts'
import { Fault } from '../../core/ground/fault.ts'
import { tellFailure } from '../../core/ground/log.ts'
import { windowEnd } from '../../core/policy/windows.ts'
import type { App, HttpContext } from '../http.ts'
import { me, windowsOfMe } from '../me.ts'

/**
 * Adds the rate-limit headers to every answer. Without a valid key there is no window to
 * report: nothing may be sent, and the time is the end of the hour.
 */
export const metered: MiddlewareHandler<App> = async (c, next) => {
  await next()
  if (!('ctx' in c.var)) return limited(c, 0, 0, new Date(windowEnd('hour', c.get('now').getTime())))
  try {
    const sender = await me(c)
    if (!mayReachMailbox(c.get('ctx'), sender.mailbox.id)) return
    const { limit, remaining, resetsAt } = bindingAllowance(
      sender,
      await windowsOfMe(c, sender),
      c.get('now'),
    )
    limited(c, limit, remaining, resetsAt)
  } catch (error) {
    // A caller without a mailbox already has an error. Nor may an error here replace the answer to a send that succeeded.
    if (error instanceof Fault) return
    tellFailure('rate_headers_missing', error)
  }
}

function limited(c: HttpContext, limit: number, remaining: number, resetsAt: Date) {
  c.header('X-RateLimit-Limit', String(limit))
  c.header('X-RateLimit-Remaining', String(remaining))
  c.header('X-RateLimit-Reset', String(resetsAt.getTime() / 1000))
}
