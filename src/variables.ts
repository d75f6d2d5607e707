import { z } from 'zod'

const atLeastOne = (name: string) =>
  z.coerce
    .number({ error: `${name} must be a number` })
    .int()
    .min(1, `${name} must be 1 or more`)

const port = (name: string) => atLeastOne(name).max(65_535, `${name} must be a port number`)

const Variables = z.object({
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

export type Variables = z.infer<typeof Variables>

/** Checks the variables of the environment that become settings. Throws an error that names each wrong variable. */
export function checkedVariables(env: object): Variables {
  const { success, data, error } = Variables.safeParse(env)
  if (success) return data
  throw new Error(error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '))
}
