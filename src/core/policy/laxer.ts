import { DLP_MODES, type mailboxes, type tenants } from '../../schema/accounts.ts'
import type { Entry, Table } from './loosened.ts'
import { type Plan, standardLimits } from './plans.ts'

// Which way each setting, list and object of a tenant gets laxer: agents may then do more, or are watched less. Everybody with
// `manage` may tighten; to loosen takes a person, or a key with `loosen`. What requests can change has an entry here, or it does
// not compile, and test/core/laxer.test.ts fails.

type MailboxRow = typeof mailboxes.$inferSelect
type TenantRow = typeof tenants.$inferSelect

/** What the values of a mailbox depend on: the tenant's cooldown, which null means, and its plan. */
export type AroundMailbox = { cooldownMs: number; plan: Plan }

/** The settings of a mailbox that requests can change. A column is settable only if it is here. */
export type MailboxSettings = Pick<
  MailboxRow,
  | 'status'
  | 'autonomy'
  | 'cooldownMs'
  | 'hourlyLimit'
  | 'dailyLimit'
  | 'monthlyLimit'
  | 'requireConsent'
  | 'fatigueLimit'
  | 'fatigueDays'
  | 'riskBudget'
  | 'onUnknown'
  | 'carriers'
  | 'humanizerEnabled'
  | 'humanizerStyle'
  | 'displayName'
  | 'agentId'
  | 'autoReply'
>

/** From the most review to the least. */
const AUTONOMY: MailboxRow['autonomy'][] = ['review', 'first_contact', 'auto']

const minutes = (ms: number | null) => (ms === null ? "the tenant's" : `${ms / 60_000} minutes`)

/** Null means no limit. */
const isMore = (from: number | null, to: number | null) => from !== null && (to === null || to > from)

const isTakenAway = (from: boolean, to: boolean) => from && !to

/** A limit for which null means that of the tier and plan, which may change between the lowest and the highest. */
function limit(field: string, name: string, unit: 'hour' | 'day'): Entry<number | null, AroundMailbox> {
  return {
    field,
    name,
    laxer: 'a higher number; null, if the tier or plan allows more than the number',
    isLaxer(from, to, { plan }) {
      const { lowest, highest } = standardLimits(plan)
      if (from === to) return false
      return (to ?? highest[unit]) > (from ?? lowest[unit])
    },
    strictest: ({ plan }) => standardLimits(plan).lowest[unit],
    show: (value) => (value === null ? 'null, that of its tier and plan' : String(value)),
  }
}

export const MAILBOX: Table<MailboxSettings, AroundMailbox> = {
  status: {
    field: 'status',
    name: 'the status of a mailbox',
    laxer: 'from paused to active',
    isLaxer: (from, to) => from === 'paused' && to === 'active',
  },
  autonomy: {
    field: 'autonomyLevel',
    name: 'the autonomy of a mailbox',
    laxer: 'a higher level: fewer sends are held for a person',
    isLaxer: (from, to) => AUTONOMY.indexOf(to) > AUTONOMY.indexOf(from),
    show: (value) => `${AUTONOMY.indexOf(value) + 1} (${value})`,
  },
  cooldownMs: {
    field: 'cooldownMinutes',
    name: 'the cooldown of a mailbox',
    laxer: "shorter; null, if the tenant's is shorter",
    isLaxer: (from, to, { cooldownMs }) => (to ?? cooldownMs) < (from ?? cooldownMs),
    show: minutes,
  },
  hourlyLimit: limit('hourlyLimit', 'the hourly limit of a mailbox', 'hour'),
  dailyLimit: limit('dailyLimit', 'the daily limit of a mailbox', 'day'),
  monthlyLimit: {
    field: 'monthlyLimit',
    name: 'the monthly limit of a mailbox',
    laxer: 'a higher number, or null',
    isLaxer: isMore,
  },
  requireConsent: {
    field: 'requireConsent',
    name: 'whether a mailbox requires consent',
    laxer: 'from true to false',
    isLaxer: isTakenAway,
  },
  fatigueLimit: {
    field: 'fatigueLimit',
    name: 'the sends of a mailbox to one contact within fatigueDays',
    laxer: 'a higher number, or null',
    isLaxer: isMore,
  },
  fatigueDays: {
    field: 'fatigueDays',
    name: 'the days for which fatigueLimit counts',
    laxer: 'fewer days',
    isLaxer: (from, to) => to < from,
  },
  riskBudget: {
    field: 'riskBudget',
    name: 'the bounces and complaints that a mailbox may have in 24 hours',
    laxer: 'a higher number, or null',
    isLaxer: isMore,
  },
  onUnknown: {
    field: 'onUnknown',
    name: 'what a mailbox does with a send that may have been delivered',
    laxer: 'from hold to resend: the contact may get a second copy',
    isLaxer: (from, to) => from === 'hold' && to === 'resend',
  },
  carriers: {
    field: 'carriers',
    name: 'the carriers of a mailbox',
    laxer: null,
    why: 'the rules are the same for every carrier',
  },
  humanizerEnabled: {
    field: 'humanizerEnabled',
    name: 'whether a mailbox rewords its messages',
    laxer: null,
    why: 'a reworded message passes the same rules, and an approval is bound to the reworded bytes',
  },
  humanizerStyle: {
    field: 'humanizerStyle',
    name: 'the style of the rewording',
    laxer: null,
    why: 'as humanizerEnabled',
  },
  displayName: {
    field: 'displayName',
    name: 'the name that a mailbox writes under',
    laxer: null,
    why: 'a name that poses as the service is refused to everybody',
  },
  agentId: {
    field: 'agentId',
    name: 'the agent of a mailbox',
    laxer: null,
    why: "an agent's key cannot change it at all; a key of the whole tenant may use every mailbox anyway",
  },
  autoReply: {
    field: 'auto_reply',
    name: 'the automatic reply of a mailbox',
    laxer: null,
    why: 'each automatic reply is judged like every send',
  },
}

export type TenantSettings = Pick<
  TenantRow,
  | 'status'
  | 'defaultMailboxId'
  | 'cooldownMs'
  | 'dedupeWindowMs'
  | 'requireConsentForMarketing'
  | 'physicalAddress'
  | 'dlpMode'
  | 'dlpDisabled'
>

/** `isLaxerMailbox` tells whether the new default mailbox is laxer than the present one. */
type AroundTenant = { isLaxerMailbox: boolean }

export const TENANT: Table<TenantSettings, AroundTenant> = {
  status: {
    field: 'status',
    name: 'the status of the tenant',
    laxer: 'from paused to active',
    isLaxer: (from, to) => from === 'paused' && to === 'active',
  },
  defaultMailboxId: {
    field: 'defaultMailboxId',
    name: 'the default mailbox',
    laxer: 'a mailbox of which a setting is laxer than that of the present one',
    isLaxer: (from, to, { isLaxerMailbox }) => from !== to && isLaxerMailbox,
  },
  cooldownMs: {
    field: 'cooldownMinutes',
    name: 'the cooldown of the tenant',
    laxer: 'shorter',
    isLaxer: (from, to) => to < from,
    show: minutes,
  },
  dedupeWindowMs: {
    field: 'dedupeWindowDays',
    name: 'the dedupe window',
    laxer: 'shorter: a dedupeKey is free again sooner',
    isLaxer: (from, to) => to < from,
    show: (ms) => `${ms / 86_400_000} days`,
  },
  requireConsentForMarketing: {
    field: 'requireConsentForMarketing',
    name: 'whether marketing requires consent',
    laxer: 'from true to false',
    isLaxer: isTakenAway,
  },
  physicalAddress: {
    field: 'physicalAddress',
    name: 'the postal address in messages',
    laxer: 'another one than the present, or none',
    isLaxer: (from, to) => from !== null && to !== from,
  },
  dlpMode: {
    field: 'mode',
    name: 'the mode of DLP',
    laxer: 'from block to redact or monitor, from redact to monitor',
    isLaxer: (from, to) => DLP_MODES.indexOf(to) < DLP_MODES.indexOf(from),
  },
  dlpDisabled: {
    field: 'disabled_rules',
    name: 'the DLP rules that are off',
    laxer: 'a rule that was on is off',
    isLaxer: (from, to) => to.some((rule) => !from.includes(rule)),
    show: (rules) => (rules.length === 0 ? 'none' : rules.join(', ')),
  },
}

type Act<Facts extends unknown[]> = { object: string; laxer: string; isLaxer: (...facts: Facts) => boolean }

type Ends = { expiresAt: Date | null }
type Revocable = { revokedAt: Date | null }

/** The reasons that a request can give for a suppression, from the least grave on. Any other reason is graver than these. */
const GRAVITY = ['no_engagement', 'role_account', 'manual_dnc', 'hard_bounce', 'complaint', 'legal_request']

/** The changes of lists and objects that can loosen. */
export const ACTS = {
  endSuppression: {
    object: 'a suppression',
    laxer: 'it is written again with an earlier end: its end stays as it is',
    isLaxer: ({ expiresAt: from }: Ends, { expiresAt: to }: Ends) =>
      from === null ? to !== null : to !== null && to < from,
  },
  renameSuppression: {
    object: 'a suppression',
    laxer: 'it is written again with a reason that is not graver: its reason stays as it is',
    isLaxer: (from: string, to: string) =>
      !GRAVITY.includes(from) || GRAVITY.indexOf(to) <= GRAVITY.indexOf(from),
  },
  liftSuppression: {
    object: 'a suppression',
    laxer: 'it is removed while it applies',
    isLaxer: ({ expiresAt }: Ends, now: Date) => expiresAt === null || expiresAt > now,
  },
  recordConsent: {
    object: 'a consent',
    laxer: 'it was revoked, and is given again or is revoked later',
    isLaxer: ({ revokedAt: from }: Revocable, { revokedAt: to }: Revocable) =>
      from !== null && (to === null || to > from),
  },
  deleteCanary: { object: 'a canary', laxer: 'it is removed', isLaxer: () => true },
  createTemplate: {
    object: 'a template',
    laxer: 'it is created without approvalRequired where another template has it',
    isLaxer: (isAsked: boolean, doOthersNeedApproval: boolean) => doOthersNeedApproval && !isAsked,
  },
  deleteTemplate: {
    object: 'a template',
    laxer: 'it is deleted, and is the last one with approvalRequired',
    isLaxer: (needsApproval: boolean, doOthersNeedApproval: boolean) =>
      needsApproval && !doOthersNeedApproval,
  },
  openMailbox: {
    object: 'a mailbox',
    laxer: 'it is opened with a setting laxer than the strictest of its agent, or with windows of its own',
    isLaxer: () => true,
  },
  deleteMailbox: {
    object: 'a mailbox',
    laxer: 'it is deleted, and is the last one of its agent, or has a risk budget',
    isLaxer: (isLastOfAgent: boolean, hasRiskBudget: boolean) => isLastOfAgent || hasRiskBudget,
  },
  giveLoosen: {
    object: 'a key',
    laxer: 'it gets the permission loosen: a person only, and for a key of the whole tenant only',
    isLaxer: (permissions: string[]) => permissions.includes('loosen'),
  },
} satisfies Record<string, Act<never[]>>

/** A mailbox that asks for nothing: what a new mailbox starts with where nothing stricter stands. */
export const USUAL_MAILBOX: MailboxSettings = {
  status: 'active',
  autonomy: 'auto',
  cooldownMs: null,
  hourlyLimit: null,
  dailyLimit: null,
  monthlyLimit: null,
  requireConsent: false,
  fatigueLimit: null,
  fatigueDays: 7,
  riskBudget: null,
  onUnknown: 'hold',
  carriers: null,
  humanizerEnabled: false,
  humanizerStyle: 'professional',
  displayName: null,
  agentId: null,
  autoReply: null,
}
