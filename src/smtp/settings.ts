/** The largest message, in bytes. The same limit as in the Worker (`max_message_bytes` of `GET /v1/smtp/session`). */
const SIZE = 10_420_224

export const HELP = `Usage: npm run smtp

Receives mail by SMTP and submits it to Moltpost with the credential of the client that logged in.

Environment
  SMTP_SUBMISSION_API          address of Moltpost (default http://localhost:8787)
  SMTP_SUBMISSION_HOST         host name of this server (default localhost)
  SMTP_SUBMISSION_LISTEN       IP address to listen on (default: all)
  SMTP_SUBMISSION_PORT         port with STARTTLS (default 587)
  SMTP_SUBMISSION_TLS_PORT     port with TLS from the start (default 465)
  SMTP_SUBMISSION_CERT         PEM file with the certificate chain
  SMTP_SUBMISSION_KEY          PEM file with its private key; if Moltpost runs on this machine, both may be left
                               out, and openssl makes a self-signed certificate
  SMTP_SUBMISSION_SIZE         largest message in bytes (default and maximum ${SIZE})
  SMTP_SUBMISSION_CONNECTIONS  connections at the same time (default 500)
  SMTP_SUBMISSION_PER_CLIENT   connections at the same time from one address (default 20)
  SMTP_SUBMISSION_FAILURES     failed logins from one address in 10 minutes, before it is refused (default 10)
  SMTP_SUBMISSION_PROXY        IP addresses of proxies that send a PROXY line first, separated by commas

Example
  SMTP_SUBMISSION_PORT=2587 SMTP_SUBMISSION_TLS_PORT=2465 npm run smtp`

export type Settings = {
  api: URL
  host: string
  listen: string | undefined
  port: number
  tlsPort: number
  certificate: { cert: string; key: string } | null
  size: number
  connections: number
  perClient: number
  failures: number
  proxies: string[]
}

/** Reads the settings from the environment. Throws an `Error` that names the wrong setting. */
export function settingsOf(env: Record<string, string | undefined>): Settings {
  const given = (name: string) => env[`SMTP_SUBMISSION_${name}`] || undefined
  const number = (name: string, standard: number, most: number) => {
    const value = Number(given(name) ?? standard)
    if (Number.isInteger(value) && value >= 1 && value <= most) return value
    throw new Error(`SMTP_SUBMISSION_${name} must be a number from 1 to ${most}, not "${given(name)}".`)
  }
  const [cert, key] = [given('CERT'), given('KEY')]
  const api = URL.parse(given('API') ?? 'http://localhost:8787')
  if (!api || !/^https?:$/.test(api.protocol)) throw new Error('SMTP_SUBMISSION_API must be an http(s) URL.')
  if ((cert === undefined) !== (key === undefined)) {
    throw new Error('Set SMTP_SUBMISSION_CERT and SMTP_SUBMISSION_KEY both, or neither.')
  }
  if (api.protocol === 'http:' && !isOnThisMachine(api)) {
    throw new Error(
      'SMTP_SUBMISSION_API must be an https URL, or on this machine, because passwords are sent to it.',
    )
  }
  if (cert === undefined && !isOnThisMachine(api)) {
    throw new Error(
      'Set SMTP_SUBMISSION_CERT and SMTP_SUBMISSION_KEY: they are required if Moltpost is not on this machine.',
    )
  }
  return {
    api,
    host: given('HOST') ?? 'localhost',
    listen: given('LISTEN'),
    port: number('PORT', 587, 65_535),
    tlsPort: number('TLS_PORT', 465, 65_535),
    certificate: cert !== undefined && key !== undefined ? { cert, key } : null,
    size: number('SIZE', SIZE, SIZE),
    connections: number('CONNECTIONS', 500, 100_000),
    perClient: number('PER_CLIENT', 20, 100_000),
    failures: number('FAILURES', 10, 100_000),
    proxies: (given('PROXY') ?? '').split(/[\s,]+/).filter((address) => address !== ''),
  }
}

function isOnThisMachine({ hostname }: URL): boolean {
  return hostname === 'localhost' || /^127\.\d+\.\d+\.\d+$/.test(hostname) || hostname === '[::1]'
}
