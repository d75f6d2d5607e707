import { type Account, accountOf, windowsOf } from '../../core/accounts/account.ts'
import type { Ctx } from '../../core/ground/ctx.ts'
import type { WindowUse } from '../../core/policy/windows.ts'
import type { HttpContext } from '../http.ts'

const accounts = new WeakMap<Ctx, Promise<Account>>()
const windows = new WeakMap<Ctx, Promise<WindowUse[]>>()

/** The mailbox that the caller calls its own, looked up once for each request. */
export function me(c: HttpContext): Promise<Account> {
  const ctx = c.get('ctx')
  return once(accounts, ctx, () => accountOf(ctx, c.req.header('x-agent-id') || null))
}

/** How far its windows are used, looked up once for each request: ask for it after what the request spends. */
export function windowsOfMe(c: HttpContext, account: Account): Promise<WindowUse[]> {
  const ctx = c.get('ctx')
  return once(windows, ctx, () => windowsOf(ctx, account))
}

function once<Value>(known: WeakMap<Ctx, Promise<Value>>, ctx: Ctx, look: () => Promise<Value>) {
  const value = known.get(ctx) ?? look()
  known.set(ctx, value)
  return value
}
