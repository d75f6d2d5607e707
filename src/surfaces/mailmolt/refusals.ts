import { exhausted, type Sender } from '../../core/accounts/sender.ts'
import type { Refusal } from '../../core/policy/rules.ts'
import { settings } from '../../env.ts'
import { type HttpContext, z } from '../http.ts'
import { windowsOfMe } from '../me.ts'

export const ErrorView = z
  .object({
    error: z.string().openapi({ example: 'plan_limit_exceeded' }),
    message: z.string(),
    upgrade_url: z.url().optional().openapi({ description: 'Set on 402 responses' }),
    plan: z.string().optional().openapi({ description: 'Set on 402 responses' }),
  })
  .openapi('MailMoltError')

/** The refusal reasons with their own status. Any other is 403, with the reason as the code. */
const STATUS: Record<string, 413 | 422 | 429> = {
  too_many_urls: 422,
  blocked_attachment_type: 422,
  dlp_blocked: 422,
  canary_violation: 422,
  malformed_message: 422,
  unsupported_content: 422,
  invalid_recipient: 422,
  no_such_mailbox: 422,
  message_too_large: 413,
  cooldown: 429,
  reply_loop: 429,
}

/** Answers a refused send: with Retry-After if it would pass later, with `upgrade_url` if it needs a larger plan. */
export async function refusalAnswer(c: HttpContext, sender: Sender, refusal: Refusal) {
  const { reason, detail, retryAt, dlpRule } = refusal
  const errand = c.get('errand')
  if (errand) errand.refusal = refusal
  if (reason === 'rate_limited') return await rateLimited(c, sender, refusal)
  const status = STATUS[reason] ?? 403
  if (dlpRule !== undefined) c.header('X-MailMolt-DLP-Blocked', dlpRule)
  if (status === 429 && retryAt !== undefined) retryAfter(c, retryAt)
  return c.json({ error: reason, message: `Not sent: ${detail}.` }, status)
}

async function rateLimited(c: HttpContext, sender: Sender, { window, detail, retryAt }: Refusal) {
  const windows = await windowsOfMe(c, sender)
  // If the plan is used up, too, waiting for the other window would not help.
  const cap = [...windows.filter(({ used, limit }) => used >= limit), ...(window ? [window] : [])]
    .filter(({ scope }) => scope === 'plan')
    .sort((a, b) => b.resetsAt - a.resetsAt)[0]
  if (cap) {
    const { plan } = sender
    const day = cap.unit === 'day' ? 'daily' : 'monthly'
    const until = new Date(cap.resetsAt).toISOString()
    const message = `The ${day} limit of ${cap.limit} sends of the plan "${plan}" is reached. It resets at ${until}.`
    const upgrade_url = `${settings(c.env).publicUrl}/portal/billing`
    return c.json({ error: 'plan_limit_exceeded', message, upgrade_url, plan }, 402)
  }
  retryAfter(c, exhausted(windows)?.resetsAt ?? retryAt ?? c.get('now').getTime())
  return c.json({ error: 'rate_limited', message: `Not sent: ${detail}.` }, 429)
}

/** Whole seconds, at least one. */
function retryAfter(c: HttpContext, until: number) {
  c.header('Retry-After', String(Math.max(1, Math.ceil((until - c.get('now').getTime()) / 1000))))
}
