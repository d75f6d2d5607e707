import type { Capability, CarrierName } from '../core/delivery/carrier.ts'

/** Settings of the carriers as the environment has them. */
export type CarrierSettings = {
  SMTP_HOST?: string | undefined
  SMTP_PORT?: string | undefined
  SMTP_SECURITY?: string | undefined
  SMTP_USERNAME?: string | undefined
  SMTP_PASSWORD?: string | undefined
  SES_REGION?: string | undefined
  SES_ACCESS_KEY_ID?: string | undefined
  SES_SECRET_ACCESS_KEY?: string | undefined
  SES_ENDPOINT?: string | undefined
  SES_CONFIGURATION_SET?: string | undefined
  RESEND_API_KEY?: string | undefined
  RESEND_BASE_URL?: string | undefined
  POSTMARK_SERVER_TOKEN?: string | undefined
  POSTMARK_BASE_URL?: string | undefined
  POSTMARK_STREAM?: string | undefined
  SENDGRID_API_KEY?: string | undefined
  SENDGRID_BASE_URL?: string | undefined
  MAILGUN_API_KEY?: string | undefined
  MAILGUN_DOMAIN?: string | undefined
  MAILGUN_BASE_URL?: string | undefined
}

type Described = Capability & {
  /** The settings that it cannot do without. */
  needs: (keyof CarrierSettings)[]
  /** The settings that may be given as well. */
  takes: (keyof CarrierSettings)[]
}

const HOUR_MS = 3_600_000

/** What each carrier can do, and its settings. */
export const CAPABILITIES: Record<CarrierName, Described> = {
  capture: {
    idempotencyMs: Number.MAX_SAFE_INTEGER,
    blindCopiesAlone: true,
    reportsByMail: false,
    needs: [],
    takes: [],
  },
  internal: {
    idempotencyMs: Number.MAX_SAFE_INTEGER,
    blindCopiesAlone: true,
    reportsByMail: false,
    needs: [],
    takes: [],
  },
  smtp: {
    idempotencyMs: null,
    blindCopiesAlone: true,
    reportsByMail: true,
    needs: ['SMTP_HOST'],
    takes: ['SMTP_PORT', 'SMTP_SECURITY', 'SMTP_USERNAME', 'SMTP_PASSWORD'],
  },
  ses: {
    idempotencyMs: null,
    blindCopiesAlone: true,
    reportsByMail: false,
    needs: ['SES_REGION', 'SES_ACCESS_KEY_ID', 'SES_SECRET_ACCESS_KEY'],
    takes: ['SES_ENDPOINT', 'SES_CONFIGURATION_SET'],
  },
  // Resend keeps a key for 24 hours from the first request; the last hour is left unused.
  resend: {
    idempotencyMs: 23 * HOUR_MS,
    blindCopiesAlone: false,
    reportsByMail: false,
    needs: ['RESEND_API_KEY'],
    takes: ['RESEND_BASE_URL'],
  },
  postmark: {
    idempotencyMs: null,
    blindCopiesAlone: false,
    reportsByMail: false,
    needs: ['POSTMARK_SERVER_TOKEN'],
    takes: ['POSTMARK_BASE_URL', 'POSTMARK_STREAM'],
  },
  sendgrid: {
    idempotencyMs: null,
    blindCopiesAlone: false,
    reportsByMail: false,
    needs: ['SENDGRID_API_KEY'],
    takes: ['SENDGRID_BASE_URL'],
  },
  mailgun: {
    idempotencyMs: null,
    blindCopiesAlone: true,
    reportsByMail: false,
    needs: ['MAILGUN_API_KEY', 'MAILGUN_DOMAIN'],
    takes: ['MAILGUN_BASE_URL'],
  },
  // Set up by the binding EMAIL, not by settings.
  cloudflare: { idempotencyMs: null, blindCopiesAlone: false, reportsByMail: false, needs: [], takes: [] },
}
