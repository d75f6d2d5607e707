import type { Facts } from './facts.ts'
import { type Refusal, RULES } from './rules.ts'
import type { WindowSnapshot } from './windows.ts'

/** Raised with every change of the rules, so that a stored decision names the rules that made it. */
export const POLICY_VERSION = 5

export type AuditEvent = { rule: string; passed: boolean; detail?: string }

export type Verdict = {
  policyVersion: number
  allow: boolean
  auditEvents: AuditEvent[]
  refusal: ({ rule: string } & Refusal) | null
  /** Why a person must decide first, or null. */
  hold: string | null
}

/**
 * Judges one send. Pure: the same facts and windows give the same verdict, to the byte. Without a window, the rules of
 * cooldown and rate pass. So a caller learns whether it has to reserve a unit of the windows.
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

/** Why a person must decide first, or null. A message is never held if it goes only to the owner's verified address. */
function holdReason(facts: Facts): string | null {
  if (facts.approved) return null
  const others = facts.contacts.filter((contact) => contact.contact !== facts.tenant.ownerContact)
  if (others.length === 0) return null
  if (facts.tenant.isUnproved) {
    return 'the person who claimed this agent has not confirmed their address: until then every send is held'
  }
  if (facts.tenant.sanction) {
    return `the account is in review: ${facts.tenant.sanction.why}. A person approves every send until an owner ends the review in the portal`
  }
  if (facts.mailbox.autonomy === 'review') return 'the mailbox is set to review: a person approves every send'
  if (facts.tenant.level === 'supervised' && others.some((contact) => !contact.ours)) {
    return 'a supervised agent needs approval for addresses outside our domains'
  }
  const stranger = facts.mailbox.autonomy === 'first_contact' && others.find((contact) => !contact.known)
  return stranger ? `first contact with ${stranger.email}` : null
}
