import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const FOLDER = 'MOLTPOST_TEST_TLS'

/**
 * Makes a throw-away authority for this run and has workerd trust it. Miniflare reads NODE_EXTRA_CA_CERTS once, when it
 * is imported, so this must run before the first import of the vitest plugin.
 */
export function trustTestAuthority() {
  if (process.env[FOLDER]) return
  const folder = mkdtempSync(join(tmpdir(), 'moltpost-tls-'))
  issueCertificates(folder)
  const known = process.env.NODE_EXTRA_CA_CERTS
  const trusted = join(folder, 'trusted.pem')
  writeFileSync(
    trusted,
    (known ? readFileSync(known, 'utf8') : '') + readFileSync(join(folder, 'ca.pem'), 'utf8'),
  )
  process.env.NODE_EXTRA_CA_CERTS = trusted
  process.env[FOLDER] = folder
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
}

/** A certificate and key for loopback (`loopback`), or for a name that is not this machine's (`stranger`). */
export function certificate(name: 'loopback' | 'stranger') {
  trustTestAuthority()
  const read = (suffix: string) => readFileSync(join(process.env[FOLDER] ?? '', `${name}.${suffix}`), 'utf8')
  return { cert: read('pem'), key: read('key') }
}

function issueCertificates(folder: string) {
  const path = (name: string) => join(folder, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })
  const key = (name: string) =>
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', path(`${name}.key`))

  key('ca')
  openssl(
    ...['req', '-x509', '-new', '-key', path('ca.key'), '-out', path('ca.pem'), '-days', '2'],
    ...['-subj', '/CN=Moltpost test authority', '-addext', 'basicConstraints=critical,CA:TRUE'],
  )
  const issue = (name: string, names: string) => {
    key(name)
    openssl('req', '-new', '-key', path(`${name}.key`), '-out', path(`${name}.csr`), '-subj', `/CN=${name}`)
    writeFileSync(
      path(`${name}.ext`),
      `subjectAltName=${names}\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n`,
    )
    openssl(
      ...['x509', '-req', '-in', path(`${name}.csr`), '-CA', path('ca.pem'), '-CAkey', path('ca.key')],
      ...['-CAcreateserial', '-out', path(`${name}.pem`), '-days', '2', '-extfile', path(`${name}.ext`)],
    )
  }
  issue('loopback', 'DNS:localhost,IP:127.0.0.1')
  issue('stranger', 'DNS:mail.stranger.test')
}
