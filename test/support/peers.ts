import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestProject } from 'vitest/node'
import { startDevServers } from './peer-dev.ts'
import { startFaultServers } from './peer-faults.ts'
import { json, startHttpCarrier } from './peer-http.ts'
import { startModel } from './peer-model.ts'
import { startPrism } from './peer-prism.ts'
import { startPrograms } from './peer-programs.ts'
import { login, type Received, startSmtpServers } from './peer-smtp.ts'
import { startStripe } from './peer-stripe.ts'
import { startWebhookEndpoints } from './peer-webhooks.ts'

/** Starts the servers that the tests talk to, on loopback, once for the whole run. */
export default async function peers(project: TestProject) {
  const received: Received[] = []
  const stripe = await startStripe()
  const [smtp, faults, http, programs, model, webhooks, prism, dev] = await Promise.all([
    startSmtpServers(received),
    startFaultServers(),
    startHttpCarrier(),
    startPrograms(stripe.url),
    startModel(),
    startWebhookEndpoints(),
    startPrism(),
    startDevServers(),
  ])
  const inspector = await startInspector(received, faults)
  project.provide('peers', {
    inspector: inspector.url,
    login,
    smtp: smtp.ports,
    faults: faults.ports,
    http: http.url,
    ses: programs.ses,
    resend: programs.resend,
    stripe: stripe.url,
    emulatedStripe: programs.stripe,
    model: model.url,
    webhooks: webhooks.url,
    prism: prism.url,
    dev: dev.url,
  })
  return async () => {
    await Promise.all([
      inspector.stop(),
      smtp.stop(),
      faults.stop(),
      http.stop(),
      programs.stop(),
      model.stop(),
      webhooks.stop(),
      prism.stop(),
      dev.stop(),
      stripe.stop(),
    ])
  }
}

/**
 * Starts a server through which tests in workerd look into the SMTP servers. `GET /mail?recipient=` lists the messages that
 * they received, and `DELETE` removes them. `GET /faults?name=` returns how many messages a faulty server took, which commands it
 * got, and how many connections are open.
 */
async function startInspector(received: Received[], faults: Awaited<ReturnType<typeof startFaultServers>>) {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://x')
    const recipient = url.searchParams.get('recipient')
    const matches = (mail: Received) => recipient === null || mail.envelope.to.includes(recipient)
    if (url.pathname === '/faults') {
      const name = url.searchParams.get('name') ?? ''
      return json(response, 200, {
        taken: faults.taken[name] ?? 0,
        commands: faults.commands[name] ?? [],
        open: faults.open(name),
      })
    }
    if (request.method === 'DELETE')
      received.splice(0, received.length, ...received.filter((mail) => !matches(mail)))
    json(response, 200, received.filter(matches))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** The addresses of these servers. In workerd the same object is `env.PEERS`. */
export type Peers = {
  inspector: string
  login: { username: string; password: string }
  smtp: Record<'starttls' | 'tls' | 'plain' | 'bare' | 'loginOnly' | 'stranger' | 'strangerTls', number>
  faults: Record<string, number>
  http: string
  ses: string
  resend: string
  /** Our own server with the parts of Stripe that emulators lack. The webhooks of `emulatedStripe` go to it. */
  stripe: string
  /** An emulator of Stripe, with a hosted page. */
  emulatedStripe: string
  model: string
  webhooks: string
  /** Starts the development servers that tests share. */
  dev: string
  /** Checks requests and answers against the published document of MailMolt. Null if it does not run. */
  prism: string | null
}

declare module 'vitest' {
  interface ProvidedContext {
    peers: Peers
    isThorough: boolean
  }
}
