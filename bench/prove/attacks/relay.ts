import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'

/** A mail that the relay accepted: who got it, and the return path that they see. */
export type Relayed = { from: string; to: string[]; raw: string }

/** A relay for the mail of mailboxes that choose the carrier `smtp`. It refuses mail to `later@…` for now. */
export async function startRelay() {
  const mails: Relayed[] = []
  const server = new SMTPServer({
    disableReverseLookup: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    onRcptTo({ address }, _session, done) {
      const isLater = address.startsWith('later@')
      done(isLater ? Object.assign(new Error('4.2.0 try again later'), { responseCode: 450 }) : null)
    },
    onData(stream, { envelope }, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        mails.push({
          from: envelope.mailFrom ? envelope.mailFrom.address : '',
          to: envelope.rcptTo.map(({ address }) => address),
          raw: Buffer.concat(chunks).toString('latin1'),
        })
        done(null, `2.0.0 Ok: queued as Q${mails.length}`)
      })
    },
  })
  server.on('error', () => {})
  const listener = server.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return {
    port: (listener.address() as AddressInfo).port,
    mails,
    stop: () => new Promise<void>((done) => server.close(done)),
  }
}
