import type { MiddlewareHandler } from 'hono'
import {
  bindingAllowance,
  mayReachMailbox,
  type Sender,
  senderOf,
  windowsOf,
} from '../../core/accounts/sender.ts'
import type { Ctx } from '../../core/ground/ctx.ts'
import { Fault } from '../../core/ground/fault.ts'
import { tellFailure } from '../../core/ground/log.ts'
import type { WindowUse } from '../../core/policy/windows.ts'
import type { App, HttpContext } from '../http.ts'

const accounts = new WeakMap<Ctx, Promise<Sender>>()
const windows = new WeakMap<Ctx, Promise<WindowUse[]>>()

/** The caller's own mailbox, looked up once per request. */
export function me(c: HttpContext): Promise<Sender> {
  const ctx = c.get('ctx')
  return once(accounts, ctx, () => senderOf(ctx, c.req.header('x-agent-id') || null))
}

/** The use of the mailbox's windows, looked up once per request. Call it after the request has used them. */
export function windowsOfMe(c: HttpContext, account: Sender): Promise<WindowUse[]> {
  const ctx = c.get('ctx')
  return once(windows, ctx, () => windowsOf(ctx, account))
}

/** Adds the rate-limit headers to every answer to a caller with a valid key. */
export const metered: MiddlewareHandler<App> = async (c, next) => {
  await next()
  if (!('ctx' in c.var)) return
  try {
    const account = await me(c)
    if (!mayReachMailbox(c.get('ctx'), account.mailbox.id)) return
    const { limit, remaining, resetsAt } = bindingAllowance(
      account,
      await windowsOfMe(c, account),
      c.get('now'),
    )
    c.header('X-RateLimit-Limit', String(limit))
    c.header('X-RateLimit-Remaining', String(remaining))
    c.header('X-RateLimit-Reset', String(resetsAt.getTime() / 1000))
  } catch (error) {
    // A caller without a mailbox already has an error. And a send that succeeded must not be answered with an error.
    if (error instanceof Fault) return
    tellFailure('rate_headers_missing', error)
  }
}

function once<Value>(known: WeakMap<Ctx, Promise<Value>>, ctx: Ctx, look: () => Promise<Value>) {
  const value = known.get(ctx) ?? look()
  known.set(ctx, value)
  return value
}
