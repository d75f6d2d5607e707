import { type Sender, senderOf, windowsOf } from '../core/accounts/sender.ts'
import type { Ctx } from '../core/ground/ctx.ts'
import type { WindowUse } from '../core/policy/windows.ts'
import type { HttpContext } from './http.ts'

const senders = new WeakMap<Ctx, Promise<Sender>>()
const windows = new WeakMap<Ctx, Promise<WindowUse[]>>()

/** The caller's own mailbox, looked up once per request. */
export function me(c: HttpContext): Promise<Sender> {
  const ctx = c.get('ctx')
  return once(senders, ctx, () => senderOf(ctx, c.req.header('x-agent-id') || null))
}

/** The use of the mailbox's windows, looked up once per request. Call it after the request has used them. */
export function windowsOfMe(c: HttpContext, sender: Sender): Promise<WindowUse[]> {
  const ctx = c.get('ctx')
  return once(windows, ctx, () => windowsOf(ctx, sender))
}

function once<Value>(known: WeakMap<Ctx, Promise<Value>>, ctx: Ctx, look: () => Promise<Value>) {
  const value = known.get(ctx) ?? look()
  known.set(ctx, value)
  return value
}
