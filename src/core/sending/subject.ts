import { settings } from '../../env.ts'
import type { ContentFacts } from '../../schema/sending.ts'
import type { SystemValues } from '../letters/rendering.ts'
import type { ContactFacts, Facts, TemplateFacts } from '../policy/facts.ts'
import { mailboxLimits, planLimits } from '../policy/plans.ts'
import { sanctionInWords, type Told } from '../policy/standing.ts'
import type { Limits } from '../policy/windows.ts'
import { type DlpPolicy, nothingFound } from '../reading/dlp/content.ts'
import type { Door } from './door.ts'
import type { FactsRow, SettingsRow } from './facts.ts'

/** The content of a template's published version. */
type TemplateContent = { subject: string; html: string | null; text: string | null }

/** One send as the policy sees it, with the limits of its windows. */
export type Subject = {
  /** Without the findings of DLP, which `screen` adds. */
  facts: Facts
  dlp: DlpPolicy
  template: TemplateContent | null
  /** The tenants whose mailboxes receive it. */
  readers: string[]
  /** The address that the message is written from, and the attached domain it lies in. */
  sender: { address: string; displayName: string | null; domainId: string | null }
  /** Values that the system fills into a template. */
  system: SystemValues
  templateRef: string | null
  mailboxId: string
  /** The mailbox whose windows and cooldowns it counts in. */
  windowId: string
  cooldownMs: number
  limits: Limits
  planLimits: Limits
}

type ContactRow = Omit<ContactFacts, 'ours' | 'here' | 'recentSends' | 'oldestRecentAt' | 'known'> & {
  recent: { count: number; oldest: number | null } | null
  known: number
  /** The tenant whose mailbox it is. It must not appear in the facts, which the sender reads in the trace. */
  reader: string | null
}

/** Turns the rows that were read about one send into what the policy judges. */
export function subjectOf(door: Door, row: FactsRow, about: SettingsRow): Subject {
  const rows = JSON.parse(row.contacts) as ContactRow[]
  const contacts = rows.map((contact) => contactFacts(door, contact))
  const template = templateFacts(row.template, about)
  const dlp: DlpPolicy = {
    mode: about.dlp_mode,
    disabledRules: JSON.parse(about.dlp_disabled),
    canaries: JSON.parse(about.canaries),
  }
  const now = door.now.getTime()
  return {
    facts: {
      now,
      leavesAt: Math.max(now, row.scheduled_at ?? now),
      agentId: row.sender_id,
      agentStatus: row.agent_status,
      campaignId: row.campaign_id,
      requester: { maySend: row.requester_may_send === 1, expiresAt: row.requester_expires_at },
      approved: row.approved === 1,
      humanized: row.humanized === 1,
      content: row.content === null ? null : (JSON.parse(row.content) as ContentFacts),
      dlp: nothingFound(dlp),
      tenant: {
        status: about.tenant_status,
        level: about.level,
        plan: about.plan,
        ownerContact: about.owner_contact,
        isUnproved: about.is_unproved === 1,
        sanction: sanctionFacts(about),
      },
      mailbox: mailboxFacts(about, template),
      template,
      contacts,
    },
    template:
      template.kind === 'published' ? { subject: about.subject, html: about.html, text: about.text } : null,
    dlp,
    readers: rows.flatMap(({ reader }) => reader ?? []),
    sender: { address: about.address, displayName: about.display_name, domainId: about.domain_id },
    system: systemValues(door, about, contacts.length),
    templateRef: row.template,
    mailboxId: about.mailbox_id,
    windowId: about.window_id,
    cooldownMs: about.cooldown_ms ?? about.tenant_cooldown_ms,
    limits: mailboxLimits(
      {
        hourlyLimit: about.hourly_limit,
        dailyLimit: about.daily_limit,
        monthlyLimit: about.monthly_limit,
        reputation: about.reputation,
      },
      about.plan,
    ),
    planLimits: planLimits(about.plan),
  }
}

function contactFacts({ env }: Door, { recent, known, reader, ...contact }: ContactRow): ContactFacts {
  const { mailDomain } = settings(env)
  return {
    ...contact,
    ours: reader !== null || contact.contact.endsWith(`@${mailDomain}`),
    here: reader !== null,
    recentSends: recent?.count ?? 0,
    oldestRecentAt: recent?.oldest ?? null,
    known: known === 1,
  }
}

/** A mailbox may require consent for every send; a tenant may require it for marketing templates. */
function mailboxFacts(about: SettingsRow, template: TemplateFacts): Facts['mailbox'] {
  const isMarketing = template.kind === 'published' && template.type === 'marketing'
  return {
    id: about.mailbox_id,
    status: about.mailbox_status,
    frozen: about.frozen === 1 ? { reason: about.frozen_reason } : null,
    autonomy: about.autonomy,
    domain:
      about.domain === null ? null : { name: about.domain, verified: about.domain_status === 'verified' },
    reputation: about.reputation,
    monthlyLimit: about.monthly_limit,
    requireConsent: about.require_consent === 1 || (about.require_consent_for_marketing === 1 && isMarketing),
    fatigueLimit: about.fatigue_limit,
    fatigueDays: about.fatigue_days,
    riskBudget: about.risk_budget,
    riskSignals: about.risk_signals,
  }
}

function sanctionFacts({ sanction, sanction_weight: weight }: SettingsRow): Facts['tenant']['sanction'] {
  return sanction === null ? null : { weight, why: sanctionInWords(JSON.parse(sanction) as Told) }
}

/** The values that rendering will fill in. Judging only checks that they exist, so the link has no token yet. */
function systemValues(door: Door, about: SettingsRow, recipients: number): SystemValues {
  const { publicUrl, tokenSecret } = settings(door.env)
  return {
    ...(tokenSecret !== null && recipients === 1 ? { unsubscribe_url: publicUrl } : {}),
    ...(about.physical_address === null ? {} : { physical_address: about.physical_address }),
  }
}

function templateFacts(ref: string | null, about: SettingsRow): TemplateFacts {
  if (isInline(ref)) return { kind: 'inline' }
  if (about.template_id === null) return { kind: 'missing', ref: ref ?? '' }
  if (about.version === null) return { kind: 'unpublished', id: about.template_id }
  return { kind: 'published', id: about.template_id, version: about.version, type: about.template_type }
}

/** Whether the request carries the content itself. A template id that begins with `_` is never looked up. */
export function isInline(template: string | null): boolean {
  return template === null || template.startsWith('_')
}
