import type { DlpFacts } from '../reading/dlp/facts.ts'
import { SUSPENDED_BELOW } from './plans.ts'
import { cooldownRefusal, rateRefusal, type Unit, type WindowSnapshot, type WindowUse } from './windows.ts'

/** Raised with every change to what `judge` answers, so that a stored decision names the rules it was made by. */
export const POLICY_VERSION = 3

/** Letters that a mailbox and a contact may each have written to the other within `LOOP_WITHIN_MS` and still go on. */
export const LOOP_AT = 9
export const LOOP_WITHIN_MS = 3_600_000

export type ContactFacts = {
  contact: string
  email: string
  kind: 'to' | 'cc' | 'bcc'
  /** The address lies in our own domains, or is a mailbox of ours elsewhere. */
  ours: boolean
  /** It is a mailbox of ours. */
  here: boolean
  suppression: { scope: string; reasonCode: string; campaignId: string } | null
  consent: 'granted' | 'revoked' | 'none'
  lease: { agentId: string; agentName: string | null; expiresAt: number } | null
  /** Accepted sends to the contact within the fatigue window, and when the oldest of them was made. */
  recentSends: number
  oldestRecentAt: number | null
  /** The contact has accepted mail from this mailbox before. */
  known: boolean
  /**
   * When the contact's ninth-last letter of the last hour came, and what this mailbox has sent it in that hour; null where
   * fewer came.
   */
  exchange: { answeredAt: number; sent: number } | null
}

export type TemplateFacts =
  | { kind: 'inline' }
  | { kind: 'published'; id: string; version: number; type: 'marketing' | 'transactional' }
  | { kind: 'unpublished'; id: string }
  | { kind: 'missing'; ref: string }

/** Everything that `judge` may look at, as it stood at one moment. Times are ms since 1970. */
export type Facts = {
  now: number
  /** When the message is to leave: now, or the time it is scheduled for. */
  leavesAt: number
  agentId: string | null
  agentStatus: string | null
  campaignId: string | null
  /** A person has approved exactly these bytes. */
  approved: boolean
  /** The wording will be changed before it leaves. */
  humanized: boolean
  content: { urls: number; urlsAtMost: number | null; blockedFile: string | null } | null
  dlp: DlpFacts
  tenant: {
    status: 'active' | 'paused' | 'frozen'
    level: 'sandbox' | 'supervised' | 'trusted' | 'autonomous'
    plan: string
    ownerContact: string | null
  }
  mailbox: {
    id: string
    status: 'active' | 'paused'
    frozen: { reason: string | null } | null
    autonomy: 'review' | 'first_contact' | 'auto'
    /** The attached domain that it writes from; null where it writes from its own address. */
    domain: { name: string; verified: boolean } | null
    reputation: number
    monthlyLimit: number | null
    requireConsent: boolean
    fatigueLimit: number | null
    fatigueDays: number
    riskBudget: number | null
    /** Bounces and complaints in the last 24 h; null where no risk budget asks for it. */
    riskSignals: number | null
  }
  template: TemplateFacts
  contacts: ContactFacts[]
}

export type Refusal = {
  reason: string
  detail: string
  retryAt?: number
  contact?: string
  window?: WindowUse
  suppression?: { scope: string; reasonCode: string }
  lease?: { agentId: string; agentName: string | null; expiresAt: number }
  /** The first rule of DLP, in their order, that found something. */
  dlpRule?: string
}

export type AuditEvent = { rule: string; passed: boolean; detail?: string }

export type Verdict = {
  policyVersion: number
  allow: boolean
  auditEvents: AuditEvent[]
  refusal: ({ rule: string } & Refusal) | null
  /** Why a person must decide first, where one must. */
  hold: string | null
}

type Subject = { facts: Facts; window: WindowSnapshot }

type Rule = {
  name: string
  /** Whether a pass is worth an audit event for this mailbox; a refusal always is. */
  isConfigured: (facts: Facts) => boolean
  /** What a pass should be told with. */
  note?: (facts: Facts) => string | undefined
  refuse: (subject: Subject) => Refusal | undefined
}

const always = () => true
const never = () => false

/** In the order they are judged; the first refusal ends the trial and names the reason. */
const RULES: Rule[] = [
  // A key already taken never comes this far: the claim answers it.
  { name: 'deduplication', isConfigured: always, refuse: () => undefined },
  {
    name: 'tenant',
    isConfigured: never,
    refuse({ facts: { tenant } }) {
      if (tenant.status === 'paused')
        return { reason: 'tenant_paused', detail: 'sending is paused for this tenant' }
      if (tenant.status === 'frozen') return { reason: 'tenant_frozen', detail: 'this tenant is frozen' }
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
    // Mail from there would be taken for forged; and from another address it would not be what was asked for.
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
    // Two agents that answer whatever comes would go on for ever. The owner's own letters are nobody's loop.
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

/** Why content with these finds is not to leave, as the rules of the one pipeline say it; undefined where it may. */
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

/**
 * Judge one send. Pure: the same facts and windows give the same verdict to the byte. Without a window the cooldown and
 * rate rules pass, which tells whether anything would be gained by spending a unit of them.
 */
export function judge(facts: Facts, window: WindowSnapshot | null): Verdict {
  const subject = { facts, window: window ?? { cooldowns: [], windows: [] } }
  const auditEvents: AuditEvent[] = []
  for (const rule of RULES) {
    const refusal = rule.refuse(subject)
    if (refusal) {
      auditEvents.push({ rule: rule.name, passed: false, detail: refusal.detail })
      const { name } = rule
      return {
        policyVersion: POLICY_VERSION,
        allow: false,
        auditEvents,
        refusal: { rule: name, ...refusal },
        hold: null,
      }
    }
    if (!rule.isConfigured(facts)) continue
    const detail = rule.note?.(facts)
    auditEvents.push({ rule: rule.name, passed: true, ...(detail === undefined ? {} : { detail }) })
  }
  return { policyVersion: POLICY_VERSION, allow: true, auditEvents, refusal: null, hold: holdReason(facts) }
}

/** Why a person must see the message first, or null. The owner's verified address is never held. */
function holdReason(facts: Facts): string | null {
  if (facts.approved) return null
  const others = facts.contacts.filter((contact) => contact.contact !== facts.tenant.ownerContact)
  if (others.length === 0) return null
  if (facts.mailbox.autonomy === 'review') return 'the mailbox is set to review: a person approves every send'
  if (facts.tenant.level === 'supervised' && others.some((contact) => !contact.ours)) {
    return 'a supervised agent needs approval for addresses outside our domains'
  }
  const stranger = facts.mailbox.autonomy === 'first_contact' && others.find((contact) => !contact.known)
  return stranger ? `first contact with ${stranger.email}` : null
}
