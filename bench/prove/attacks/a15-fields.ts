import { createTransport } from 'nodemailer'
import type { Attack, Guard } from './attack.ts'
import { eventually, type Tenant, type World } from './world.ts'

type Login = { username: string; password: string }

/** Submits a message with these header fields as the SMTP bridge does. Returns the header of the mail that left for `to`. */
async function submitted(
  world: World,
  tenant: Tenant,
  { fields, also = [] }: { fields: string[]; also?: string[] },
): Promise<string> {
  const { body: login } = await tenant.post('/v1/smtp-credentials')
  const to = world.someone('reader')
  const raw = [`From: ${tenant.address}`, `To: ${to}`, 'Subject: Hello', ...fields, '', 'Hello.', ''].join(
    '\r\n',
  )
  const { username, password }: Login = login
  const sent = await world.call('POST', '/v1/smtp/submissions', {
    body: raw,
    headers: {
      'content-type': 'message/rfc822',
      authorization: `Basic ${btoa(`${username}:${password}`)}`,
      'x-envelope-from': encodeURIComponent(username),
      'x-envelope-to': [to, ...also].map(encodeURIComponent).join(),
    },
  })
  // A message that is refused whole has not left either.
  return sent.status === 202 ? await headerOf(world, to) : ''
}

async function headerOf(world: World, to: string): Promise<string> {
  const raw: string = await eventually(async () => (await world.outbox(to))[0]?.raw)
  return raw.slice(0, raw.indexOf('\r\n\r\n')).replace(/\r\n[ \t]+/g, ' ')
}

/** What of the attacker's is left in a header. Each attack writes "evil" into what it wants to get through. */
const left = (header: string) => header.split('\r\n').find((line) => /evil/i.test(line)) ?? null

const field = (does: string, fields: string[]): Attack => ({
  line: 'A15',
  does,
  run: async (world) => left(await submitted(world, await world.newTenant(), { fields })),
})

export const attacks: Attack[] = [
  field('A client over SMTP sends its own List-Unsubscribe.', [
    'List-Unsubscribe: <https://evil.example/u>, <mailto:evil@evil.example>',
    'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
  ]),
  field('It spells List-Unsubscribe in another case, folded, twice, and with a space before the colon.', [
    'lIsT-uNsUbScRiBe:',
    ' <https://evil.example/u>',
    'LIST-UNSUBSCRIBE : <https://evil.example/v>',
    'List-unsubscribe: <https://evil.example/w>',
  ]),
  field('A client asks the reader for receipts.', [
    'X-Confirm-Reading-To: evil@evil.example',
    'x-confirm-reading-to: evil@evil.example',
    'Disposition-Notification-To: evil@evil.example',
    'Return-Receipt-To: evil@evil.example',
    'Read-Receipt-To: evil@evil.example',
    'X-Receipt-To: evil@evil.example',
    'Generate-Delivery-Report: evil',
    'Errors-To: evil@evil.example',
  ]),
  field('A client gives the message list buttons that write to an address of its choice.', [
    'List-Help: <https://evil.example/help>',
    'List-Subscribe: <mailto:evil@evil.example>',
    'List-Post: <mailto:evil@evil.example>',
    'List-Owner: <mailto:evil@evil.example>',
    'List-Archive: <https://evil.example/archive>',
    'X-List-Unsubscribe: <https://evil.example/u>',
    'X-Unsubscribe-Web: https://evil.example/u',
  ]),
  field('A client claims verdicts and traces of other hops.', [
    'Authentication-Results: mx.evil.example; dkim=pass; dmarc=pass',
    'ARC-Authentication-Results: i=1; mx.evil.example; dkim=pass',
    'Received-SPF: pass (evil.example)',
    'Received: from evil.example by mx.example.com',
    'Return-Path: <evil@evil.example>',
    'DKIM-Signature: v=1; a=rsa-sha256; d=evil.example; s=a; h=from; bh=AA==; b=AA==',
    'X-Spam-Status: No, score=-99 evil',
    'X-MS-Exchange-Organization-SCL: -1 evil',
    'X-Google-DKIM-Signature: v=1; d=evil.example',
  ]),
  field('A client names another sender, and says that a person wrote the message.', [
    'Sender: evil@evil.example',
    'Resent-From: evil@evil.example',
    'Resent-Sender: evil@evil.example',
    'Mail-Followup-To: evil@evil.example',
    'Mail-Reply-To: evil@evil.example',
    'Auto-Submitted: no (evil)',
    'X-Original-From: evil@evil.example',
    'X-Forwarded-To: evil@evil.example',
  ]),
  field('A client writes fields that are ours.', [
    'X-Moltpost-Send-Id: evil',
    'X-MailMolt-Verified: evil',
    'X-MoltbotDen-Tier: evil',
    'x-moltpost-Anything: evil',
    'X-Moltpost: evil',
  ]),
  field('A client steers the carrier or the reader by fields that they act on.', [
    'X-SMTPAPI: {"to":["evil@evil.example"]}',
    'X-Mailgun-Recipient-Variables: {"evil":1}',
    'X-PM-Message-Stream: evil',
    'Bcc: evil@evil.example',
    'Apparently-To: evil@evil.example',
    'Supersedes: <evil@evil.example>',
    'Autocrypt: addr=evil@evil.example; keydata=AAAA',
    'X-Message-Flag: evil',
  ]),
  {
    line: 'A15',
    does: 'A client over the SMTP bridge sets list and receipt fields with nodemailer.',
    async run(world) {
      const tenant = await world.newTenant()
      const { body: login } = await tenant.post('/v1/smtp-credentials')
      await world.startBridge()
      const to = world.someone('reader')
      const client = createTransport({
        host: '127.0.0.1',
        port: world.smtpPort,
        tls: { rejectUnauthorized: false },
        auth: { user: login.username, pass: login.password },
      })
      await client.sendMail({
        ...{ from: tenant.address, to, subject: 'Hello', text: 'Hello.' },
        list: { unsubscribe: 'https://evil.example/u', help: 'evil@evil.example?subject=help' },
        headers: { 'X-Confirm-Reading-To': 'evil@evil.example', 'Return-Receipt-To': 'evil@evil.example' },
      })
      return left(await headerOf(world, to))
    },
  },
  {
    line: 'A15',
    does: 'A client takes the unsubscribe button away by sending one that is broken, or several recipients.',
    async run(world) {
      const tenant = await world.newTenant()
      const alone = await submitted(world, tenant, {
        fields: ['List-Unsubscribe: <mailto:evil@evil.example>'],
      })
      if (!/^List-Unsubscribe: <http:\/\/localhost:\d+\/u\/[\w-]+>$/m.test(alone.replaceAll('\r', '')))
        return `the header has no link of ours: ${alone}`
      const also = [world.someone('other')]
      return left(
        await submitted(world, tenant, { fields: ['List-Unsubscribe: <mailto:evil@evil.example>'], also }),
      )
    },
  },
  {
    line: 'A15',
    does: 'An agent gives header fields in the requests of the three APIs and of MCP.',
    async run(world) {
      const tenant = await world.newTenant()
      const headers = {
        'List-Unsubscribe': '<https://evil.example/u>',
        'X-Confirm-Reading-To': 'evil@evil.example',
      }
      const [first, second, third, fourth] = [1, 2, 3, 4].map(() => world.someone('reader')) as [
        string,
        string,
        string,
        string,
      ]
      const text = { subject: 'Hello', text: 'Hello.' }
      await tenant.post('/v1/agent/request-send', {
        ...{ recipientEmail: first, templateId: '_default', dedupeKey: world.unique(), headers },
        payload: { ...text, headers, ...headers },
      })
      await tenant.post('/email/send', { to: [second], subject: 'Hello', body_text: 'Hello.', headers })
      await tenant.post('/v1/messages', { to: [third], ...text, headers })
      await tenant.post(
        '/mcp',
        {
          ...{ jsonrpc: '2.0', id: 1, method: 'tools/call' },
          params: {
            name: 'send_message',
            arguments: {
              recipientEmail: fourth,
              templateId: '_default',
              payload: { ...text, headers },
              headers,
            },
          },
        },
        { accept: 'application/json, text/event-stream' },
      )
      for (const to of [first, second, third, fourth]) {
        const mails = await world.outbox(to)
        const gained = left(mails.map(({ raw }) => raw.slice(0, raw.indexOf('\r\n\r\n'))).join('\r\n'))
        if (gained) return gained
      }
      return null
    },
  },
]

export const guards: Guard[] = [
  {
    line: 'A15',
    what: 'the closed list of fields that may leave',
    file: 'core/letters/message/foreign-fields.ts',
    from: `  const allowed = DESCRIBING.get(name)
`,
    to: `  if (name) return true
  const allowed = DESCRIBING.get(name)
`,
  },
  {
    line: 'A15',
    what: 'our unsubscribe fields in place of theirs',
    file: 'core/delivery/rendering/content.ts',
    from: 'input.asksUnsubscribe ? await',
    to: "input.asksUnsubscribe && locked.send.id === '' ? await",
  },
]
