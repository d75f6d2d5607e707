import { env } from 'cloudflare:test'
import type { OutgoingMessage } from '../../src/core/delivery/carrier.ts'
import type { Received } from './peer-smtp.ts'
import type { Peers } from './peers.ts'

/** The addresses of the test servers. */
export const peers = (env as unknown as { PEERS: Peers }).PEERS

/** A message to a recipient that no other test uses, with the test's changes. */
export function letter(change: Partial<OutgoingMessage> = {}): OutgoingMessage & { recipient: string } {
  const id = crypto.randomUUID()
  const recipient = `ada-${id}@example.com`
  const from = { email: 'scout@moltpost.test', name: 'Scout, the agent' }
  const parts = {
    from,
    to: [{ email: recipient, name: 'Ada' }],
    subject: 'Your table is booked',
    text: 'Tuesday at eight.\r\n',
    html: '<p>Tuesday at eight.</p>\r\n',
    ...change,
  }
  return {
    recipient,
    tenantId: 'tenant_test',
    sendId: `snd_${id}`,
    idempotencyKey: `key-${id}`,
    messageId: `<${id}@moltpost.test>`,
    envelopeFrom: 'bounces@moltpost.test',
    recipients: parts.to.map(({ email }) => email),
    cc: [],
    bcc: [],
    replyTo: null,
    attachments: [],
    headers: { 'X-Moltpost-Send-Id': `snd_${id}` },
    raw: write([
      `From: "${from.name}" <${parts.from.email}>`,
      `To: ${parts.to.map(({ email }) => email).join(', ')}`,
      `Subject: ${parts.subject}`,
      `Message-ID: <${id}@moltpost.test>`,
      `X-Moltpost-Send-Id: snd_${id}`,
      'MIME-Version: 1.0',
      'Content-Type: multipart/alternative; boundary="b1"',
      '',
      '--b1',
      'Content-Type: text/plain; charset=utf-8',
      '',
      parts.text ?? '',
      '--b1',
      'Content-Type: text/html; charset=utf-8',
      '',
      parts.html ?? '',
      '--b1--',
      '',
    ]),
    ...parts,
  }
}

/** Lines with CRLF, as a mail has them. */
export function write(lines: string[]) {
  return new TextEncoder().encode(lines.join('\r\n'))
}

/** The mails that the SMTP servers took for this recipient. */
export async function arrived(recipient: string): Promise<Received[]> {
  return (await fetch(`${peers.inspector}/mail?recipient=${encodeURIComponent(recipient)}`)).json()
}

/** How many messages a faulty server took, the commands it got, and how many connections are open. */
export async function fault(name: string): Promise<{ taken: number; commands: string[]; open: number }> {
  return (await fetch(`${peers.inspector}/faults?name=${encodeURIComponent(name)}`)).json()
}
