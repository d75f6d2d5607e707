import type { AddressInfo, Server } from 'node:net'
import { simpleParser } from 'mailparser'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { certificate } from './tls.ts'

/** The messages that one SMTP server accepted, as the inspector shows them. */
export type Received = {
  server: string
  envelope: { from: string; to: string[]; user: string | null; secure: boolean; arguments: string[] }
  raw: string
  parsed: {
    subject: string | null
    text: string | null
    html: string | null
    from: string | null
    to: string | null
    cc: string | null
    replyTo: string | null
    messageId: string | null
    headers: Record<string, string>
  }
}

export const login = { username: 'relay-user', password: 'relay pass: é+/=' }

/** Real SMTP servers. They answer 550 to `hard@`, 450 to `soft@` and 452 to `full@`, and accept any other recipient. */
export async function startSmtpServers(received: Received[]) {
  const servers: SMTPServer[] = []

  const start = async (server: string, options: SMTPServerOptions) => {
    const smtp = new SMTPServer({
      disableReverseLookup: true,
      authOptional: true,
      size: 1_000_000,
      ...options,
      onAuth(auth, _session, done) {
        const known = auth.username === login.username && auth.password === login.password
        // The server repeats the credentials on purpose: a client must not keep its words.
        done(known ? null : new Error(`unknown ${auth.username} ${auth.password}`), { user: auth.username })
      },
      onRcptTo({ address }, _session, done) {
        const refusal = refusals[address.split('@')[0] ?? '']
        done(refusal ? Object.assign(new Error(refusal[1]), { responseCode: refusal[0] }) : null)
      },
      onData(stream, session, done) {
        const chunks: Buffer[] = []
        stream.on('data', (chunk: Buffer) => chunks.push(chunk))
        stream.on('end', async () => {
          const { mailFrom, rcptTo } = session.envelope
          const raw = Buffer.concat(chunks)
          received.push({
            server,
            envelope: {
              from: mailFrom ? mailFrom.address : '',
              to: rcptTo.map(({ address }) => address),
              user: typeof session.user === 'string' ? session.user : null,
              secure: session.secure,
              arguments: mailFrom ? Object.keys(mailFrom.args) : [],
            },
            raw: raw.toString('latin1'),
            parsed: await parse(raw),
          })
          done(null, `2.0.0 Ok: queued as Q${received.length}`)
        })
      },
    })
    smtp.on('error', () => {})
    servers.push(smtp)
    const listener: Server = smtp.listen(0, '127.0.0.1')
    await new Promise((resolve) => listener.once('listening', resolve))
    return (listener.address() as AddressInfo).port
  }

  const ports = {
    starttls: await start('starttls', { ...certificate('loopback'), authOptional: false }),
    tls: await start('tls', { ...certificate('loopback'), secure: true, authOptional: false }),
    plain: await start('plain', { disabledCommands: ['STARTTLS'], allowInsecureAuth: true }),
    bare: await start('bare', {
      disabledCommands: ['STARTTLS', 'AUTH'],
      hide8BITMIME: true,
      hideSMTPUTF8: true,
    }),
    loginOnly: await start('loginOnly', {
      ...certificate('loopback'),
      authMethods: ['LOGIN'],
      authOptional: false,
    }),
    stranger: await start('stranger', certificate('stranger')),
    strangerTls: await start('strangerTls', { ...certificate('stranger'), secure: true }),
  }
  return {
    ports,
    stop: () => Promise.all(servers.map((server) => new Promise<void>((done) => server.close(done)))),
  }
}

const refusals: Record<string, [number, string]> = {
  hard: [550, '5.1.1 no such user'],
  soft: [450, '4.2.0 mailbox busy'],
  full: [452, '4.2.2 mailbox over its size limit'],
  rate: [451, '4.7.0 too many messages, slow down'],
}

async function parse(raw: Buffer): Promise<Received['parsed']> {
  const mail = await simpleParser(raw)
  const text = (field: typeof mail.to) =>
    (Array.isArray(field) ? field : field ? [field] : []).map((f) => f.text).join(', ')
  return {
    subject: mail.subject ?? null,
    text: mail.text ?? null,
    html: mail.html || null,
    from: mail.from?.text ?? null,
    to: text(mail.to) || null,
    cc: text(mail.cc) || null,
    replyTo: mail.replyTo?.text ?? null,
    messageId: mail.messageId ?? null,
    headers: Object.fromEntries(
      mail.headerLines.map(({ key, line }) => [key, line.slice(line.indexOf(':') + 1).trim()]),
    ),
  }
}
