/** The largest message, in bytes: as much as the Worker takes (`max_message_bytes` of `GET /v1/smtp/session`). */
const SIZE = 10_420_224

export const HELP = `Usage: npm run smtp

Takes mail in over SMTP and hands it to Moltpost, with the rights of whoever logs in and none of its own.

Environment
  SMTP_SUBMISSION_API          where Moltpost is (default http://localhost:8787)
  SMTP_SUBMISSION_HOST         the name of this server (default localhost)
  SMTP_SUBMISSION_LISTEN       the address to listen at (default: all)
  SMTP_SUBMISSION_PORT         port with STARTTLS (default 587)
  SMTP_SUBMISSION_TLS_PORT     port with TLS from the start (default 465)
  SMTP_SUBMISSION_CERT         certificate chain, a PEM file
  SMTP_SUBMISSION_KEY          its key, a PEM file; without both, where Moltpost is on this machine, openssl makes
                               a certificate that nobody trusts
  SMTP_SUBMISSION_SIZE         largest message in bytes (default ${SIZE}, as much as Moltpost takes)
  SMTP_SUBMISSION_CONNECTIONS  connections at once (default 500)
  SMTP_SUBMISSION_PER_CLIENT   connections at once from one address (default 20)
  SMTP_SUBMISSION_FAILURES     failed logins from one address in ten minutes (default 10)
  SMTP_SUBMISSION_PROXY        addresses of proxies that begin with a PROXY line, separated by commas`

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

/** The settings of an environment. Throws an `Error` that names the setting which is wrong. */
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
    throw new Error('SMTP_SUBMISSION_CERT and SMTP_SUBMISSION_KEY belong together.')
  }
  if (api.protocol === 'http:' && !isHere(api)) {
    throw new Error('SMTP_SUBMISSION_API must be https, or on this machine: passwords travel there.')
  }
  if (cert === undefined && !isHere(api)) {
    throw new Error(
      'SMTP_SUBMISSION_CERT and SMTP_SUBMISSION_KEY are needed where Moltpost is not on this machine.',
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

function isHere({ hostname }: URL): boolean {
  return hostname === 'localhost' || /^127\.\d+\.\d+\.\d+$/.test(hostname) || hostname === '[::1]'
}
