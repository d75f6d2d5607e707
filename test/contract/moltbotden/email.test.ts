import { expect, test } from 'vitest'
import { call, newTenant, type Tenant } from '../../support/tenant.ts'

/** The field types of the account, from the table of the published document. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(\d{3})?)?Z$/

const agent = (tenant: Tenant) => {
  const headers = { 'X-API-Key': tenant.key }
  return {
    get: (path: string) => call('GET', path, { headers }),
    post: (path: string, body?: unknown) => call('POST', path, { headers, body }),
    del: (path: string) => call('DELETE', path, { headers }),
  }
}

const MESSAGE = {
  message_id: expect.stringMatching(/^msg_/),
  thread_id: expect.stringMatching(/^thread_/),
  from_address: expect.any(String),
  from_agent_id: expect.any(String),
  to_addresses: expect.any(Array),
  cc_addresses: [],
  subject: expect.any(String),
  body_text: expect.any(String),
  body_html: null,
  direction: expect.stringMatching(/^(inbound|outbound)$/),
  delivery_type: expect.stringMatching(/^(internal|external)$/),
  status: expect.stringMatching(/^(delivered|sending|queued|bounced|failed|spam)$/),
  has_attachments: false,
  attachments: [],
  read_at: null,
  starred: false,
  in_reply_to: null,
  created_at: expect.stringMatching(TIME),
  delivered_at: expect.stringMatching(TIME),
}

test('two agents hold the conversation of the published document, request by request', async () => {
  const [sender, recipient, colleague, archive] = await Promise.all([
    newTenant(),
    newTenant(),
    newTenant(),
    newTenant(),
  ])
  const [here, there] = [agent(sender), agent(recipient)]

  const account = await here.get('/email/account')
  expect(account).toMatchObject({ status: 200 })
  expect(account.body).toEqual({
    email_address: sender.address,
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
    created_at: expect.stringMatching(TIME),
  })

  const sent = await here.post('/email/send', {
    to: [recipient.address],
    subject: 'Hello from my agent',
    body_text: 'Plain text email body.',
    body_html: '<p>HTML email body.</p>',
    cc: [colleague.address],
    bcc: [archive.address],
    in_reply_to: null,
  })
  expect(sent.body).toEqual({
    message_id: expect.stringMatching(/^msg_/),
    status: 'delivered',
    delivery_type: 'internal',
    thread_id: expect.stringMatching(/^thread_/),
    message: 'Email sent successfully',
  })
  expect(sent.status).toBe(200)
  expect(sent.headers.get('x-ratelimit-limit')).toBe('20')
  expect(sent.headers.get('x-ratelimit-remaining')).toBe('19')
  const reset = Number(sent.headers.get('x-ratelimit-reset'))
  expect(reset % 3600).toBe(0)
  expect(reset * 1000 - Date.now()).toBeLessThanOrEqual(3_600_000)

  const inbox = await there.get('/email/inbox?limit=20&unread_only=true')
  expect(inbox).toMatchObject({ status: 200 })
  expect(inbox.body).toEqual({
    messages: [
      {
        ...MESSAGE,
        message_id: sent.body.message_id,
        thread_id: sent.body.thread_id,
        from_address: sender.address,
        from_agent_id: sender.address.split('@')[0],
        to_addresses: [recipient.address],
        cc_addresses: [colleague.address],
        subject: 'Hello from my agent',
        body_text: 'Plain text email body.',
        body_html: '<p>HTML email body.</p>',
        direction: 'inbound',
        delivery_type: 'internal',
        status: 'delivered',
        reply_text: 'Plain text email body.',
        authentication: expect.objectContaining({ from_authenticated: true }),
        ambiguities: [],
        injection: { score: 0, reasons: [] },
        automatic: false,
      },
    ],
    total: 1,
    unread_count: 1,
    has_more: false,
    cursor: null,
    newest_cursor: inbox.body.messages[0].created_at,
  })
  expect(inbox.body.messages[0].delivered_at).toBe(inbox.body.messages[0].created_at)

  const { message_id, thread_id } = sent.body
  const read = await there.get(`/email/message/${message_id}`)
  expect(read.body).toEqual({ ...inbox.body.messages[0], read_at: expect.stringMatching(TIME) })
  expect((await there.get('/email/inbox?unread_only=true')).body).toMatchObject({
    messages: [],
    total: 0,
    unread_count: 0,
  })

  expect((await there.post(`/email/message/${message_id}/read?unread=true`)).body).toEqual({
    status: 'unread',
  })
  expect((await there.post(`/email/message/${message_id}/read`)).body).toEqual({ status: 'read' })
  expect((await there.post(`/email/message/${message_id}/star`)).body).toEqual({ starred: true })
  expect((await there.post(`/email/message/${message_id}/star`)).body).toEqual({ starred: false })

  const reply = await there.post('/email/send', {
    to: [sender.address],
    subject: 'Re: Hello from my agent',
    body_text: 'Hello back.',
    in_reply_to: message_id,
  })
  expect(reply.body).toMatchObject({ status: 'delivered', thread_id })

  const thread = await here.get(`/email/thread/${thread_id}`)
  expect(thread.body).toMatchObject({
    thread_id,
    subject: 'Hello from my agent',
    messages: [
      { message_id, direction: 'outbound', status: 'delivered', delivered_at: expect.stringMatching(TIME) },
      { message_id: reply.body.message_id, direction: 'inbound', in_reply_to: message_id },
    ],
  })
  expect(thread.body.participant_addresses).toEqual([sender.address, recipient.address, colleague.address])

  const outbox = await here.get('/email/sent?limit=50')
  expect(outbox.body).toMatchObject({
    messages: [{ message_id, direction: 'outbound' }],
    total: 1,
    has_more: false,
  })

  expect((await there.del(`/email/message/${message_id}`)).body).toEqual({ status: 'deleted' })
  expect(await there.del(`/email/message/${message_id}`)).toMatchObject({ status: 404 })
  expect(await here.get(`/email/message/${message_id}`)).toMatchObject({ status: 200 })
  expect((await here.get('/email/account')).body).toMatchObject({
    total_sent: 1,
    total_received: 1,
    reputation_score: 0.803,
    rate_limits: { hourly: { used: 1, remaining: 19 }, daily: { used: 1, remaining: 99 } },
  })
})
