import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export type Certificate = { cert: string; key: string }

/** Reads the certificate from its files. Without files, makes a self-signed certificate for this run. */
export async function certificateOf(files: Certificate | null, host: string): Promise<Certificate> {
  if (!files) return await selfSigned(host)
  const [cert, key] = await Promise.all([readFile(files.cert, 'utf8'), readFile(files.key, 'utf8')])
  return { cert, key }
}

async function selfSigned(host: string): Promise<Certificate> {
  const folder = await mkdtemp(join(tmpdir(), 'moltpost-smtp-'))
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  try {
    await promisify(execFile)('openssl', [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '30',
      ],
      ...[
        '-subj',
        `/CN=${host}`,
        '-addext',
        `subjectAltName=DNS:${host},IP:127.0.0.1`,
        '-out',
        cert,
        '-keyout',
        key,
      ],
    ])
    return await certificateOf({ cert, key }, host)
  } catch {
    throw new Error('openssl could not make a certificate. Set SMTP_SUBMISSION_CERT and SMTP_SUBMISSION_KEY.')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
