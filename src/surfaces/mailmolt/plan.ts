import type { MiddlewareHandler } from 'hono'
import { mayReachMailbox } from '../../core/accounts/sender.ts'
import { Fault } from '../../core/ground/fault.ts'
import { tellFailure } from '../../core/ground/log.ts'
import type { Unit } from '../../core/policy/windows.ts'
import type { App } from '../http.ts'
import { me, windowsOfMe } from '../me.ts'

const integer = (description: string) => ({ schema: { type: 'integer' as const }, description })

/** The headers that tell how much of the owner's plan is left. Every answer to a send has them. */
export const PLAN_HEADERS = {
  'X-MailMolt-Plan': { schema: { type: 'string' as const }, description: 'The plan of the owner.' },
  'X-MailMolt-Plan-Daily-Limit': integer('Sends in a UTC day, over all of the owner’s mailboxes.'),
  'X-MailMolt-Plan-Daily-Remaining': integer('What is left of it after this request.'),
  'X-MailMolt-Plan-Monthly-Limit': integer('Sends in a UTC month, over all of the owner’s mailboxes.'),
  'X-MailMolt-Plan-Monthly-Remaining': integer('What is left of it after this request.'),
}

const NAMES: [unit: Unit, name: string][] = [
  ['day', 'Daily'],
  ['month', 'Monthly'],
]

/** Adds the plan-usage headers to every answer to a send. */
export const quota: MiddlewareHandler<App> = async (c, next) => {
  await next()
  try {
    const account = await me(c)
    if (!mayReachMailbox(c.get('ctx'), account.mailbox.id)) return
    const windows = await windowsOfMe(c, account)
    c.header('X-MailMolt-Plan', account.plan)
    for (const [unit, name] of NAMES) {
      const window = windows.find(({ scope, unit: of }) => scope === 'plan' && of === unit)
      if (!window) continue
      c.header(`X-MailMolt-Plan-${name}-Limit`, String(window.limit))
      c.header(`X-MailMolt-Plan-${name}-Remaining`, String(Math.max(0, window.limit - window.used)))
    }
  } catch (error) {
    // A caller without a mailbox already has an error. And a send that succeeded must not be answered with an error.
    if (error instanceof Fault) return
    tellFailure('plan_headers_missing', error)
  }
}
