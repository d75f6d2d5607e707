import { once } from 'node:events'
import { apiAt } from './api.ts'
import { certificateOf } from './certificate.ts'
import { clientsWithin } from './clients.ts'
import { type Bridge, bridge, type Log } from './server.ts'
import { HELP, type Settings, settingsOf } from './settings.ts'

const log: Log = (event, about) => {
  process.stdout.write(`${JSON.stringify({ at: new Date().toISOString(), event, ...about })}\n`)
}

if (process.argv.includes('--help') || process.argv.includes('-h')) {
  process.stdout.write(`${HELP}\n`)
} else {
  await start().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : 'The bridge could not start.')
    process.exitCode = 2
  })
}

async function start() {
  const settings = settingsOf(process.env)
  const certificate = await certificateOf(settings.certificate, settings.host)
  const context = { api: apiAt(settings.api), clients: clientsWithin(settings), log }
  const servers = [false, true].map((secure) => bridge(settings, certificate, secure, context))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop(servers))
  await Promise.all(servers.map((each, index) => listen(each, settings, index === 1)))
  log('listening', {
    ...{ port: settings.port, tls_port: settings.tlsPort, host: settings.host },
    self_signed: settings.certificate === null,
  })
}

async function listen({ server }: Bridge, { port, tlsPort, listen }: Settings, secure: boolean) {
  const wanted = secure ? tlsPort : port
  const listening = server.listen(wanted, listen)
  await once(listening, 'listening').catch((error: NodeJS.ErrnoException) => {
    const setting = secure ? 'SMTP_SUBMISSION_TLS_PORT' : 'SMTP_SUBMISSION_PORT'
    console.error(`Cannot listen on port ${wanted} (${error.code}). Set ${setting} to another port.`)
    process.exit(1)
  })
}

async function stop(servers: Bridge[]) {
  log('stopping', {})
  await Promise.all(servers.map(({ stop }) => stop()))
  log('stopped', {})
  process.exit(0)
}
