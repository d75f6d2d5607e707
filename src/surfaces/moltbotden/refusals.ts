import { allowance, exhausted, type Sender } from '../../core/accounts/sender.ts'
import type { Refusal } from '../../core/policy/rules.ts'
import type { WindowUse } from '../../core/policy/windows.ts'
import type { HttpContext } from '../http.ts'
import { windowsOfMe } from '../me.ts'
import { errorBody, stamp } from './words.ts'

/** The refusal reasons with their own names in this API. Any other is 403, with the reason as the code. */
const NAMED: Record<string, { status: 400 | 403 | 429; code: string; title: string }> = {
  too_many_recipients: { status: 400, code: 'too_many_recipients', title: 'Too many recipients' },
  subject_required: { status: 400, code: 'subject_required', title: 'Subject required' },
  too_many_urls: { status: 400, code: 'too_many_urls', title: 'Too many URLs' },
  blocked_attachment_type: { status: 400, code: 'blocked_attachment_type', title: 'Blocked attachment type' },
  dlp_blocked: { status: 400, code: 'dlp_blocked', title: 'Content refused' },
  canary_violation: { status: 400, code: 'canary_violation', title: 'Content refused' },
  mailbox_suspended: { status: 403, code: 'account_suspended', title: 'Account suspended' },
  mailbox_frozen: { status: 403, code: 'sending_frozen', title: 'Sending frozen' },
  trust_required: { status: 403, code: 'provisional_account', title: 'Provisional account' },
  cooldown: { status: 429, code: 'cooldown', title: 'Too soon after the last message' },
  reply_loop: { status: 429, code: 'reply_loop', title: 'Too many messages to and fro' },
}

/** Answers a refused send, with Retry-After if it would pass later. */
export async function refusalAnswer(c: HttpContext, sender: Sender, refusal: Refusal) {
  if (refusal.reason === 'rate_limited') return await rateLimited(c, sender, refusal)
  const { status, code, title } = NAMED[refusal.reason] ?? {
    status: 403 as const,
    code: refusal.reason,
    title: 'Not sent',
  }
  const retryAfter = status === 429 && refusal.retryAt !== undefined ? wait(c, refusal.retryAt) : undefined
  return c.json(errorBody({ code, message: `${title}: ${refusal.detail}.`, retryAfter }), status)
}

const NAMES = { hour: 'hourly', day: 'daily', month: 'monthly' } as const

async function rateLimited(c: HttpContext, sender: Sender, refusal: Refusal) {
  const windows = await windowsOfMe(c, sender)
  // If the day is used up, too, a retry in the next hour would fail again.
  const window: WindowUse | undefined = exhausted(windows) ?? refusal.window
  const now = c.get('now')
  const { unit, used, limit, scope, resetsAt } = window ?? {
    ...{ unit: 'hour' as const, scope: 'mailbox' as const, used: 0, limit: 0 },
    resetsAt: refusal.retryAt ?? now.getTime(),
  }
  const name = NAMES[unit]
  const whose = scope === 'plan' ? " by all of the plan's mailboxes" : ''
  const message = `${name[0]?.toUpperCase()}${name.slice(1)} send limit reached. ${used} of ${limit} sends used this ${unit}${whose}.`
  const [hour, day] = [allowance(sender, windows, 'hour', now), allowance(sender, windows, 'day', now)]
  const details = {
    limit_type: name,
    scope,
    hourly_used: hour.used,
    hourly_limit: hour.limit,
    hourly_resets_at: stamp(hour.resetsAt),
    daily_used: day.used,
    daily_limit: day.limit,
    daily_resets_at: stamp(day.resetsAt),
  }
  const retryAfter = wait(c, resetsAt)
  return c.json(errorBody({ code: 'rate_limit_exceeded', message, retryAfter, details }), 429)
}

/** Sets the Retry-After header and returns its value: whole seconds, at least one. */
function wait(c: HttpContext, until: number): number {
  const seconds = Math.max(1, Math.ceil((until - c.get('now').getTime()) / 1000))
  c.header('Retry-After', String(seconds))
  return seconds
}
