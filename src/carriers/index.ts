import type { Carrier, CarrierName, CarrierPort, OwnDelivery } from '../core/delivery/carrier.ts'
import { CAPABILITIES, type CarrierSettings } from './capability.ts'
import { capture } from './capture.ts'
import { cloudflare } from './cloudflare.ts'
import { isSafeUrl } from './http.ts'
import { internal } from './internal.ts'
import { mailgun } from './mailgun.ts'
import { postmark } from './postmark.ts'
import { resend } from './resend.ts'
import { sendgrid } from './sendgrid.ts'
import { ses } from './ses.ts'
import { type SmtpSecurity, smtp } from './smtp.ts'

/** What the carriers read of the Worker's environment. */
type CarrierEnv = CarrierSettings & {
  MAIL_DOMAIN: string
  CARRIER_TIMEOUT_MS?: string | undefined
  EMAIL?: SendEmail | undefined
}

/** The carriers as core's delivery uses them. */
export function carrierPort(env: CarrierEnv): CarrierPort {
  return {
    capabilities: CAPABILITIES,
    open: (own) =>
      carriers(env, {
        own,
        clientName: env.MAIL_DOMAIN,
        timeoutMs: env.CARRIER_TIMEOUT_MS ? Number(env.CARRIER_TIMEOUT_MS) : undefined,
        email: env.EMAIL,
      }),
  }
}

/** What the carriers need besides settings. */
type Surroundings = {
  /** The name we give in EHLO. */
  clientName: string
  own?: OwnDelivery | undefined
  /** The `send_email` binding, if one is configured. */
  email?: SendEmail | undefined
  timeoutMs?: number | undefined
}

/** Every carrier that the settings set up. If one is set up only in part, throws an error that names what is missing. */
export function carriers(settings: CarrierSettings, surroundings: Surroundings): Map<CarrierName, Carrier> {
  const { clientName, own, email, timeoutMs } = surroundings
  const found: (Carrier | null)[] = [
    own?.capture ? capture({ keep: own.capture }) : null,
    own ? internal(own) : null,
    ifSetUp('smtp', settings, (given) => smtpFrom(given, settings, clientName)),
    ifSetUp('ses', settings, (given) =>
      ses({
        region: given.SES_REGION,
        accessKeyId: given.SES_ACCESS_KEY_ID,
        secretAccessKey: given.SES_SECRET_ACCESS_KEY,
        endpoint: safeUrl('SES_ENDPOINT', settings),
        configurationSet: settings.SES_CONFIGURATION_SET || undefined,
        timeoutMs,
      }),
    ),
    ifSetUp('resend', settings, ({ RESEND_API_KEY: apiKey }) =>
      resend({ apiKey, baseUrl: safeUrl('RESEND_BASE_URL', settings), timeoutMs }),
    ),
    ifSetUp('postmark', settings, ({ POSTMARK_SERVER_TOKEN: serverToken }) =>
      postmark({
        serverToken,
        baseUrl: safeUrl('POSTMARK_BASE_URL', settings),
        stream: settings.POSTMARK_STREAM || undefined,
        timeoutMs,
      }),
    ),
    ifSetUp('sendgrid', settings, ({ SENDGRID_API_KEY: apiKey }) =>
      sendgrid({ apiKey, baseUrl: safeUrl('SENDGRID_BASE_URL', settings), timeoutMs }),
    ),
    ifSetUp('mailgun', settings, ({ MAILGUN_API_KEY: apiKey, MAILGUN_DOMAIN: domain }) =>
      mailgun({ apiKey, domain, baseUrl: safeUrl('MAILGUN_BASE_URL', settings), timeoutMs }),
    ),
    email ? cloudflare({ email, timeoutMs }) : null,
  ]
  return new Map(found.filter((carrier) => carrier !== null).map((carrier) => [carrier.name, carrier]))
}

type Required = Record<keyof CarrierSettings, string>

function ifSetUp(name: CarrierName, settings: CarrierSettings, build: (given: Required) => Carrier) {
  const { needs, takes } = CAPABILITIES[name]
  if (![...needs, ...takes].some((key) => settings[key])) return null
  const missing = needs.filter((key) => !settings[key])
  if (missing.length > 0) throw new Error(`${name} needs ${missing.join(', ')}`)
  const unprintable = [...needs, ...takes].find((key) => /\p{Cc}/u.test(settings[key] ?? ''))
  if (unprintable) throw new Error(`${unprintable} holds a control character`)
  return build(settings as Required)
}

function smtpFrom({ SMTP_HOST: host }: Required, settings: CarrierSettings, clientName: string): Carrier {
  const port = settings.SMTP_PORT ? Number(settings.SMTP_PORT) : 587
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error('SMTP_PORT must be a port number')
  const security = settings.SMTP_SECURITY || (port === 465 ? 'tls' : 'starttls')
  if (!isSecurity(security)) throw new Error('SMTP_SECURITY must be starttls, tls or none')
  if (!settings.SMTP_USERNAME !== !settings.SMTP_PASSWORD)
    throw new Error('SMTP_USERNAME and SMTP_PASSWORD must be given both or not at all')
  const { SMTP_USERNAME: username, SMTP_PASSWORD: password } = settings
  const login = username && password ? { username, password } : {}
  return smtp({ host, port, security, clientName, ...login })
}

function isSecurity(security: string): security is SmtpSecurity {
  return ['starttls', 'tls', 'none'].includes(security)
}

function safeUrl(
  key: 'SES_ENDPOINT' | (`${Uppercase<CarrierName>}_BASE_URL` & keyof CarrierSettings),
  settings: CarrierSettings,
) {
  const text = settings[key]
  if (!text) return undefined
  if (!isSafeUrl(text)) throw new Error(`${key} must be an https address`)
  return text
}
