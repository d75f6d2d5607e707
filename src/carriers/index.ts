import type { Carrier, CarrierName } from '../core/delivery/carrier.ts'
import { CAPABILITIES, type CarrierSettings } from './capability.ts'
import { type CaptureSettings, capture } from './capture.ts'
import { cloudflare } from './cloudflare.ts'
import { type InternalSettings, internal } from './internal.ts'
import { mailgun } from './mailgun.ts'
import { postmark } from './postmark.ts'
import { resend } from './resend.ts'
import { sendgrid } from './sendgrid.ts'
import { ses } from './ses.ts'
import { type SmtpSecurity, smtp } from './smtp.ts'

export type Weights = ReadonlyMap<CarrierName, number>

/** What the carriers need beside settings: bindings, our own mailboxes, and the name we give in EHLO. */
export type Surroundings = {
  clientName: string
  capture?: CaptureSettings | undefined
  internal?: InternalSettings | undefined
  /** The `send_email` binding, where one is configured. */
  email?: SendEmail | undefined
  timeoutMs?: number | undefined
}

/** Reads `capture:1, smtp:3`. `internal` is not a choice: it serves our own recipients whatever the weights. */
export function parseWeights(text: string): Weights {
  const weights = new Map<CarrierName, number>()
  for (const entry of text.split(',').map((part) => part.trim())) {
    const [name = '', weight = '', ...more] = entry.split(':').map((part) => part.trim())
    if (!isCarrierName(name) || name === 'internal')
      throw new Error(`CARRIERS: "${entry}" names no carrier; known are ${chosen.join(', ')}`)
    if (more.length > 0 || !/^[1-9]\d{0,5}$/.test(weight))
      throw new Error(
        `CARRIERS: "${entry}" must read ${name}:weight, the weight a whole number from 1 to 999999`,
      )
    if (weights.has(name)) throw new Error(`CARRIERS: ${name} is named twice`)
    weights.set(name, Number(weight))
  }
  return weights
}

function isCarrierName(name: string): name is CarrierName {
  return Object.hasOwn(CAPABILITIES, name)
}

const chosen = Object.keys(CAPABILITIES).filter((name) => name !== 'internal')

/** Every carrier that the settings describe in full; half a description is an error that names what is missing. */
export function carriers(settings: CarrierSettings, surroundings: Surroundings): Map<CarrierName, Carrier> {
  const { clientName, email, timeoutMs } = surroundings
  const found: (Carrier | null)[] = [
    surroundings.capture ? capture(surroundings.capture) : null,
    surroundings.internal ? internal(surroundings.internal) : null,
    described('smtp', settings, ({ SMTP_HOST: host }) => {
      const port = settings.SMTP_PORT ? Number(settings.SMTP_PORT) : 587
      if (!Number.isInteger(port) || port < 1 || port > 65_535)
        throw new Error('SMTP_PORT must be a port number')
      const security = settings.SMTP_SECURITY || (port === 465 ? 'tls' : 'starttls')
      if (!isSecurity(security)) throw new Error('SMTP_SECURITY must be starttls, tls or none')
      if (!settings.SMTP_USERNAME !== !settings.SMTP_PASSWORD)
        throw new Error('SMTP_USERNAME and SMTP_PASSWORD are given both or not at all')
      const { SMTP_USERNAME: username, SMTP_PASSWORD: password } = settings
      return smtp({
        host,
        port,
        security,
        clientName,
        ...(username && password ? { username, password } : {}),
      })
    }),
    described('ses', settings, (given) =>
      ses({
        region: given.SES_REGION,
        accessKeyId: given.SES_ACCESS_KEY_ID,
        secretAccessKey: given.SES_SECRET_ACCESS_KEY,
        endpoint: safeUrl('SES_ENDPOINT', settings),
        configurationSet: settings.SES_CONFIGURATION_SET || undefined,
        timeoutMs,
      }),
    ),
    described('resend', settings, ({ RESEND_API_KEY: apiKey }) =>
      resend({ apiKey, baseUrl: safeUrl('RESEND_BASE_URL', settings), timeoutMs }),
    ),
    described('postmark', settings, ({ POSTMARK_SERVER_TOKEN: serverToken }) =>
      postmark({
        serverToken,
        baseUrl: safeUrl('POSTMARK_BASE_URL', settings),
        stream: settings.POSTMARK_STREAM || undefined,
        timeoutMs,
      }),
    ),
    described('sendgrid', settings, ({ SENDGRID_API_KEY: apiKey }) =>
      sendgrid({ apiKey, baseUrl: safeUrl('SENDGRID_BASE_URL', settings), timeoutMs }),
    ),
    described('mailgun', settings, ({ MAILGUN_API_KEY: apiKey, MAILGUN_DOMAIN: domain }) =>
      mailgun({ apiKey, domain, baseUrl: safeUrl('MAILGUN_BASE_URL', settings), timeoutMs }),
    ),
    email ? cloudflare({ email, timeoutMs }) : null,
  ]
  return new Map(found.filter((carrier) => carrier !== null).map((carrier) => [carrier.name, carrier]))
}

/** Carriers of our own, which have no health to watch: they are the database. */
const OWN: CarrierName[] = ['capture', 'internal']

export function isWatched(name: CarrierName): boolean {
  return !OWN.includes(name)
}

/** The carriers that a text of weights chooses. Throws where one of them is not described, or not in full. */
export function chosenCarriers(
  weights: string,
  settings: CarrierSettings,
  surroundings: Surroundings,
): CarrierName[] {
  const known = carriers(settings, surroundings)
  const names = [...parseWeights(weights).keys()]
  const missing = names.find((name) => !known.has(name))
  if (missing !== undefined) throw new Error(`CARRIERS chooses ${missing}, which is not set up here`)
  return names
}

type Required = Record<keyof CarrierSettings, string>

function described(name: CarrierName, settings: CarrierSettings, build: (given: Required) => Carrier) {
  const { needs, takes } = CAPABILITIES[name]
  if (![...needs, ...takes].some((key) => settings[key])) return null
  const missing = needs.filter((key) => !settings[key])
  if (missing.length > 0) throw new Error(`${name} needs ${missing.join(', ')}`)
  const unprintable = [...needs, ...takes].find((key) => /\p{Cc}/u.test(settings[key] ?? ''))
  if (unprintable) throw new Error(`${unprintable} holds a control character`)
  return build(settings as Required)
}

function isSecurity(security: string): security is SmtpSecurity {
  return ['starttls', 'tls', 'none'].includes(security)
}

/** Keys must not travel in clear, except to this very machine. */
function safeUrl(
  key: 'SES_ENDPOINT' | (`${Uppercase<CarrierName>}_BASE_URL` & keyof CarrierSettings),
  settings: CarrierSettings,
) {
  const text = settings[key]
  if (!text) return undefined
  const url = URL.canParse(text) ? new URL(text) : null
  const loopback = url?.protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  if (url?.protocol !== 'https:' && !loopback) throw new Error(`${key} must be an https address`)
  return text
}

export type Choice = {
  weights: Weights
  healthy: ReadonlySet<CarrierName>
  /** Those that definitely refused this message in this round. */
  excluded: ReadonlySet<CarrierName>
  /** The carrier that may already have the message: nobody else may be asked. */
  pinned: CarrierName | null
  random: () => number
}

/**
 * Who is asked next; null means wait. A pin always holds. Otherwise the weights decide among the healthy, and a carrier
 * that is the only one configured is never given up on.
 */
export function choose({ weights, healthy, excluded, pinned, random }: Choice): CarrierName | null {
  if (pinned !== null) return pinned
  const eligible = [...weights].filter(
    ([name]) => !excluded.has(name) && (healthy.has(name) || weights.size === 1),
  )
  let point = random() * eligible.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [name, weight] of eligible) {
    point -= weight
    if (point < 0) return name
  }
  return eligible.at(-1)?.[0] ?? null
}
