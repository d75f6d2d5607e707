import type { JobBell, SendBell, WebhookBell } from './core/journal/bells.ts'
import type { CarrierHealth } from './objects/carrier-health.ts'
import type { ConsensusRequest } from './objects/consensus-request.ts'
import type { ContactLease } from './objects/contact-lease.ts'
import type { EventStream } from './objects/event-stream.ts'
import type { RateWindow } from './objects/rate-window.ts'
import { checkedVariables, type Variables } from './variables.ts'

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
  /** The files of the library that shows the API reference. Served below /docs/assets only. */
  ASSETS: Fetcher

  MAIL_DOMAIN: string
  /**
   * The authserv-ids of our own receiving mail server in Authentication-Results (RFC 8601), separated by commas. Without
   * any, authentication results of received mail are ignored.
   */
  AUTHSERV_IDS?: string
  PUBLIC_URL: string
  /** Other host names under which /mcp may be called, or whose pages may call it, separated by commas. */
  MCP_HOSTS?: string
  CARRIERS: string
  /**
   * Signs the links in sent mail, such as unsubscribe links. A secret of the Worker with 32 characters or more
   * (`wrangler secret put TOKEN_SECRET`). Without it there are no such links, and sends that need one are refused. Changing
   * it breaks the links of mail already sent. If LOCAL is "1", a well-known value is the default.
   */
  TOKEN_SECRET?: string | undefined
  /** The operator's key for /admin. A secret with 32 characters or more. Without it, or if it is shorter, /admin is closed. */
  OPERATOR_KEY?: string | undefined
  /** How long an HTTP carrier may take to answer, in ms. Default: 20,000. */
  CARRIER_TIMEOUT_MS?: string
  /** Signs the heads of audit logs. A secret of 32 random bytes in base64. Without it, logs are chained but not signed. */
  AUDIT_SIGNING_KEY?: string | undefined
  SMTP_HOST?: string
  SMTP_PORT?: string
  SMTP_SECURITY?: string
  SMTP_USERNAME?: string
  SMTP_PASSWORD?: string
  /** The address of the SMTP bridge, as shown to people: host name, port for STARTTLS, port for implicit TLS. */
  SMTP_SUBMISSION_HOST?: string
  SMTP_SUBMISSION_PORT?: string
  SMTP_SUBMISSION_TLS_PORT?: string
  SES_REGION?: string
  SES_ACCESS_KEY_ID?: string
  SES_SECRET_ACCESS_KEY?: string
  SES_ENDPOINT?: string
  SES_CONFIGURATION_SET?: string
  /** The ARNs of the SNS topics that SES events may come from, separated by commas. */
  SES_TOPIC_ARNS?: string
  RESEND_API_KEY?: string
  RESEND_BASE_URL?: string
  /** The secret with which Resend signs its events, `whsec_…`. */
  RESEND_WEBHOOK_SECRET?: string
  POSTMARK_SERVER_TOKEN?: string
  POSTMARK_BASE_URL?: string
  /** The Postmark message stream for sent mail. Default: `outbound`. */
  POSTMARK_STREAM?: string
  /** `user:password` with which Postmark authenticates its events (HTTP basic authentication). */
  POSTMARK_WEBHOOK_SECRET?: string
  SENDGRID_API_KEY?: string
  SENDGRID_BASE_URL?: string
  /** The public key that verifies SendGrid's events: base64 of its DER form, as the dashboard shows it. */
  SENDGRID_WEBHOOK_KEY?: string
  MAILGUN_API_KEY?: string
  MAILGUN_DOMAIN?: string
  MAILGUN_BASE_URL?: string
  /** The key with which Mailgun signs its events. */
  MAILGUN_SIGNING_KEY?: string
  /** Cloudflare Email Sending, if the binding is configured. */
  EMAIL?: SendEmail
  /**
   * A language model at an OpenAI-compatible address (Workers AI has one), and its name there. Without it the embedded
   * defaults are used. The key is a secret of the Worker (`wrangler secret put MODEL_API_KEY`).
   */
  MODEL_BASE_URL?: string
  MODEL_NAME?: string
  MODEL_API_KEY?: string
  /** How long the model may take for one answer, in ms. Default: 10,000. */
  MODEL_TIMEOUT_MS?: string

  /** The URL of the DNS resolver (RFC 8484) that looks up the hosts of webhooks. Default: Cloudflare's. */
  DNS_RESOLVER?: string
  /**
   * The name servers that managed domains are delegated to, separated by commas. Each domain gets names below them
   * (`<token>.ns1…`). Without any, managed domains are refused. If LOCAL is "1", the default is ns1 and ns2 of MAIL_DOMAIN.
   */
  NAMESERVERS?: string
  /** The name that the SPF record of a domain must include. Default: `_spf.` and MAIL_DOMAIN. */
  SPF_INCLUDE?: string
  /** Private addresses that webhooks may call: `host:port`, separated by commas. Used only if LOCAL is "1". */
  EGRESS_ALLOW?: string

  /**
   * The model for search by meaning, in addition to the embedded vectors: Workers AI if `AI` is bound, otherwise the
   * model EMBEDDING_MODEL at MODEL_BASE_URL. Its vectors are stored in Vectorize if `VECTORS` is bound, otherwise in D1. The
   * Vectorize index needs the dimensions of the model and the metric `cosine`.
   */
  AI?: Ai
  VECTORS?: Vectorize
  EMBEDDING_MODEL?: string

  /**
   * The secret key of the Stripe account that receives payments for plans and bonds. Without it, a deployed Worker takes no
   * payments, and local development uses its own ledger.
   */
  STRIPE_SECRET_KEY?: string | undefined
  /** The secret with which Stripe signs its events, `whsec_…`. */
  STRIPE_WEBHOOK_SECRET?: string | undefined
  /** The address of Stripe's API, to use an emulator. Default: Stripe. */
  STRIPE_BASE_URL?: string | undefined
  /** The recurring Stripe price of each paid plan, `price_…`. */
  STRIPE_PRICE_STARTER?: string | undefined
  STRIPE_PRICE_GROWTH?: string | undefined
  STRIPE_PRICE_TEAM?: string | undefined
  STRIPE_PRICE_ENTERPRISE?: string | undefined

  /** How many agents may register from one network (IPv4 /24, IPv6 /48) per UTC hour and day. Defaults: 10 and 30. */
  REGISTRATIONS_PER_HOUR?: string
  REGISTRATIONS_PER_DAY?: string

  /** "1" in local development only. It comes from .dev.vars, never from wrangler.toml. */
  LOCAL?: string
  /** If "1", new agents are already claimed and verified. Used only if LOCAL is "1". */
  AUTO_CLAIM?: string
  /** Replaces the demo tenant's well-known key. Used only if LOCAL is "1". */
  DEMO_KEY?: string | undefined
}

export type Settings = {
  mailDomain: string
  publicUrl: string
  /** Host names in addition to that of `publicUrl`. */
  mcpHosts: string[]
  authservIds: string[]
  /** Null if production has none. */
  tokenSecret: string | null
  /** The seed of the Ed25519 key that signs audit logs. Null if production has none. */
  auditSeed: Uint8Array | null
  /** Null if /admin is closed. */
  operatorKey: string | null
  /** The URL of the DNS resolver for the hosts of webhooks. */
  dnsResolver: string
  /** Empty if managed domains are not offered. */
  nameservers: string[]
  spfInclude: string
  /** Each is `host:port`. Empty in production. */
  egressAllow: string[]
  /** The SMTP bridge, as shown to people. */
  smtpSubmission: { host: string; ports: number[] }
  /** Null if Stripe is not configured. `prices` has the recurring price of each plan that has one. */
  stripe: {
    secretKey: string
    webhookSecret: string | null
    baseUrl: URL | null
    prices: Partial<Record<'starter' | 'growth' | 'team' | 'enterprise', string>>
  } | null
  /** The most registrations from one network per UTC hour and day. */
  registrations: { hour: number; day: number }
  isLocal: boolean
  autoClaim: boolean
  /** Null if none is configured. */
  model: { baseUrl: string; name: string; apiKey: string | null; timeoutMs: number } | null
  /** The embedding model at the same address. Null if none is configured. */
  embeddingModel: string | null
}

/** Well-known values for local development. */
const LOCAL_AUDIT_SEED = new TextEncoder().encode('local development only, 32 bytes')
const LOCAL_TOKEN_SECRET = 'local development only, known to everybody'

const parsed = new WeakMap<object, Settings>()

/** The settings from the environment, checked once per isolate. Throws an error that names the wrong setting. */
export function settings(env: Env): Settings {
  const known = parsed.get(env)
  if (known) return known
  const { MAIL_DOMAIN, PUBLIC_URL, AUTHSERV_IDS, TOKEN_SECRET, OPERATOR_KEY, ...given } =
    checkedVariables(env)
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

function nameserversOf(given: string, localDomain: string | null): string[] {
  const named = listOf(given.toLowerCase()).map((name) => name.replace(/\.$/, ''))
  if (named.length > 0 || localDomain === null) return named
  return [`ns1.${localDomain}`, `ns2.${localDomain}`]
}

const listOf = (text: string) => text.split(/[\s,]+/).filter((entry) => entry !== '')

type GivenStripe = Pick<Variables, Extract<keyof Variables, `STRIPE_${string}`>>

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

type GivenModel = Pick<Variables, 'MODEL_BASE_URL' | 'MODEL_NAME' | 'MODEL_API_KEY' | 'MODEL_TIMEOUT_MS'>

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
