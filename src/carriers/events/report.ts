import type { X509Certificate } from 'node:crypto'
import type { CarrierEvent } from './event.ts'

/** The result of reading one report. Only `events` may change anything. */
export type Report =
  | { kind: 'events'; events: CarrierEvent[] }
  /** Not proven to be the carrier's. The reason is for the log, not for the caller. */
  | { kind: 'refused'; reason: string }
  /** It could not be checked, because the carrier did not answer: it must be reported again. */
  | { kind: 'unavailable'; reason: string }
  | { kind: 'unconfigured' }

/** Settings of the reports as the environment has them. */
export type EventSettings = {
  SES_TOPIC_ARNS?: string | undefined
  RESEND_WEBHOOK_SECRET?: string | undefined
  POSTMARK_WEBHOOK_SECRET?: string | undefined
  SENDGRID_WEBHOOK_KEY?: string | undefined
  MAILGUN_SIGNING_KEY?: string | undefined
  MAILGUN_API_KEY?: string | undefined
  MAILGUN_DOMAIN?: string | undefined
  MAILGUN_BASE_URL?: string | undefined
}

export type ReportRequest = { headers: Headers; body: Uint8Array }

/** How a carrier is asked, and the certificates fetched so far, by address. */
export type Reach = {
  fetch: (url: string, init: RequestInit) => Promise<Response>
  certificates: Map<string, X509Certificate>
}

export type Reader = (
  request: ReportRequest,
  settings: EventSettings,
  now: Date,
  reach: Reach,
) => Report | Promise<Report>

export const unconfigured: Report = { kind: 'unconfigured' }

export function refused(reason: string): Report {
  return { kind: 'refused', reason }
}

export function unavailable(reason: string): Report {
  return { kind: 'unavailable', reason }
}

export function reported(events: CarrierEvent[]): Report {
  return { kind: 'events', events }
}
