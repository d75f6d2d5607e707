import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from './peer-http.ts'
import { type DevServer, freePort, startDev } from './program.ts'

/** `plain` is what a newcomer starts. In `claimed`, a new agent counts as claimed by an owner. */
export type Kind = 'plain' | 'claimed'
export type SharedDev = { address: string; smtpPort: number; smtpTlsPort: number }

/** The development servers that tests share, each started when it is first asked for: a start costs seconds. */
export async function startDevServers() {
  const folder = await mkdtemp(join(tmpdir(), 'moltpost-shared-'))
  const started = new Map<string, Promise<{ server: DevServer; shared: SharedDev }>>()
  const http = createServer(async (request, response) => {
    const kind = request.url?.slice(1) === 'claimed' ? 'claimed' : 'plain'
    const starting = started.get(kind) ?? start(folder, kind)
    started.set(kind, starting)
    await starting.then(
      ({ shared }) => json(response, 200, shared),
      (error: unknown) => json(response, 500, { error: String(error) }),
    )
  }).listen(0, '127.0.0.1')
  await once(http, 'listening')
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    stop: async () => {
      http.close()
      await Promise.all(
        [...started.values()].map(async (starting) => {
          await (await starting.catch(() => null))?.server.kill()
        }),
      )
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function start(folder: string, kind: Kind) {
  const [smtpPort, smtpTlsPort] = [await freePort(), await freePort()]
  const server = await startDev(join(folder, kind), {
    AUTO_CLAIM: kind === 'claimed' ? '1' : '',
    SMTP_SUBMISSION_PORT: String(smtpPort),
    SMTP_SUBMISSION_TLS_PORT: String(smtpTlsPort),
    REGISTRATIONS_PER_HOUR: '1000',
    REGISTRATIONS_PER_DAY: '1000',
  })
  return { server, shared: { address: server.address, smtpPort, smtpTlsPort } }
}
