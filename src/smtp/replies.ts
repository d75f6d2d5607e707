import type { Answer } from './api.ts'

/** A reply of RFC 5321 with its enhanced status code (RFC 3463). */
export type Reply = { code: number; enhanced: string; text: string }

/** Refusals that end by themselves after some time. Any other refusal lasts until somebody changes something. */
const TEMPORARY = [
  'cooldown',
  'rate_limited',
  'plan_limit_exceeded',
  'reply_loop',
  'lease_conflict',
  'fatigue_limit',
  'risk_budget_exceeded',
]

const BY_REASON: Record<string, [code: number, enhanced: string]> = {
  unauthorized: [550, '5.7.8'],
  malformed_message: [550, '5.6.0'],
  unsupported_content: [550, '5.6.1'],
  invalid: [550, '5.6.0'],
  invalid_recipient: [553, '5.1.3'],
  no_such_mailbox: [550, '5.1.1'],
  message_too_large: [552, '5.3.4'],
  payload_too_large: [552, '5.3.4'],
}

/** Moltpost does not answer. The client keeps the message and tries again later. */
const UNAVAILABLE: Reply = {
  code: 451,
  enhanced: '4.3.0',
  text: 'Moltpost cannot be reached. Try again later.',
}

/** The reply to a failed login. Null if the login succeeded. */
export function loginReply(answer: Answer): Reply | null {
  if (answer?.status === 200) return null
  if (answer?.status === 401) {
    return { code: 535, enhanced: '5.7.8', text: 'The address or the password is wrong.' }
  }
  return { code: 454, enhanced: '4.7.0', text: 'The login cannot be checked now. Try again later.' }
}

/** The reply that refuses a recipient or a message. Null if it was accepted. */
export function refusalReply(answer: Answer): Reply | null {
  if (answer === null || answer.status >= 500) return UNAVAILABLE
  if (answer.status < 300) return null
  const { status, body, retryAfterS } = answer
  const reason = typeof body.error === 'string' ? body.error : 'refused'
  const message = typeof body.message === 'string' ? body.message : ''
  const [code, enhanced] = codesOf(status, reason)
  const later = code < 500 && retryAfterS !== null ? ` Try again in ${retryAfterS} s.` : ''
  return { code, enhanced, text: `${reason}: ${message}${later}` }
}

function codesOf(status: number, reason: string): [code: number, enhanced: string] {
  const known = BY_REASON[reason]
  if (known) return known
  if (status === 402 || status === 429 || TEMPORARY.includes(reason)) return [451, '4.7.1']
  return status === 403 || status === 422 ? [550, '5.7.1'] : [451, '4.3.0']
}

/** The reply to a submitted message. */
export function messageReply(answer: Answer): Reply {
  const refusal = refusalReply(answer)
  if (refusal || answer === null) return refusal ?? UNAVAILABLE
  const { request_id, approval_queue_id, message } = answer.body
  const { status } = (message ?? {}) as { status?: string }
  if (status === 'bounced') {
    return { code: 550, enhanced: '5.1.1', text: `${request_id}: none of the recipients exists.` }
  }
  const held = `Ok: held for approval as ${request_id} (${approval_queue_id})`
  const taken = status === 'delivered' ? 'delivered' : 'queued'
  const text = status === 'pending_approval' ? held : `Ok: ${taken} as ${request_id}`
  return { code: 250, enhanced: '2.0.0', text }
}

/** The text of a reply in one line: printable ASCII, shorter than the limit of RFC 5321, section 4.5.3.1.5. */
export function lineOf({ enhanced, text }: Reply): string {
  return `${enhanced} ${text.replace(/[^\x20-\x7e]/g, '?').slice(0, 400)}`
}
