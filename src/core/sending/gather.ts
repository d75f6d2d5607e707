import { settings } from '../../env.ts'
import type { Recipient } from '../../schema/letters.ts'
import type { ContentFacts, SendInput, SendState } from '../../schema/sending.ts'
import { Fault } from '../ground/fault.ts'
import { learn } from '../ground/log.ts'
import type { SystemValues } from '../letters/rendering.ts'
import type { ContactFacts, Facts, TemplateFacts } from '../policy/facts.ts'
import { mailboxLimits, planLimits } from '../policy/plans.ts'
import type { Limits } from '../policy/windows.ts'
import { type DlpPolicy, nothingFound } from '../reading/dlp/content.ts'
import { callerValues, type Door } from './door.ts'
import { FACTS, type FactsRow, SETTINGS, type SettingsRow } from './facts.ts'

/** A send to look up: by its id, or by its dedupe key, which another send may have taken first. */
export type Query = {
  id: string
  dedupeKey?: string | null
  mailboxId?: string | null
  template?: string | null
  /** Given if no row exists, as in a simulation. */
  recipients?: Recipient[]
  campaignId?: string | null
  scheduledAt?: number | null
  /** Bring the stored input even of the send asked for by its own id. */
  wantInput?: boolean
}

/** The content of a template's published version. */
export type TemplateContent = { subject: string; html: string | null; text: string | null }

/** What one query found: what the caller may do, the send with its id or dedupe key, and the facts. */
export type Found = {
  keyTenantId: string
  isTenantsOwn: boolean
  mailboxId: string | null
  isInScope: boolean
  maySend: boolean
  agentFits: boolean
  agentExists: boolean
  send: {
    id: string
    state: SendState
    bodyHash: string
    keyId: string | null
    approvalId: string | null
    scheduledAt: number | null
    renderedSha256: string | null
    storedInput: SendInput | null
    storedRecipients: Recipient[]
    inputKey: string | null
  } | null
  subject: Subject | null
}

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

/** The two statements that bring every fact the rules need, for any number of sends. They read only. */
export function gatherStatements(door: Door, queries: Query[]): D1PreparedStatement[] {
  const agent = { agentId: door.agent?.id, agentName: door.agent?.name }
  const items = JSON.stringify(queries.map((query) => ({ ...query, ...agent })))
  const values = { items, ...callerValues(door) }
  return [FACTS.bind(door.env, values), SETTINGS.bind(door.env, values)]
}

/** Reads the answers of `gatherStatements`: one `Found` per query, in order, or none at all if the caller is unknown. */
export function readGathered(door: Door, answers: D1Result[]): Found[] {
  const settingsOf = new Map(
    SETTINGS.rows(answers.at(-1)).map((row) => [pair(row.mailbox_id, row.template), row]),
  )
  return FACTS.rows(answers.at(-2)).map((row) => {
    const about = row.mailbox_id === null ? undefined : settingsOf.get(pair(row.mailbox_id, row.template))
    return {
      keyTenantId: row.tenant_id,
      isTenantsOwn: door.tenantId === null || door.tenantId === row.tenant_id,
      mailboxId: row.asked_mailbox_id,
      isInScope: row.in_scope === 1,
      maySend: row.may_send === 1,
      agentFits: row.agent_fits === 1,
      agentExists: row.agent_exists === 1,
      send: row.send_id === null ? null : standing(row, row.send_id),
      subject: about ? subject(door, row, about) : null,
    }
  })
}

const pair = (mailboxId: string, template: string | null) => JSON.stringify([mailboxId, template])

function standing(row: FactsRow, id: string): Found['send'] {
  return {
    id,
    state: row.state,
    bodyHash: row.body_hash,
    keyId: row.send_key_id,
    approvalId: row.approval_id,
    scheduledAt: row.scheduled_at,
    renderedSha256: row.rendered_sha256,
    storedInput: row.stored_input === null ? null : (JSON.parse(row.stored_input) as SendInput),
    storedRecipients:
      row.stored_recipients === null ? [] : (JSON.parse(row.stored_recipients) as Recipient[]),
    inputKey: row.input_key,
  }
}

function subject(door: Door, row: FactsRow, about: SettingsRow): Subject {
  const now = door.now.getTime()
  const { mailDomain } = settings(door.env)
  const rows = JSON.parse(row.contacts) as ContactRow[]
  const contacts = rows.map(
    ({ recent, known, reader, ...contact }): ContactFacts => ({
      ...contact,
      ours: reader !== null || contact.contact.endsWith(`@${mailDomain}`),
      here: reader !== null,
      recentSends: recent?.count ?? 0,
      oldestRecentAt: recent?.oldest ?? null,
      known: known === 1,
    }),
  )
  const template = templateFacts(row.template, about)
  const dlp: DlpPolicy = {
    mode: about.dlp_mode,
    disabledRules: JSON.parse(about.dlp_disabled),
    canaries: JSON.parse(about.canaries),
  }
  const consentForMarketing =
    about.require_consent_for_marketing === 1 &&
    template.kind === 'published' &&
    template.type === 'marketing'
  return {
    facts: {
      now,
      leavesAt: Math.max(now, row.scheduled_at ?? now),
      agentId: row.sender_id,
      agentStatus: row.agent_status,
      campaignId: row.campaign_id,
      approved: row.approved === 1,
      humanized: row.humanized === 1,
      content: row.content === null ? null : (JSON.parse(row.content) as ContentFacts),
      dlp: nothingFound(dlp),
      tenant: {
        status: about.tenant_status,
        level: about.level,
        plan: about.plan,
        ownerContact: about.owner_contact,
      },
      mailbox: {
        id: about.mailbox_id,
        status: about.mailbox_status,
        frozen: about.frozen === 1 ? { reason: about.frozen_reason } : null,
        autonomy: about.autonomy,
        domain:
          about.domain === null ? null : { name: about.domain, verified: about.domain_status === 'verified' },
        reputation: about.reputation,
        monthlyLimit: about.monthly_limit,
        requireConsent: about.require_consent === 1 || consentForMarketing,
        fatigueLimit: about.fatigue_limit,
        fatigueDays: about.fatigue_days,
        riskBudget: about.risk_budget,
        riskSignals: about.risk_signals,
      },
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

/** The values that rendering will fill in. Judging only asks whether they exist, so the link is here without its token. */
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

/** Whether the content travels in the request itself: a template id that begins with `_` is never looked up. */
export function isInline(template: string | null): boolean {
  return template === null || template.startsWith('_')
}

/** Returns what was found, or throws the fault because of which nothing was written for the caller. */
export function mustKnow(door: Door, found: Found[], count: number): Found[] {
  learn({ tenantId: found[0]?.keyTenantId ?? null })
  if (found.length < count) throw new Fault('unauthorized', 'The API key is missing, unknown or revoked.')
  for (const each of found) {
    if (!each.isTenantsOwn)
      throw new Fault('tenant_mismatch', "tenantId is not this key's tenant.", { field: 'tenantId' })
    if (each.mailboxId === null)
      throw new Fault('mailbox_not_found', 'No such mailbox.', { field: 'mailboxId' })
    if (!each.isInScope) {
      throw new Fault('mailbox_scope_denied', `This key is not scoped to mailbox "${each.mailboxId}".`)
    }
    if (!each.maySend) throw new Fault('insufficient_scope', 'This key lacks the permission "send".')
    if (!each.agentExists)
      throw new Fault('agent_not_found', 'No such agent.', {
        field: door.agent?.id ? 'agentId' : 'agentName',
      })
    if (!each.agentFits) throw new Fault('agent_mismatch', 'This key belongs to another agent.')
  }
  return found
}
