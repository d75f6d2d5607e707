import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import sendgridMail from '@sendgrid/mail'
import Mailgun from 'mailgun.js'
import { ServerClient } from 'postmark'
import { Resend } from 'resend'
import { expect, onTestFinished, test } from 'vitest'
import { mailgun } from '../../src/carriers/mailgun.ts'
import { postmark } from '../../src/carriers/postmark.ts'
import { resend } from '../../src/carriers/resend.ts'
import { sendgrid } from '../../src/carriers/sendgrid.ts'
import type { OutgoingMessage } from '../../src/core/delivery/carrier.ts'
import { runPrism } from '../support/peer-prism.ts'
import { freePort, sleep } from '../support/program.ts'

/** The folder with the published OpenAPI of Resend and of SendGrid; neither is part of this project. */
const openapi = process.env.OPENAPI_DIR

if (!openapi)
  console.warn(
    'Published OpenAPI NOT CHECKED: set OPENAPI_DIR to the folder with resend.yaml and sendgrid_mail_v3.yaml',
  )

const key = 'SG.key'
const content = new TextEncoder().encode('Grüße')
const base64 = Buffer.from(content).toString('base64')
const message: OutgoingMessage = {
  tenantId: 'ten_1',
  sendId: 'snd_1',
  idempotencyKey: 'snd_1-4',
  messageId: 'snd_1@moltpost.test',
  envelopeFrom: 'scout@moltpost.test',
  recipients: ['ada@example.com', 'bob@example.com', 'cc@example.com', 'blind@example.com'],
  from: { email: 'scout@moltpost.test', name: 'Scout, the agent' },
  to: [
    { email: 'ada@example.com', name: 'Ada' },
    { email: 'bob@example.com', name: null },
  ],
  cc: [{ email: 'cc@example.com', name: 'Copy' }],
  bcc: [{ email: 'blind@example.com', name: null }],
  replyTo: { email: 'replies@moltpost.test', name: null },
  subject: 'Grüße',
  text: 'Tuesday at eight.',
  html: '<p>Tuesday at eight.</p>',
  headers: { 'Message-ID': '<snd_1@moltpost.test>', 'X-Moltpost-Send-Id': 'snd_1' },
  attachments: [{ filename: 'menü.txt', contentType: 'text/plain', content }],
  raw: new TextEncoder().encode('From: scout@moltpost.test\r\nSubject: x\r\n\r\nTuesday at eight.\r\n'),
}

type Request = { method: string; path: string; headers: IncomingHttpHeaders; body: string }

/** The requests of two ways of sending, in a fixed order, and their differences. */
async function compared(ours: (url: string) => Promise<unknown>, theirs: (url: string) => Promise<unknown>) {
  const [our, their] = [await recorded(ours), await recorded(theirs)]
  const [ourFields, theirFields] = [await fields(our), await fields(their)]
  return {
    agreed: ourFields.filter((field) => theirFields.includes(field)),
    onlyOurs: ourFields.filter((field) => !theirFields.includes(field)),
    onlyTheirs: theirFields.filter((field) => !ourFields.includes(field)),
  }
}

async function recorded(send: (url: string) => Promise<unknown>): Promise<Request> {
  const requests: Request[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method = '', url: path = '', headers } = request
    requests.push({ method, path, headers, body: Buffer.concat(chunks).toString('utf8') })
    const status = path === '/v3/mail/send' ? 202 : 200
    response.writeHead(status, { 'content-type': 'application/json', 'x-message-id': 'id-1' })
    response.end(JSON.stringify({ id: 'id-1', ErrorCode: 0, Message: 'OK', MessageID: 'id-1' }))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  await send(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  server.closeAllConnections()
  server.close()
  expect(requests).toHaveLength(1)
  return requests[0] ?? expect.unreachable()
}

/** The path, the relevant headers, and each field of the body with its value. */
async function fields({ method, path, headers, body }: Request): Promise<string[]> {
  const [type = ''] = (headers['content-type'] ?? '').split(';')
  const told = ['authorization', 'x-postmark-server-token', 'idempotency-key', 'accept'].flatMap((name) =>
    headers[name] && headers[name] !== '*/*' ? `${name}: ${headers[name]}` : [],
  )
  const read = type === 'application/json' ? flat(JSON.parse(body)) : await parts(headers, body)
  return [`${method} ${path}`, `content-type: ${type}`, ...told, ...read]
}

function flat(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return [`${path} = ${value}`]
  return Object.entries(value).flatMap(([name, inner]) => flat(inner, `${path}.${name}`))
}

async function parts(headers: IncomingHttpHeaders, body: string): Promise<string[]> {
  const type = headers['content-type'] ?? ''
  const form = await new Response(body, { headers: { 'content-type': type } }).formData()
  const spelt = [...form].map(async ([name, part]) =>
    typeof part === 'string'
      ? `${name} = ${part}`
      : [`${name} = ${await part.text()}`, `${name} is called ${part.name}`, `${name} is ${part.type}`],
  )
  return (await Promise.all(spelt)).flat()
}

test('requests to Resend are exactly those of its own SDK', async () => {
  const difference = await compared(
    (baseUrl) => resend({ apiKey: key, baseUrl }).send(message),
    (baseUrl) =>
      new Resend(key, { baseUrl }).emails.send(
        {
          from: '"Scout, the agent" <scout@moltpost.test>',
          to: ['"Ada" <ada@example.com>', 'bob@example.com'],
          cc: ['"Copy" <cc@example.com>'],
          bcc: ['blind@example.com'],
          replyTo: 'replies@moltpost.test',
          subject: message.subject,
          text: 'Tuesday at eight.',
          html: '<p>Tuesday at eight.</p>',
          headers: message.headers,
          attachments: [{ filename: 'menü.txt', content: Buffer.from(content), contentType: 'text/plain' }],
          tags: [
            { name: 'tenant_id', value: 'ten_1' },
            { name: 'send_id', value: 'snd_1' },
          ],
        },
        { idempotencyKey: message.idempotencyKey },
      ),
  )
  expect(difference).toMatchObject({ onlyOurs: [], onlyTheirs: [] })
  expect(difference.agreed).toEqual(
    expect.arrayContaining([
      'POST /emails',
      'authorization: Bearer SG.key',
      'idempotency-key: snd_1-4',
      `.attachments.0.content = ${base64}`,
      '.tags.1.name = send_id',
    ]),
  )
})

test('requests to Postmark are exactly those of its own SDK, except for an empty ContentID', async () => {
  const difference = await compared(
    (baseUrl) => postmark({ serverToken: key, baseUrl }).send(message),
    (url) =>
      new ServerClient(key, { useHttps: false, requestHost: new URL(url).host }).sendEmail({
        From: '"Scout, the agent" <scout@moltpost.test>',
        To: '"Ada" <ada@example.com>, bob@example.com',
        Cc: '"Copy" <cc@example.com>',
        Bcc: 'blind@example.com',
        ReplyTo: 'replies@moltpost.test',
        Subject: message.subject,
        TextBody: 'Tuesday at eight.',
        HtmlBody: '<p>Tuesday at eight.</p>',
        Headers: [
          { Name: 'Message-ID', Value: '<snd_1@moltpost.test>' },
          { Name: 'X-Moltpost-Send-Id', Value: 'snd_1' },
          { Name: 'X-PM-KeepID', Value: 'true' },
        ],
        Attachments: [{ Name: 'menü.txt', Content: base64, ContentType: 'text/plain', ContentID: '' }],
        Metadata: { tenant_id: 'ten_1', send_id: 'snd_1' },
        MessageStream: 'outbound',
      }),
  )
  expect(difference).toMatchObject({ onlyOurs: [], onlyTheirs: ['.Attachments.0.ContentID = '] })
  expect(difference.agreed).toEqual(
    expect.arrayContaining(['POST /email', 'x-postmark-server-token: SG.key', '.Metadata.send_id = snd_1']),
  )
})

test('requests to SendGrid are exactly those of its own SDK', async () => {
  const difference = await compared(
    (baseUrl) => sendgrid({ apiKey: key, baseUrl }).send(message),
    async (baseUrl) => {
      sendgridMail.setApiKey(key)
      // The types do not show the client. Setting a key resets the address, so this comes after it.
      Object(sendgridMail).client.setDefaultRequest('baseUrl', baseUrl)
      await sendgridMail.send({
        from: { email: 'scout@moltpost.test', name: 'Scout, the agent' },
        personalizations: [
          {
            to: [{ email: 'ada@example.com', name: 'Ada' }, { email: 'bob@example.com' }],
            cc: [{ email: 'cc@example.com', name: 'Copy' }],
            bcc: [{ email: 'blind@example.com' }],
            customArgs: { tenant_id: 'ten_1', send_id: 'snd_1' },
          },
        ],
        replyTo: { email: 'replies@moltpost.test' },
        subject: message.subject,
        text: 'Tuesday at eight.',
        html: '<p>Tuesday at eight.</p>',
        headers: message.headers,
        attachments: [
          { filename: 'menü.txt', content: base64, type: 'text/plain', disposition: 'attachment' },
        ],
      })
    },
  )
  expect(difference).toMatchObject({ onlyOurs: [], onlyTheirs: [] })
  expect(difference.agreed).toEqual(
    expect.arrayContaining([
      'POST /v3/mail/send',
      'authorization: Bearer SG.key',
      '.personalizations.0.custom_args.send_id = snd_1',
      '.personalizations.0.bcc.0.email = blind@example.com',
    ]),
  )
})

test('requests to Mailgun are those of its own SDK, except for the name and type of the file', async () => {
  const difference = await compared(
    (baseUrl) => mailgun({ apiKey: key, domain: 'mg.moltpost.test', baseUrl }).send(message),
    (url) =>
      new Mailgun(FormData).client({ username: 'api', key, url }).messages.create('mg.moltpost.test', {
        to: message.recipients,
        message: Buffer.from(message.raw),
        'v:tenant_id': 'ten_1',
        'v:send_id': 'snd_1',
      }),
  )
  expect(difference).toEqual({
    agreed: [
      'POST /v3/mg.moltpost.test/messages.mime',
      'content-type: multipart/form-data',
      `authorization: Basic ${btoa(`api:${key}`)}`,
      ...message.recipients.map((email) => `to = ${email}`),
      `message = ${new TextDecoder().decode(message.raw)}`,
      'v:tenant_id = ten_1',
      'v:send_id = snd_1',
    ],
    onlyOurs: ['message is called message.eml', 'message is message/rfc822'],
    onlyTheirs: [
      'accept: application/json, text/plain, */*',
      'message is called MimeMessage',
      'message is application/octet-stream',
    ],
  })
})

test.skipIf(!openapi)(
  'the published OpenAPI of Resend and SendGrid takes our requests, and no spoilt ones',
  async () => {
    type Body = Record<string, unknown>
    const check = async (
      file: string,
      { path, headers, body }: Request,
      spoilt: ((body: Body) => Body)[],
    ) => {
      const url = await prism(join(openapi ?? '', file))
      const ask = async (body: string, authorization = headers.authorization ?? '') => {
        const told = { 'content-type': 'application/json', ...(authorization ? { authorization } : {}) }
        return (await fetch(url + path, { method: 'POST', headers: told, body })).status
      }
      expect([200, 202], file).toContain(await ask(body))
      for (const spoil of spoilt)
        expect([400, 422], `${file} ${spoil}`).toContain(await ask(JSON.stringify(spoil(JSON.parse(body)))))
      expect(await ask(body, ''), file).toBe(401)
    }
    await check('resend.yaml', await recorded((baseUrl) => resend({ apiKey: key, baseUrl }).send(message)), [
      ({ from: _, ...body }) => body,
      (body) => ({ ...body, to: [] }),
      (body) => ({ ...body, tags: { send_id: 'snd_1' } }),
      (body) => ({ ...body, attachments: ['menu'] }),
    ])
    await check(
      'sendgrid_mail_v3.yaml',
      await recorded((baseUrl) => sendgrid({ apiKey: key, baseUrl }).send(message)),
      [
        ({ from: _, ...body }) => body,
        (body) => ({ ...body, personalizations: [{}] }),
        (body) => ({ ...body, content: [{ type: 'text/plain', value: '' }] }),
        (body) => ({ ...body, attachments: [{ content: 'aGk=' }] }),
      ],
    )
  },
)

async function prism(file: string) {
  const port = await freePort()
  const program = runPrism('mock', '-h', '127.0.0.1', '-p', String(port), file)
  onTestFinished(() => program.kill())
  for (const until = Date.now() + 30_000; !/Prism is listening/.test(program.output()); await sleep(50))
    if (Date.now() > until || program.code() !== null) throw new Error(program.output())
  return `http://127.0.0.1:${port}`
}
