import type { MiddlewareHandler } from 'hono'
import { bindingAllowance, mayReachMailbox } from '../../core/accounts/sender.ts'
import { Fault } from '../../core/ground/fault.ts'
import { tellFailure } from '../../core/ground/log.ts'
import type { App } from '../http.ts'
import { me, windowsOfMe } from '../me.ts'

/** Adds the rate-limit headers to every answer to a caller with a valid key. */
export const metered: MiddlewareHandler<App> = async (c, next) => {
  await next()
  if (!('ctx' in c.var)) return
  try {
    const sender = await me(c)
    if (!mayReachMailbox(c.get('ctx'), sender.mailbox.id)) return
    const { limit, remaining, resetsAt } = bindingAllowance(
      sender,
      await windowsOfMe(c, sender),
      c.get('now'),
    )
    c.header('X-RateLimit-Limit', String(limit))
    c.header('X-RateLimit-Remaining', String(remaining))
    c.header('X-RateLimit-Reset', String(resetsAt.getTime() / 1000))
  } catch (error) {
    // A caller without a mailbox already has an error. Nor may an error here replace the answer to a send that succeeded.
    if (error instanceof Fault) return
    tellFailure('rate_headers_missing', error)
  }
}
