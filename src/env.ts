import { z } from 'zod'
import type { ConsensusRequest } from './objects/consensus-request.ts'
import type { ContactLease } from './objects/contact-lease.ts'
import type { ProviderHealth } from './objects/provider-health.ts'
import type { RateWindow } from './objects/rate-window.ts'

/** A queue message is a bell: it names the row to look at, and the row says what is to be done. */
export type SendBell = { tenantId: string; sendId: string }

export interface Env {
  DB: D1Database
  MAIL: R2Bucket
  RENDER: Queue<SendBell>
  DELIVER: Queue<SendBell>
  WEBHOOK: Queue<unknown>
  JOBS: Queue<SendBell>
  RATE_WINDOW: DurableObjectNamespace<RateWindow>
  PROVIDER_HEALTH: DurableObjectNamespace<ProviderHealth>
  CONTACT_LEASE: DurableObjectNamespace<ContactLease>
  CONSENSUS_REQUEST: DurableObjectNamespace<ConsensusRequest>

  MAIL_DOMAIN: string
  PUBLIC_URL: string
  CARRIERS: string
  /**
   * Seals the links of mail that leaves, such as those to unsubscribe: 32 characters or more, a secret of the Worker
   * (`wrangler secret put TOKEN_SECRET`). Without it such links are not given, and what needs one is refused; changed,
   * it voids the links of mail already sent. Where LOCAL is "1" and none is set, a well-known value stands in for it.
   */
  TOKEN_SECRET?: string | undefined
  /** How long an HTTP carrier may take to answer, in ms; 20,000 where not given. */
  CARRIER_TIMEOUT_MS?: string
  SMTP_HOST?: string
  SMTP_PORT?: string
  SMTP_SECURITY?: string
  SMTP_USERNAME?: string
  SMTP_PASSWORD?: string
  SES_REGION?: string
  SES_ACCESS_KEY_ID?: string
  SES_SECRET_ACCESS_KEY?: string
  SES_ENDPOINT?: string
  SES_CONFIGURATION_SET?: string
  RESEND_API_KEY?: string
  RESEND_BASE_URL?: string
  /**
   * A language model behind any OpenAI-compatible address, Workers AI's included, and its name there. Without it what
   * could ask a model does without. The key is a secret of the Worker (`wrangler secret put MODEL_API_KEY`).
   */
  MODEL_BASE_URL?: string
  MODEL_NAME?: string
  MODEL_API_KEY?: string
  /** How long the model may take to answer one question, in ms; 10,000 where not given. */
  MODEL_TIMEOUT_MS?: string

  /** "1" under local development only; comes from .dev.vars, never from wrangler.toml. */
  LOCAL?: string
  /** "1" makes registration open agents already claimed and verified. Honoured only where LOCAL is "1". */
  AUTO_CLAIM?: string
  /** Replaces the demo tenant's well-known key. Honoured only where LOCAL is "1". */
  DEMO_KEY?: string | undefined
}

const Settings = z.object({
  MAIL_DOMAIN: z
    .string()
    .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'MAIL_DOMAIN must be a lower-case domain name'),
  PUBLIC_URL: z.url({ error: 'PUBLIC_URL must be the address this Worker is reached at' }),
  CARRIERS: z.string().min(1, 'CARRIERS must name at least one carrier, as in "capture:1"'),
  TOKEN_SECRET: z.string().min(32, 'TOKEN_SECRET must be 32 characters or more').optional(),
  MODEL_BASE_URL: z
    .url({ error: 'MODEL_BASE_URL must be the address of an OpenAI-compatible API' })
    .optional(),
  MODEL_NAME: z.string().min(1).optional(),
  MODEL_API_KEY: z.string().min(1).optional(),
  MODEL_TIMEOUT_MS: z.coerce
    .number({ error: 'MODEL_TIMEOUT_MS must be a number of milliseconds' })
    .int()
    .min(1)
    .max(120_000)
    .default(10_000),
})

export type Settings = {
  mailDomain: string
  publicUrl: string
  /** Null where production has none. */
  tokenSecret: string | null
  isLocal: boolean
  autoClaim: boolean
  /** Null where none is configured. */
  model: { baseUrl: string; name: string; apiKey: string | null; timeoutMs: number } | null
}

const LOCAL_TOKEN_SECRET = 'local development only, known to everybody'

const parsed = new WeakMap<object, Settings>()

/** The settings that are not bindings, checked once per isolate. Throws with the name of the setting that is wrong. */
export function settings(env: Env): Settings {
  const known = parsed.get(env)
  if (known) return known
  const { MAIL_DOMAIN, PUBLIC_URL, TOKEN_SECRET, ...given } = Settings.parse(env)
  const isLocal = env.LOCAL === '1'
  const value = {
    mailDomain: MAIL_DOMAIN,
    publicUrl: PUBLIC_URL.replace(/\/$/, ''),
    tokenSecret: TOKEN_SECRET ?? (isLocal ? LOCAL_TOKEN_SECRET : null),
    isLocal,
    autoClaim: isLocal && env.AUTO_CLAIM === '1',
    model: modelOf(given),
  }
  parsed.set(env, value)
  return value
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
