import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { SharedDev } from '../support/peer-dev.ts'
import { ROOT } from '../support/program.ts'
import { sharedDev } from '../support/shared-dev.ts'

/** The commands of the published reference, letter by letter, with the answer that stands below each. */
const COMMANDS = {
  account: `curl https://api.moltbotden.com/email/account \\
  -H "X-API-Key: moltbotden_sk_xxxxxxxxxxxxx"`,
  send: `curl -X POST https://api.moltbotden.com/email/send \\
  -H "X-API-Key: moltbotden_sk_xxxxxxxxxxxxx" \\
  -H "Content-Type: application/json" \\
  -d '{
    "to": ["[email protected]"],
    "subject": "Hello from my agent",
    "body_text": "Plain text email body.",
    "body_html": "<p>HTML email body.</p>",
    "cc": ["[email protected]"],
    "bcc": ["[email protected]"],
    "in_reply_to": null
  }'`,
  inbox: `curl "https://api.moltbotden.com/email/inbox?limit=20&unread_only=true" \\
  -H "X-API-Key: moltbotden_sk_xxxxxxxxxxxxx"`,
  sent: `curl "https://api.moltbotden.com/email/sent?limit=50" \\
  -H "X-API-Key: moltbotden_sk_xxxxxxxxxxxxx"`,
  thread: `curl https://api.moltbotden.com/email/thread/thread_xyz789 \\
  -H "X-API-Key: moltbotden_sk_xxxxxxxxxxxxx"`,
  message: `curl https://api.moltbotden.com/email/message/msg_abc123 \\
  -H "X-API-Key: moltbotden_sk_xxxxxxxxxxxxx"`,
  read: `# Mark as read
curl -X POST "https://api.moltbotden.com/email/message/msg_abc123/read" \\
  -H "X-API-Key: moltbotden_sk_xxxxxxxxxxxxx"`,
  unread: `# Mark as unread
curl -X POST "https://api.moltbotden.com/email/message/msg_abc123/read?unread=true" \\
  -H "X-API-Key: moltbotden_sk_xxxxxxxxxxxxx"`,
  star: `curl -X POST https://api.moltbotden.com/email/message/msg_abc123/star \\
  -H "X-API-Key: moltbotden_sk_xxxxxxxxxxxxx"`,
  delete: `curl -X DELETE https://api.moltbotden.com/email/message/msg_abc123 \\
  -H "X-API-Key: moltbotden_sk_xxxxxxxxxxxxx"`,
}

/** The fields of the published message object, and no more of them than it has. */
const MESSAGE_FIELDS = [
  ...['message_id', 'thread_id', 'from_address', 'from_agent_id', 'to_addresses', 'cc_addresses', 'subject'],
  ...['body_text', 'body_html', 'direction', 'delivery_type', 'status', 'has_attachments', 'attachments'],
  ...['read_at', 'starred', 'in_reply_to', 'created_at', 'delivered_at'],
]

test('every command of the published reference runs as printed, except for the server, the key and the ids', async () => {
  const server = await sharedDev('claimed')
  const [ann, ben, cec, dan] = await Promise.all(
    ['ann', 'ben', 'cec', 'dan'].map((id) => register(server, id)),
  )
  const ids = { msg_abc123: '', thread_xyz789: '' }
  const run = async (name: keyof typeof COMMANDS, key: string) => {
    const masked = [ben?.email_address, cec?.email_address, dan?.email_address]
    const line = Object.entries(ids)
      .reduce((text, [example, id]) => text.replaceAll(example, id), COMMANDS[name])
      .replaceAll('https://api.moltbotden.com', server.address)
      .replaceAll('moltbotden_sk_xxxxxxxxxxxxx', key)
      .replaceAll('[email protected]', () => masked.shift() ?? '')
    const { stdout } = await promisify(execFile)('sh', ['-c', `${line} -s -i`], { cwd: ROOT })
    const [head = '', text = ''] = stdout.split('\r\n\r\n')
    expect(head, name).toMatch(/^HTTP\/1.1 200 /)
    for (const header of ['Limit', 'Remaining', 'Reset'])
      expect(head).toMatch(new RegExp(`^X-RateLimit-${header}: \\d+`, 'im'))
    return JSON.parse(text)
  }
  const [sender, reader] = [ann?.api_key ?? '', ben?.api_key ?? '']

  expect(await run('account', sender)).toEqual({
    email_address: ann?.email_address,
    status: 'active',
    send_tier: 'active',
    reputation_score: 0.8,
    total_sent: 0,
    total_received: 0,
    total_bounced: 0,
    total_spam_complaints: 0,
    sending_frozen: false,
    frozen_reason: null,
    rate_limits: {
      hourly: { used: 0, limit: 20, remaining: 20 },
      daily: { used: 0, limit: 100, remaining: 100 },
    },
    created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
  })
  const sent = await run('send', sender)
  expect(sent).toEqual({
    message_id: expect.stringMatching(/^msg_/),
    status: 'delivered',
    delivery_type: 'internal',
    thread_id: expect.stringMatching(/^thread_/),
    message: 'Email sent successfully',
  })
  ids.msg_abc123 = sent.message_id
  ids.thread_xyz789 = sent.thread_id

  const inbox = await run('inbox', reader)
  expect(inbox).toMatchObject({ total: 1, unread_count: 1, has_more: false, cursor: null })
  const [first] = inbox.messages
  expect(Object.keys(first)).toEqual(expect.arrayContaining(MESSAGE_FIELDS))
  expect(first).toMatchObject({
    message_id: sent.message_id,
    thread_id: sent.thread_id,
    from_address: ann?.email_address,
    from_agent_id: ann?.agent_id,
    to_addresses: [ben?.email_address],
    cc_addresses: [cec?.email_address],
    subject: 'Hello from my agent',
    body_text: 'Plain text email body.',
    body_html: '<p>HTML email body.</p>',
    direction: 'inbound',
    delivery_type: 'internal',
    status: 'delivered',
    has_attachments: false,
    attachments: [],
    read_at: null,
    starred: false,
    in_reply_to: null,
  })
  expect(await run('sent', sender)).toMatchObject({
    messages: [{ direction: 'outbound' }],
    total: 1,
    has_more: false,
  })
  expect(await run('thread', dan?.api_key ?? '')).toMatchObject({
    thread_id: sent.thread_id,
    subject: 'Hello from my agent',
    messages: [{ message_id: sent.message_id }],
    participant_addresses: [ann, ben, cec].map((agent) => agent?.email_address),
  })
  expect((await run('message', reader)).read_at).not.toBeNull()
  expect(await run('unread', reader)).toEqual({ status: 'unread' })
  expect(await run('read', reader)).toEqual({ status: 'read' })
  expect(await run('star', reader)).toEqual({ starred: true })
  expect(await run('star', reader)).toEqual({ starred: false })
  expect(await run('delete', reader)).toEqual({ status: 'deleted' })
  expect(await run('inbox', reader)).toMatchObject({ messages: [], total: 0 })
}, 120_000)

type Message = {
  from_address: string
  subject: string
  message_id: string
  thread_id: string
  body_text: string
}

/** The reference's Python client, method by method: only what its language calls differently differs. */
class AgentEmailClient {
  readonly baseUrl: string
  readonly headers: Record<string, string>

  constructor(baseUrl: string, apiKey: string) {
    this.baseUrl = baseUrl
    this.headers = { 'X-API-Key': apiKey, 'Content-Type': 'application/json' }
  }

  async send(to: string, subject: string, body: string, replyTo: string | null = null) {
    const response = await fetch(`${this.baseUrl}/email/send`, {
      method: 'POST',
      body: JSON.stringify({ to: [to], subject, body_text: body, in_reply_to: replyTo }),
      headers: this.headers,
    })
    return await response.json()
  }

  async inbox(unreadOnly = true) {
    const params = new URLSearchParams({ unread_only: String(unreadOnly), limit: '50' })
    const response = await fetch(`${this.baseUrl}/email/inbox?${params}`, { headers: this.headers })
    return (await response.json()) as { unread_count: number; messages: Message[] }
  }

  async reply(originalMessage: Message, body: string) {
    return await this.send(
      originalMessage.from_address,
      `Re: ${originalMessage.subject}`,
      body,
      originalMessage.message_id,
    )
  }

  async thread(threadId: string) {
    const response = await fetch(`${this.baseUrl}/email/thread/${threadId}`, { headers: this.headers })
    return (await response.json()) as { messages: Message[] }
  }
}

test('the published client does the published task: it answers messages that ask for an answer, and no others', async () => {
  const server = await sharedDev('claimed')
  const [worker, boss] = await Promise.all(['worker', 'boss'].map((id) => register(server, id)))
  const asking = new AgentEmailClient(server.address, boss?.api_key ?? '')
  const client = new AgentEmailClient(server.address, worker?.api_key ?? '')
  const task = await asking.send(worker?.email_address ?? '', 'Task: count the ships', 'By noon, please.')
  expect(task).toMatchObject({ status: 'delivered' })
  await asking.send(worker?.email_address ?? '', 'Lunch?', 'At noon.')

  const inbox = await client.inbox()
  expect(inbox.unread_count).toBe(2)
  for (const msg of inbox.messages) {
    expect(msg.from_address).toBe(boss?.email_address)
    if (msg.subject.toLowerCase().includes('task:')) {
      await client.reply(msg, 'I received your task and will begin processing.')
    }
  }

  const answered = await asking.inbox()
  expect(answered).toMatchObject({
    unread_count: 1,
    messages: [{ subject: 'Re: Task: count the ships', in_reply_to: (task as Message).message_id }],
  })
  const thread = await asking.thread((task as Message).thread_id)
  expect(thread.messages.map(({ body_text }) => body_text)).toEqual([
    'By noon, please.',
    'I received your task and will begin processing.',
  ])
}, 120_000)

test('an agent that is not claimed can receive but not send, and the operator’s routes need a key', async () => {
  const server = await sharedDev('plain')
  const agent = await register(server, 'newcomer')
  expect(agent).toMatchObject({
    status: 'PROVISIONAL',
    claim_url: expect.stringContaining(`${server.address}/claim/`),
  })
  const client = new AgentEmailClient(server.address, agent.api_key)
  expect(await client.send(agent.email_address, 'Hello', 'Me')).toMatchObject({
    error: { code: 'provisional_account' },
  })
  expect(await client.inbox()).toMatchObject({ messages: [], unread_count: 0 })
  const response = await fetch(`${server.address}/admin/email/stats`, {
    headers: { 'X-API-Key': 'x'.repeat(40) },
  })
  expect(response.status).toBe(503)
})

async function register(server: SharedDev, agentId: string) {
  const response = await fetch(`${server.address}/agents/register`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ agent_id: agentId }),
  })
  expect(response.status).toBe(201)
  type Registered = { agent_id: string; api_key: string; email_address: string }
  return (await response.json()) as Registered
}
