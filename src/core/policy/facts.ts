import type { DlpFacts } from '../reading/dlp/facts.ts'

export type ContactFacts = {
  contact: string
  email: string
  kind: 'to' | 'cc' | 'bcc'
  /** The address lies in our own domain, or is a mailbox's address in an attached domain. */
  ours: boolean
  /** A mailbox with this address exists, so that internal delivery reaches it. */
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
   * When the ninth-last message of the contact within the last hour came, and how many sends this mailbox has made to it in
   * that hour; null if fewer messages came.
   */
  exchange: { answeredAt: number; sent: number } | null
}

export type TemplateFacts =
  | { kind: 'inline' }
  | { kind: 'published'; id: string; version: number; type: 'marketing' | 'transactional' }
  | { kind: 'unpublished'; id: string }
  | { kind: 'missing'; ref: string }

/**
 * Everything that `judge` may look at, read at one moment. Times are ms since 1970. A send's trace keeps it under these names,
 * so a field that is renamed changes what callers read there.
 */
export type Facts = {
  now: number
  /** When the message should leave: now, or the time it is scheduled for. */
  leavesAt: number
  agentId: string | null
  agentStatus: string | null
  campaignId: string | null
  /** Whether who asked for it may still send from the mailbox, and when the key that asked expires. */
  requester: { maySend: boolean; expiresAt: number | null }
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
    /** Somebody has claimed the tenant and has not proved their address. */
    isUnproved: boolean
    /** Suspensions and freezes in force: `weight` 1 is review, from 2 on it is suspended. `why` tells the newest in words. */
    sanction: { weight: number; why: string } | null
  }
  mailbox: {
    id: string
    status: 'active' | 'paused'
    frozen: { reason: string | null } | null
    autonomy: 'review' | 'first_contact' | 'auto'
    /** The attached domain that it writes from; null if it writes from its own address. */
    domain: { name: string; verified: boolean } | null
    reputation: number
    monthlyLimit: number | null
    requireConsent: boolean
    fatigueLimit: number | null
    fatigueDays: number
    riskBudget: number | null
    /** Bounces and complaints in the last 24 h; null without a risk budget. */
    riskSignals: number | null
  }
  template: TemplateFacts
  contacts: ContactFacts[]
}
