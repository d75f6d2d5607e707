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

/** The mailbox that the caller calls its own, looked up once for each request. */
export function me(c: HttpContext): Promise<Sender> {
  const ctx = c.get('ctx')
  return once(accounts, ctx, () => senderOf(ctx, c.req.header('x-agent-id') || null))
}

/** How far its windows are used, looked up once for each request: ask for it after what the request spends. */
export function windowsOfMe(c: HttpContext, account: Sender): Promise<WindowUse[]> {
  const ctx = c.get('ctx')
  return once(windows, ctx, () => windowsOf(ctx, account))
}

/** Tells every caller that has shown its key what it may still send, whatever else it is answered. */
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
    // A caller without a mailbox has been told so; and what is done must not be answered as if it had failed.
    if (error instanceof Fault) return
    tellFailure('rate_headers_missing', error)
  }
}

function once<Value>(known: WeakMap<Ctx, Promise<Value>>, ctx: Ctx, look: () => Promise<Value>) {
  const value = known.get(ctx) ?? look()
  known.set(ctx, value)
  return value
}
