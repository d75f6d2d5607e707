import type { DlpFacts } from '../reading/dlp/facts.ts'
import type { Facts } from './facts.ts'
import { SUSPENDED_BELOW } from './plans.ts'
import { SUSPENDED_FROM } from './standing.ts'
import { cooldownRefusal, rateRefusal, type Unit, type WindowSnapshot, type WindowUse } from './windows.ts'

/** A mailbox and a contact that each wrote this often within `LOOP_WITHIN_MS` are in a loop. */
export const LOOP_AT = 9
export const LOOP_WITHIN_MS = 3_600_000

export type Refusal = {
  reason: string
  detail: string
  retryAt?: number
  contact?: string
  window?: WindowUse
  suppression?: { scope: string; reasonCode: string }
  lease?: { agentId: string; agentName: string | null; expiresAt: number }
  /** The first DLP rule that found something. */
  dlpRule?: string
}

type Subject = { facts: Facts; window: WindowSnapshot }

type Rule = {
  name: string
  /** Whether a pass is recorded as an audit event; a refusal always is. */
  isConfigured: (facts: Facts) => boolean
  /** The detail of the audit event of a pass. */
  note?: (facts: Facts) => string | undefined
  refuse: (subject: Subject) => Refusal | undefined
}

const always = () => true
const never = () => false

/** In the order in which they are judged. The first refusal ends the judgement and names the reason. */
export const RULES: Rule[] = [
  // A send whose dedupe key is taken is never judged: its caller is answered `duplicate`.
  { name: 'deduplication', isConfigured: always, refuse: () => undefined },
  {
    name: 'tenant',
    isConfigured: never,
    refuse({ facts: { tenant } }) {
      if (tenant.status === 'paused')
        return { reason: 'tenant_paused', detail: 'sending is paused for this tenant' }
      if (tenant.status === 'frozen') return { reason: 'tenant_frozen', detail: 'this tenant is frozen' }
      if (tenant.sanction && tenant.sanction.weight >= SUSPENDED_FROM) {
        return { reason: 'tenant_frozen', detail: `this account is suspended: ${tenant.sanction.why}` }
      }
    },
  },
  {
    name: 'standing',
    isConfigured: never,
    refuse({ facts: { tenant, mailbox, agentStatus } }) {
      if (mailbox.status === 'paused') return { reason: 'mailbox_paused', detail: 'this mailbox is paused' }
      if (mailbox.frozen) {
        const why = mailbox.frozen.reason ? `: ${mailbox.frozen.reason}` : ''
        return { reason: 'mailbox_frozen', detail: `an operator has frozen this mailbox${why}` }
      }
      if (mailbox.reputation < SUSPENDED_BELOW) {
        return {
          reason: 'mailbox_suspended',
          detail: `reputation ${mailbox.reputation / 1000} is below 0.500`,
        }
      }
      if (agentStatus === 'paused' || agentStatus === 'suspended' || agentStatus === 'banned') {
        return { reason: 'agent_suspended', detail: `the agent is ${agentStatus}` }
      }
      if (tenant.level === 'sandbox') {
        return {
          reason: 'trust_required',
          detail: 'the agent must be claimed by its owner before it can send',
        }
      }
    },
  },
  {
    // A send that waits is judged again when it is released: its key may have ended meanwhile.
    name: 'requester',
    isConfigured: never,
    refuse({ facts: { requester, leavesAt } }) {
      const detail = !requester.maySend
        ? 'the key that asked for this send was revoked, has expired or may not send from this mailbox'
        : requester.expiresAt !== null && requester.expiresAt <= leavesAt
          ? `the key that asks for this send expires before it would leave, at ${new Date(requester.expiresAt).toISOString()}`
          : null
      if (detail !== null) return { reason: 'requester_not_allowed', detail }
    },
  },
  {
    // Receivers treat mail from an unverified domain as forged. No other address is used, because the caller chose this one.
    name: 'domain',
    isConfigured: never,
    refuse({ facts: { mailbox } }) {
      if (!mailbox.domain || mailbox.domain.verified) return
      const { name } = mailbox.domain
      const detail = `${name}, which this mailbox writes from, has lost its records: verify it again or delete it`
      return { reason: 'no_verified_domain', detail }
    },
  },
  {
    name: 'template',
    isConfigured: never,
    refuse({ facts: { template } }) {
      if (template.kind === 'missing') {
        return { reason: 'template_not_found', detail: `no template "${template.ref}"` }
      }
      if (template.kind === 'unpublished') {
        return { reason: 'template_not_approved', detail: 'the template has no published version' }
      }
    },
  },
  {
    name: 'content',
    isConfigured: (facts) => facts.content !== null,
    refuse({ facts: { content } }) {
      if (content === null) return
      const { urls, urlsAtMost, blockedFile } = content
      if (urlsAtMost !== null && urls > urlsAtMost) {
        return {
          reason: 'too_many_urls',
          detail: `the body holds ${urls} URLs; at most ${urlsAtMost} may be sent`,
        }
      }
      if (blockedFile !== null) return { reason: 'blocked_attachment_type', detail: blockedFile }
    },
  },
  {
    name: 'canary',
    isConfigured: ({ dlp }) => dlp.watched > 0,
    refuse: ({ facts }) => canaryRefusal(facts.dlp),
  },
  {
    name: 'dlp',
    isConfigured: ({ dlp }) => dlp.mode !== 'monitor' || dlp.found.length > 0,
    note: ({ dlp }) => (dlp.found.length > 0 ? `${dlp.mode}: ${foundIn(dlp)}` : undefined),
    refuse: ({ facts }) => dlpRefusal(facts.dlp),
  },
  {
    name: 'suppression',
    isConfigured: always,
    refuse({ facts }) {
      const listed = facts.contacts.find((contact) => contact.suppression)
      if (!listed?.suppression) return
      const { scope, reasonCode } = listed.suppression
      return {
        reason: 'suppressed',
        detail: `${listed.email} is on the ${scope} suppression list: ${reasonCode}`,
        contact: listed.contact,
        suppression: { scope, reasonCode },
      }
    },
  },
  {
    name: 'lease',
    isConfigured: never,
    refuse({ facts }) {
      const held = facts.contacts.find((contact) => contact.lease && contact.lease.agentId !== facts.agentId)
      if (!held?.lease) return
      return {
        reason: 'lease_conflict',
        detail: `${held.email} is leased to ${held.lease.agentName ?? held.lease.agentId}`,
        contact: held.contact,
        retryAt: held.lease.expiresAt,
        lease: held.lease,
      }
    },
  },
  {
    name: 'cooldown',
    isConfigured: always,
    refuse({ facts, window }) {
      const refusal = cooldownRefusal(window, facts.leavesAt)
      if (refusal?.rule !== 'cooldown') return
      const { contact, retryAt } = refusal
      return { reason: 'cooldown', detail: 'contact in cooldown window', contact, retryAt }
    },
  },
  {
    name: 'fatigue',
    isConfigured: (facts) => facts.mailbox.fatigueLimit !== null,
    refuse({ facts }) {
      const { fatigueLimit, fatigueDays } = facts.mailbox
      if (fatigueLimit === null) return
      const tired = facts.contacts.find((contact) => contact.recentSends >= fatigueLimit)
      if (!tired) return
      return {
        reason: 'fatigue_limit',
        detail: `${tired.email} was sent ${tired.recentSends} messages in ${fatigueDays} days; the limit is ${fatigueLimit}`,
        contact: tired.contact,
        retryAt: (tired.oldestRecentAt ?? facts.now) + fatigueDays * 86_400_000,
      }
    },
  },
  {
    // Two agents that answer every message would never stop. Messages to the owner are exempt.
    name: 'reply_loop',
    isConfigured: never,
    refuse({ facts }) {
      const looping = facts.contacts.find(
        ({ exchange, contact }) =>
          exchange !== null && exchange.sent >= LOOP_AT && contact !== facts.tenant.ownerContact,
      )
      if (!looping?.exchange) return
      return {
        reason: 'reply_loop',
        detail: `${looping.email} and this mailbox have each written ${LOOP_AT} times within an hour`,
        contact: looping.contact,
        retryAt: looping.exchange.answeredAt + LOOP_WITHIN_MS,
      }
    },
  },
  rateLimit('rate_limit_hourly', 'hour', always),
  rateLimit('rate_limit_daily', 'day', always),
  rateLimit('rate_limit_monthly', 'month', (facts) => facts.mailbox.monthlyLimit !== null),
  {
    name: 'consent',
    isConfigured: always,
    refuse({ facts }) {
      if (!facts.mailbox.requireConsent) return
      const without = facts.contacts.find((contact) => contact.consent !== 'granted')
      if (!without) return
      const detail =
        without.consent === 'revoked'
          ? `${without.email} revoked consent`
          : `no consent recorded for ${without.email}`
      return { reason: 'no_consent', detail, contact: without.contact }
    },
  },
  {
    name: 'risk_budget',
    isConfigured: (facts) => facts.mailbox.riskBudget !== null,
    refuse({ facts: { mailbox } }) {
      if (mailbox.riskBudget === null || (mailbox.riskSignals ?? 0) < mailbox.riskBudget) return
      return {
        reason: 'risk_budget_exceeded',
        detail: `${mailbox.riskSignals} bounces and complaints in 24 hours; the budget is ${mailbox.riskBudget}`,
      }
    },
  },
]

/** The refusal of content with these findings; undefined if it may leave. */
export function contentRefusal(dlp: DlpFacts): Refusal | undefined {
  return canaryRefusal(dlp) ?? dlpRefusal(dlp)
}

function canaryRefusal({ canaries: [first] }: DlpFacts): Refusal | undefined {
  if (!first) return
  const detail = `the ${first.where} holds a canary token, which must never leave`
  return { reason: 'canary_violation', detail, dlpRule: 'canary' }
}

function dlpRefusal(dlp: DlpFacts): Refusal | undefined {
  const [first] = dlp.found
  if (!first || dlp.mode === 'monitor') return
  if (dlp.mode === 'block') {
    return { reason: 'dlp_blocked', detail: `found ${foundIn(dlp)}`, dlpRule: first.rule }
  }
  if (dlp.fixed === null) return
  const detail = `found ${foundIn(dlp)}, where it cannot be struck out`
  return { reason: 'dlp_blocked', detail, dlpRule: dlp.fixed }
}

function foundIn({ found }: DlpFacts): string {
  return found.map(({ rule, where }) => `${rule} in ${where.join(' and ')}`).join(', ')
}

function rateLimit(name: string, unit: Unit, isConfigured: (facts: Facts) => boolean): Rule {
  return {
    name,
    isConfigured,
    refuse({ facts, window }) {
      const refusal = rateRefusal(window, unit, facts.leavesAt)
      if (!refusal || refusal.rule === 'cooldown') return
      const { limit, used, scope, resetsAt } = refusal.window
      return {
        reason: 'rate_limited',
        detail: `${used} of ${limit} sent in this ${unit} (${scope}); resets at ${new Date(resetsAt).toISOString()}`,
        retryAt: resetsAt,
        window: refusal.window,
      }
    },
  }
}
