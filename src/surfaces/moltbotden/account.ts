import { allowance, type Sender, senderStatus, sendTier } from '../../core/accounts/sender.ts'
import { mustBeAllowed } from '../../core/ground/ctx.ts'
import type { Unit } from '../../core/policy/windows.ts'
import { createRoute, json, z } from '../http.ts'
import { me, windowsOfMe } from '../me.ts'
import { ERRORS, RATE_HEADERS, routes, stamp } from './words.ts'

const Allowance = z.object({ used: z.int(), limit: z.int(), remaining: z.int() })

export const AccountFacts = z.object({
  email_address: z.string(),
  status: z.enum(['active', 'suspended', 'deactivated']),
  send_tier: z.enum(['provisional', 'active', 'trusted']),
  reputation_score: z.number().min(0).max(1).openapi({
    description: 'Starts at 0.80; above 0.90 is trusted, below 0.50 suspended.',
    example: 0.82,
  }),
  total_sent: z.int(),
  total_received: z.int(),
  total_bounced: z.int(),
  total_spam_complaints: z.int(),
  sending_frozen: z.boolean(),
  frozen_reason: z.string().nullable(),
  created_at: z.string(),
})

const AccountView = AccountFacts.extend({
  rate_limits: z.object({ hourly: Allowance, daily: Allowance }),
}).openapi('EmailAccount')

export const account = routes()

account.openapi(
  createRoute({
    method: 'get',
    path: '/email/account',
    tags: ['email'],
    summary: 'The email account of the caller, with its standing and budget',
    security: [{ bearer: [] }],
    responses: { 200: { ...json(AccountView), headers: RATE_HEADERS }, ...ERRORS },
  }),
  async (c) => {
    const own = await me(c)
    mustBeAllowed(c.var.ctx, 'read', own.mailbox.id)
    const windows = await windowsOfMe(c, own)
    const of = (unit: Unit) => {
      const { used, limit, remaining } = allowance(own, windows, unit, c.var.now)
      return { used, limit, remaining }
    }
    const { created_at, ...facts } = accountFacts(own)
    return c.json({ ...facts, rate_limits: { hourly: of('hour'), daily: of('day') }, created_at }, 200)
  },
)

export function accountFacts(of: Sender): z.infer<typeof AccountFacts> {
  const { mailbox } = of
  return {
    email_address: mailbox.address,
    status: senderStatus(of),
    send_tier: sendTier(of),
    reputation_score: mailbox.reputation / 1000,
    total_sent: mailbox.sentCount,
    total_received: mailbox.receivedCount,
    total_bounced: mailbox.bouncedCount,
    total_spam_complaints: mailbox.complaintCount,
    sending_frozen: mailbox.frozenAt !== null,
    frozen_reason: mailbox.frozenReason,
    created_at: stamp(mailbox.createdAt),
  }
}
