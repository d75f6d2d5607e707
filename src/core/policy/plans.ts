import type { Limits } from './windows.ts'

export type Plan = 'free' | 'starter' | 'growth' | 'team' | 'enterprise'

/** What an owner's plan allows for all mailboxes together, in sends per UTC day and month. */
export const PLANS: Record<Plan, { day: number; month: number }> = {
  free: { day: 100, month: 3_000 },
  starter: { day: 500, month: 10_000 },
  growth: { day: 2_000, month: 50_000 },
  team: { day: 10_000, month: 250_000 },
  enterprise: { day: 50_000, month: 1_000_000 },
}

/** What a mailbox without limits of its own may send, by its tier. */
const TIERS = { active: { hour: 20, day: 100 }, trusted: { hour: 50, day: 500 } }

/** Reputation in thousandths from which a mailbox counts as trusted, and below which it is suspended. */
export const TRUSTED_ABOVE = 900
export const SUSPENDED_BELOW = 500

export function planLimits(plan: Plan): Limits {
  return { hour: null, ...PLANS[plan] }
}

/** What a mailbox without limits of its own may send in this plan: in the lowest tier, and in the highest. */
export function standardLimits(plan: Plan) {
  const { active, trusted } = TIERS
  const paid = { hour: PLANS[plan].day, day: PLANS[plan].day }
  return plan === 'free' ? { lowest: active, highest: trusted } : { lowest: paid, highest: paid }
}

/** The limits of a mailbox: its own, or else those of its tier. On a paid plan, the plan's daily cap replaces those of the tier. */
export function mailboxLimits(
  mailbox: {
    hourlyLimit: number | null
    dailyLimit: number | null
    monthlyLimit: number | null
    reputation: number
  },
  plan: Plan,
): Limits {
  const tier = mailbox.reputation > TRUSTED_ABOVE ? TIERS.trusted : TIERS.active
  const standard = plan === 'free' ? tier : { hour: PLANS[plan].day, day: PLANS[plan].day }
  return {
    hour: mailbox.hourlyLimit ?? standard.hour,
    day: mailbox.dailyLimit ?? standard.day,
    month: mailbox.monthlyLimit,
  }
}
