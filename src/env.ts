import { z } from 'zod'
import type { JobBell, SendBell, WebhookBell } from './core/journal/bells.ts'
import type { CarrierHealth } from './objects/carrier-health.ts'
import type { ConsensusRequest } from './objects/consensus-request.ts'
import type { ContactLease } from './objects/contact-lease.ts'
import type { EventStream } from './objects/event-stream.ts'
import type { RateWindow } from './objects/rate-window.ts'

export interface Env {
  DB: D1Database
  MAIL: R2Bucket
  RENDER: Queue<SendBell>
  DELIVER: Queue<SendBell>
  WEBHOOK: Queue<WebhookBell>
  JOBS: Queue<JobBell>
  RATE_WINDOW: DurableObjectNamespace<RateWindow>
  CARRIER_HEALTH: DurableObjectNamespace<CarrierHealth>
  CONTACT_LEASE: DurableObjectNamespace<ContactLease>
  CONSENSUS_REQUEST: DurableObjectNamespace<ConsensusRequest>
  EVENT_STREAM: DurableObjectNamespace<EventStream>
  /** The files of the API reference's library, shown at /docs/assets alone. */
  ASSETS: Fetcher

  MAIL_DOMAIN: string
  /**
   * The names by which our own receiving hop signs its Authentication-Results (RFC 8601), separated by commas. Without
   * any, no verdict on inbound mail is believed.
   */
  AUTHSERV_IDS?: string
  PUBLIC_URL: string
  /** Other hosts by whose name /mcp may be called, or whose pages may call it, separated by commas. */
  MCP_HOSTS?: string
  CARRIERS: string
  /**
   * Seals the links of mail that leaves, such as those to unsubscribe: 32 characters or more, a secret of the Worker
   * (`wrangler secret put TOKEN_SECRET`). Without it such links are not given, and what needs one is refused; changed,
   * it voids the links of mail already sent. Where LOCAL is "1" and none is set, a well-known value stands in for it.
   */
  TOKEN_SECRET?: string | undefined
  /** Opens /admin to whoever runs this Worker: 32 characters or more, a secret. Without it, or shorter, /admin is closed. */
  OPERATOR_KEY?: string | undefined
  /** How long an HTTP carrier may take to answer, in ms; 20,000 where not given. */
  CARRIER_TIMEOUT_MS?: string
  /** Signs the heads of audit logs: 32 random bytes in base64, a secret. Without it they are chained and not signed. */
  AUDIT_SIGNING_KEY?: string | undefined
  SMTP_HOST?: string
  SMTP_PORT?: string
  SMTP_SECURITY?: string
  SMTP_USERNAME?: string
  SMTP_PASSWORD?: string
  /** Where the SMTP bridge of this installation is reached: host name and ports (STARTTLS, implicit TLS). */
  SMTP_SUBMISSION_HOST?: string
  SMTP_SUBMISSION_PORT?: string
  SMTP_SUBMISSION_TLS_PORT?: string
  SES_REGION?: string
  SES_ACCESS_KEY_ID?: string
  SES_SECRET_ACCESS_KEY?: string
  SES_ENDPOINT?: string
  SES_CONFIGURATION_SET?: string
  /** The SNS topics that may tell of SES's events, by ARN, separated by commas. */
  SES_TOPIC_ARNS?: string
  RESEND_API_KEY?: string
  RESEND_BASE_URL?: string
  /** What Resend signs its events with, `whsec_…`. */
  RESEND_WEBHOOK_SECRET?: string
  POSTMARK_SERVER_TOKEN?: string
  POSTMARK_BASE_URL?: string
  /** The message stream that mail leaves by; Postmark's `outbound` where not given. */
  POSTMARK_STREAM?: string
  /** `user:password` that Postmark presents with its events, by HTTP basic authentication. */
  POSTMARK_WEBHOOK_SECRET?: string
  SENDGRID_API_KEY?: string
  SENDGRID_BASE_URL?: string
  /** The public key that SendGrid's signed events are verified by: base64 of its DER form, as the dashboard shows it. */
  SENDGRID_WEBHOOK_KEY?: string
  MAILGUN_API_KEY?: string
  MAILGUN_DOMAIN?: string
  MAILGUN_BASE_URL?: string
  /** What Mailgun signs its events with. */
  MAILGUN_SIGNING_KEY?: string
  /** Cloudflare's own sending, where the binding is configured. */
  EMAIL?: SendEmail
  /**
   * A language model behind any OpenAI-compatible address, Workers AI's included, and its name there. Without it what
   * could ask a model does without. The key is a secret of the Worker (`wrangler secret put MODEL_API_KEY`).
   */
  MODEL_BASE_URL?: string
  MODEL_NAME?: string
  MODEL_API_KEY?: string
  /** How long the model may take to answer one question, in ms; 10,000 where not given. */
  MODEL_TIMEOUT_MS?: string

  /** Who is asked where a webhook leads: a DNS resolver's URL (RFC 8484); Cloudflare's where not given. */
  DNS_RESOLVER?: string
  /**
   * The name servers that a managed domain is delegated to, each domain by names below them (`<token>.ns1…`), separated
   * by commas. Without any, managed domains are refused; where LOCAL is "1" they are ns1 and ns2 of MAIL_DOMAIN.
   */
  NAMESERVERS?: string
  /** What the SPF record of a domain must include; `_spf.` and MAIL_DOMAIN where not given. */
  SPF_INCLUDE?: string
  /** What webhooks may call although it is not public: `host:port`, separated by commas. Honoured only where LOCAL is "1". */
  EGRESS_ALLOW?: string

  /**
   * What search reads mail with beside the embedded vectors: Workers AI where `AI` is bound, else the model of this name
   * at MODEL_BASE_URL. Its vectors lie in D1, or in Vectorize where `VECTORS` is bound, an index of as many dimensions as
   * the model gives and the metric `cosine`.
   */
  AI?: Ai
  VECTORS?: Vectorize
  EMBEDDING_MODEL?: string

  /**
   * The secret key of the Stripe account that plans and bonds are paid to. Without it, nothing can be paid for on a
   * deployed Worker, and local development keeps a ledger of its own.
   */
  STRIPE_SECRET_KEY?: string | undefined
  /** What Stripe signs its events with, `whsec_…`. */
  STRIPE_WEBHOOK_SECRET?: string | undefined
  /** Where Stripe's API is, for an emulator; Stripe itself where not given. */
  STRIPE_BASE_URL?: string | undefined
  /** The recurring price of each paid plan, `price_…`. */
  STRIPE_PRICE_STARTER?: string | undefined
  STRIPE_PRICE_GROWTH?: string | undefined
  STRIPE_PRICE_TEAM?: string | undefined
  STRIPE_PRICE_ENTERPRISE?: string | undefined

  /** How many agents may register from one network (an IPv4 /24, an IPv6 /48) in a UTC hour and day; 10 and 30 where not given. */
  REGISTRATIONS_PER_HOUR?: string
  REGISTRATIONS_PER_DAY?: string

  /** "1" under local development only; comes from .dev.vars, never from wrangler.toml. */
  LOCAL?: string
  /** "1" makes registration open agents already claimed and verified. Honoured only where LOCAL is "1". */
  AUTO_CLAIM?: string
  /** Replaces the demo tenant's well-known key. Honoured only where LOCAL is "1". */
  DEMO_KEY?: string | undefined
}

const atLeastOne = (name: string) =>
  z.coerce
    .number({ error: `${name} must be a number` })
    .int()
    .min(1, `${name} must be 1 or more`)

const port = (name: string) => atLeastOne(name).max(65_535, `${name} must be a port number`)

const Settings = z.object({
  MAIL_DOMAIN: z
    .string()
    .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'MAIL_DOMAIN must be a lower-case domain name'),
  PUBLIC_URL: z.url({ error: 'PUBLIC_URL must be the address this Worker is reached at' }),
  CARRIERS: z.string().min(1, 'CARRIERS must name at least one carrier, as in "capture:1"'),
  AUTHSERV_IDS: z.string().default(''),
  MCP_HOSTS: z.string().default(''),
  TOKEN_SECRET: z.string().min(32, 'TOKEN_SECRET must be 32 characters or more').optional(),
  AUDIT_SIGNING_KEY: z
    .base64('AUDIT_SIGNING_KEY must be base64')
    .transform((text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)))
    .refine((seed) => seed.length === 32, 'AUDIT_SIGNING_KEY must be 32 bytes')
    .optional(),
  OPERATOR_KEY: z.string().min(32).optional().catch(undefined),
  MODEL_BASE_URL: z
    .url({ error: 'MODEL_BASE_URL must be the address of an OpenAI-compatible API' })
    .optional(),
  MODEL_NAME: z.string().min(1).optional(),
  MODEL_API_KEY: z.string().min(1).optional(),
  EMBEDDING_MODEL: z.string().min(1).optional(),
  MODEL_TIMEOUT_MS: z.coerce
    .number({ error: 'MODEL_TIMEOUT_MS must be a number of milliseconds' })
    .int()
    .min(1)
    .max(120_000)
    .default(10_000),
  DNS_RESOLVER: z
    .url({ protocol: /^https?$/, error: 'DNS_RESOLVER must be the URL of an RFC 8484 resolver' })
    .default('https://cloudflare-dns.com/dns-query'),
  NAMESERVERS: z.string().default(''),
  SPF_INCLUDE: z.string().optional(),
  EGRESS_ALLOW: z.string().default(''),
  SMTP_SUBMISSION_HOST: z.string().min(1).optional(),
  SMTP_SUBMISSION_PORT: port('SMTP_SUBMISSION_PORT').default(587),
  SMTP_SUBMISSION_TLS_PORT: port('SMTP_SUBMISSION_TLS_PORT').default(465),
  REGISTRATIONS_PER_HOUR: atLeastOne('REGISTRATIONS_PER_HOUR').default(10),
  REGISTRATIONS_PER_DAY: atLeastOne('REGISTRATIONS_PER_DAY').default(30),
  STRIPE_SECRET_KEY: z.string().min(1).optional(),
  STRIPE_WEBHOOK_SECRET: z.string().min(1).optional(),
  STRIPE_BASE_URL: z.url({ error: 'STRIPE_BASE_URL must be the address of a Stripe API' }).optional(),
  STRIPE_PRICE_STARTER: z.string().min(1).optional(),
  STRIPE_PRICE_GROWTH: z.string().min(1).optional(),
  STRIPE_PRICE_TEAM: z.string().min(1).optional(),
  STRIPE_PRICE_ENTERPRISE: z.string().min(1).optional(),
})

export type Settings = {
  mailDomain: string
  publicUrl: string
  /** Host names beside that of `publicUrl`. */
  mcpHosts: string[]
  authservIds: string[]
  /** Null where production has none. */
  tokenSecret: string | null
  /** The seed of the Ed25519 key that signs audit logs; null where production has none. */
  auditSeed: Uint8Array | null
  /** Null where /admin is closed. */
  operatorKey: string | null
  /** The URL of the resolver that webhooks' hosts are looked up at. */
  dnsResolver: string
  /** Empty where managed domains are not offered. */
  nameservers: string[]
  spfInclude: string
  /** `host:port` each, empty in production. */
  egressAllow: string[]
  /** Where mail is handed in over SMTP. */
  smtpSubmission: { host: string; ports: number[] }
  /** Null where none is configured. `prices` names the recurring price of a plan, where it has one. */
  stripe: {
    secretKey: string
    webhookSecret: string | null
    baseUrl: URL | null
    prices: Partial<Record<'starter' | 'growth' | 'team' | 'enterprise', string>>
  } | null
  /** From one network, in a UTC hour and day. */
  registrations: { hour: number; day: number }
  isLocal: boolean
  autoClaim: boolean
  /** Null where none is configured. */
  model: { baseUrl: string; name: string; apiKey: string | null; timeoutMs: number } | null
  /** The embedding model at the same address. Null where none is configured. */
  embeddingModel: string | null
}

/** Known to everybody. */
const LOCAL_AUDIT_SEED = new TextEncoder().encode('local development only, 32 bytes')
const LOCAL_TOKEN_SECRET = 'local development only, known to everybody'

const parsed = new WeakMap<object, Settings>()

/** The settings that are not bindings, checked once per isolate. Throws with the name of the setting that is wrong. */
export function settings(env: Env): Settings {
  const known = parsed.get(env)
  if (known) return known
  const { MAIL_DOMAIN, PUBLIC_URL, AUTHSERV_IDS, TOKEN_SECRET, OPERATOR_KEY, ...given } = checked(env)
  const isLocal = env.LOCAL === '1'
  const value = {
    mailDomain: MAIL_DOMAIN,
    publicUrl: PUBLIC_URL.replace(/\/$/, ''),
    mcpHosts: listOf(given.MCP_HOSTS.toLowerCase()),
    authservIds: listOf(AUTHSERV_IDS),
    tokenSecret: TOKEN_SECRET ?? (isLocal ? LOCAL_TOKEN_SECRET : null),
    auditSeed: given.AUDIT_SIGNING_KEY ?? (isLocal ? LOCAL_AUDIT_SEED : null),
    operatorKey: OPERATOR_KEY ?? null,
    dnsResolver: given.DNS_RESOLVER,
    nameservers: nameserversOf(given.NAMESERVERS, isLocal ? MAIL_DOMAIN : null),
    spfInclude: (given.SPF_INCLUDE ?? `_spf.${MAIL_DOMAIN}`).toLowerCase(),
    egressAllow: isLocal ? listOf(given.EGRESS_ALLOW.toLowerCase()) : [],
    smtpSubmission: {
      host: given.SMTP_SUBMISSION_HOST ?? (isLocal ? 'localhost' : `smtp.${MAIL_DOMAIN}`),
      ports: [given.SMTP_SUBMISSION_PORT, given.SMTP_SUBMISSION_TLS_PORT],
    },
    stripe: stripeOf(given),
    registrations: { hour: given.REGISTRATIONS_PER_HOUR, day: given.REGISTRATIONS_PER_DAY },
    isLocal,
    autoClaim: isLocal && env.AUTO_CLAIM === '1',
    model: modelOf(given),
    embeddingModel: given.MODEL_BASE_URL === undefined ? null : (given.EMBEDDING_MODEL ?? null),
  }
  parsed.set(env, value)
  return value
}

function checked(env: Env) {
  const { success, data, error } = Settings.safeParse(env)
  if (success) return data
  throw new Error(error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '))
}

function nameserversOf(given: string, localDomain: string | null): string[] {
  const named = listOf(given.toLowerCase()).map((name) => name.replace(/\.$/, ''))
  if (named.length > 0 || localDomain === null) return named
  return [`ns1.${localDomain}`, `ns2.${localDomain}`]
}

const listOf = (text: string) => text.split(/[\s,]+/).filter((entry) => entry !== '')

type GivenStripe = Pick<z.infer<typeof Settings>, Extract<keyof z.infer<typeof Settings>, `STRIPE_${string}`>>

function stripeOf(given: GivenStripe): Settings['stripe'] {
  if (given.STRIPE_SECRET_KEY === undefined) return null
  const prices = {
    starter: given.STRIPE_PRICE_STARTER,
    growth: given.STRIPE_PRICE_GROWTH,
    team: given.STRIPE_PRICE_TEAM,
    enterprise: given.STRIPE_PRICE_ENTERPRISE,
  }
  return {
    secretKey: given.STRIPE_SECRET_KEY,
    webhookSecret: given.STRIPE_WEBHOOK_SECRET ?? null,
    baseUrl: given.STRIPE_BASE_URL === undefined ? null : new URL(given.STRIPE_BASE_URL),
    prices: Object.fromEntries(Object.entries(prices).filter(([, price]) => price !== undefined)),
  }
}

type GivenModel = Pick<
  z.infer<typeof Settings>,
  'MODEL_BASE_URL' | 'MODEL_NAME' | 'MODEL_API_KEY' | 'MODEL_TIMEOUT_MS'
>

function modelOf(given: GivenModel): Settings['model'] {
  if (given.MODEL_BASE_URL === undefined) return null
  if (given.MODEL_NAME === undefined) throw new Error('MODEL_NAME must name the model at MODEL_BASE_URL')
  return {
    baseUrl: given.MODEL_BASE_URL,
    name: given.MODEL_NAME,
    apiKey: given.MODEL_API_KEY ?? null,
    timeoutMs: given.MODEL_TIMEOUT_MS,
  }
}
