import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { carrierPort } from '../../src/carriers/index.ts'
import { deliverSend } from '../../src/core/delivery/deliver.ts'
import { renderSend } from '../../src/core/delivery/render.ts'
import { requestSends } from '../../src/core/sending/request.ts'
import type { Env } from '../../src/env.ts'
import { doorFor } from '../support/door.ts'
import { peers } from '../support/peer-letter.ts'
import type { Received } from '../support/peer-smtp.ts'
import { newTenant } from '../support/tenant.ts'
import { counted } from '../support/waits.ts'

const subject = 'Grüße, „Ann“ – und eine sehr lange Betreffzeile, die in mehr als ein kodiertes Wort passt'
const text = 'Hallo Ann,\n\n.ein Punkt am Anfang\nund ein Gruß aus Köln.\n'
const html = '<p>Hallo <b>Ann</b>, ein Gruß aus Köln.</p>'

async function deliverOver(
  settings: Partial<Env>,
  to: { kind: 'to' | 'cc' | 'bcc'; email: string; name?: string }[],
) {
  const tenant = await newTenant()
  const with_: Env = { ...counted(env, { mute: true }).env, ...settings }
  const [sent] = await requestSends(await doorFor(with_, tenant.key), [
    {
      to,
      template: '_default',
      dedupeKey: 'a',
      payload: { subject, text, html },
      replyTo: 'replies@example.com',
      headers: { 'X-Campaign': 'spring' },
    },
  ])
  const bell = { tenantId: tenant.id, sendId: String(sent?.requestId) }
  await renderSend(with_, bell, () => new Date())
  await deliverSend(with_, bell, carrierPort(with_), () => new Date())
  const { body } = await tenant.get(`/v1/agent/sends/${bell.sendId}`)
  expect(body.status).toBe('accepted')
  return { tenant, sendId: bell.sendId, trace: body }
}

const mailsTo = async (recipient: string) =>
  await (await fetch(`${peers.inspector}/mail?recipient=${recipient}`)).json<Received[]>()

test('a send reaches a real SMTP server by STARTTLS and login, exactly as requested', async () => {
  const id = crypto.randomUUID()
  const to = [
    { kind: 'to' as const, email: `Ann.${id}@example.com`, name: 'Ann, die Erste' },
    { kind: 'cc' as const, email: `cc.${id}@example.com` },
    { kind: 'bcc' as const, email: `bcc.${id}@example.com` },
  ]
  const { sendId } = await deliverOver(
    {
      CARRIERS: 'smtp:1',
      SMTP_HOST: 'localhost',
      SMTP_PORT: String(peers.smtp.starttls),
      SMTP_SECURITY: 'starttls',
      SMTP_USERNAME: peers.login.username,
      SMTP_PASSWORD: peers.login.password,
    },
    to,
  )
  const mails = (await Promise.all(to.map(({ email }) => mailsTo(email)))).flat()
  expect(mails).toHaveLength(3)
  const [mail] = mails
  // Each recipient has a transaction and a return path of their own, with the same bytes.
  for (const [position, { envelope, raw }] of mails.entries()) {
    expect(envelope).toMatchObject({
      from: expect.stringMatching(
        new RegExp(`^bounce\\+${sendId.slice(4)}-${position}-[a-z2-7]{16}@moltpost\\.test$`),
      ),
      to: [to[position]?.email],
      user: peers.login.username,
      secure: true,
    })
    expect(raw).toBe(mail?.raw)
  }
  expect(new Set(mails.map(({ envelope }) => envelope.from)).size).toBe(3)
  expect(mail?.parsed).toMatchObject({
    subject,
    text,
    replyTo: 'replies@example.com',
    messageId: `<${sendId}@moltpost.test>`,
  })
  expect(mail?.parsed.html?.trim()).toBe(html)
  expect(mail?.parsed.to).toContain(`Ann.${id}@example.com`)
  expect(mail?.parsed.to).toContain('Ann, die Erste')
  expect(mail?.parsed.cc).toContain(`cc.${id}@example.com`)
  expect(mail?.parsed.headers).toMatchObject({ 'x-campaign': 'spring', 'x-moltpost-send-id': sendId })
  expect(mail?.raw).not.toContain('bcc.')
})

test('a send reaches the emulators of SES and Resend', async () => {
  const id = crypto.randomUUID()
  const ses = await deliverOver(
    {
      CARRIERS: 'ses:1',
      SES_REGION: 'eu-central-1',
      SES_ACCESS_KEY_ID: 'AKIDEXAMPLE',
      SES_SECRET_ACCESS_KEY: 'secret',
      SES_ENDPOINT: peers.ses,
    },
    [{ kind: 'to', email: `ses.${id}@example.com` }],
  )
  const { emails } = await (await fetch(`${peers.ses}/store`)).json<{ emails: unknown[] }>()
  expect(emails.filter((each) => JSON.stringify(each).includes(id))).toEqual([
    expect.objectContaining({
      destination: { to: [`ses.${id}@example.com`], cc: [], bcc: [] },
      replyTo: ['replies@example.com'],
      subject,
      body: { text, html },
    }),
  ])
  expect(ses.trace.attempts[0].carrierMessageId).toMatch(/^ses-/)

  const resend = await deliverOver(
    { CARRIERS: 'resend:1', RESEND_API_KEY: 're_test', RESEND_BASE_URL: peers.resend },
    [{ kind: 'to', email: `resend.${id}@example.com` }],
  )
  const [attempt] = resend.trace.attempts
  const kept = await fetch(`${peers.resend}/emails/${attempt.carrierMessageId}`, {
    headers: { authorization: 'Bearer re_test' },
  })
  expect(await kept.json()).toMatchObject({ to: [`resend.${id}@example.com`], subject, html })
})

test('internal recipients are served at once, the others by a carrier, and none twice', async () => {
  const neighbour = await newTenant()
  const id = crypto.randomUUID()
  const { sendId, trace } = await deliverOver(
    {
      CARRIERS: 'smtp:1',
      SMTP_HOST: '127.0.0.1',
      SMTP_PORT: String(peers.smtp.plain),
      SMTP_SECURITY: 'none',
    },
    [
      { kind: 'to', email: neighbour.address },
      { kind: 'to', email: `nobody.${id}@moltpost.test` },
      { kind: 'cc', email: `out.${id}@example.com` },
    ],
  )
  expect(trace.attempts.map((each: { carrier: string }) => each.carrier)).toEqual(['internal', 'smtp'])
  expect(trace.recipients.map((each: { status: string }) => each.status)).toEqual([
    'delivered',
    'bounced',
    'accepted',
  ])
  const { results } = await env.DB.prepare(
    'SELECT mailbox_id, folder, message_id FROM views WHERE tenant_id = ?',
  )
    .bind(neighbour.id)
    .all()
  const messageId = sendId.replace('req_', 'msg_')
  expect(results).toEqual([{ mailbox_id: neighbour.mailboxId, folder: 'inbox', message_id: messageId }])
  const mails = await (await fetch(`${peers.inspector}/mail?recipient=out.${id}@example.com`)).json<
    Received[]
  >()
  expect(mails.map((mail) => mail.envelope.to)).toEqual([[`out.${id}@example.com`]])
})

test('no blind copy is visible to another, whatever the carrier, and each is served once', async () => {
  const id = crypto.randomUUID()
  const hidden = ['b1', 'b2', 'b3'].map((name) => ({
    kind: 'bcc' as const,
    email: `${name}.${id}@example.com`,
  }))
  const base = `${peers.http}/ok.blind-${id}`
  const resend = { CARRIERS: 'resend:1', RESEND_API_KEY: 're_test', RESEND_BASE_URL: base }
  const { trace } = await deliverOver(resend, hidden)
  const statuses = (of: typeof trace) => of.recipients.map(({ status }: { status: string }) => status)
  expect(statuses(trace)).toEqual(['accepted', 'accepted', 'accepted'])
  expect(trace.attempts.map((each: { outcome: string }) => each.outcome)).toEqual(
    Array.from({ length: 3 }, () => 'accepted'),
  )
  const { taken } = await (await fetch(base)).json<{ taken: { key: string; body: { to: string[] } }[] }>()
  expect(taken.map(({ body }) => body.to)).toEqual(hidden.map(({ email }) => [email]))
  expect(new Set(taken.map(({ key }) => key)).size).toBe(3)

  // A recipient that Postmark suppresses does not stop the next one.
  const other = `${peers.http}/blind-${id}`
  const gone = { ErrorCode: 406, Message: `Found inactive addresses: ${hidden[0]?.email}. Inactive` }
  const conduct = async (body: object) => fetch(other, { method: 'PUT', body: JSON.stringify(body) })
  await conduct({ mode: 'say', status: 422, body: gone })
  await conduct({ mode: 'ok', after: 1 })
  const postmark = { CARRIERS: 'postmark:1', POSTMARK_SERVER_TOKEN: 'pm_test', POSTMARK_BASE_URL: other }
  const { trace: second } = await deliverOver(postmark, hidden)
  expect(statuses(second)).toEqual(['bounced', 'accepted', 'accepted'])
  const asked = await (await fetch(other)).json<{ requests: number; taken: { body: { To: string } }[] }>()
  expect(asked.requests).toBe(3)
  expect(asked.taken.map(({ body }) => body.To)).toEqual(hidden.slice(1).map(({ email }) => email))
})

test('a lost answer between blind copies is recovered by its own key, and the others follow', async () => {
  const id = crypto.randomUUID()
  const hidden = ['b1', 'b2', 'b3'].map((name) => ({
    kind: 'bcc' as const,
    email: `${name}.${id}@example.com`,
  }))
  const base = `${peers.http}/lost-${id}`
  const tenant = await newTenant()
  const with_: Env = {
    ...counted(env, { mute: true }).env,
    ...{ CARRIERS: 'resend:1', RESEND_API_KEY: 're_test', RESEND_BASE_URL: base },
  }
  const [sent] = await requestSends(await doorFor(with_, tenant.key), [
    { to: hidden, template: '_default', dedupeKey: 'a', payload: { subject, text, html } },
  ])
  const bell = { tenantId: tenant.id, sendId: String(sent?.requestId) }
  await renderSend(with_, bell, () => new Date())
  const conduct = async (mode: string) => fetch(base, { method: 'PUT', body: JSON.stringify({ mode }) })
  await conduct('cut')
  await deliverSend(with_, bell, carrierPort(with_), () => new Date())
  expect((await tenant.get(`/v1/agent/sends/${bell.sendId}`)).body.status).toBe('retry_wait')
  await conduct('ok')
  await deliverSend(with_, bell, carrierPort(with_), () => new Date(Date.now() + 60_000))
  const { body } = await tenant.get(`/v1/agent/sends/${bell.sendId}`)
  expect(body.recipients.map(({ status }: { status: string }) => status)).toEqual(
    hidden.map(() => 'accepted'),
  )
  const { requests, taken } = await (await fetch(base)).json<{
    requests: number
    taken: { body: { to: string[] } }[]
  }>()
  expect(taken.map(({ body }) => body.to)).toEqual(hidden.map(({ email }) => [email]))
  expect(requests).toBe(4)
})

test('of several recipients at a relay, one that is refused or refused for now holds up nobody else', async () => {
  const id = crypto.randomUUID()
  const tenant = await newTenant()
  const with_: Env = {
    ...counted(env, { mute: true }).env,
    CARRIERS: 'smtp:1',
    SMTP_HOST: '127.0.0.1',
    SMTP_PORT: String(peers.smtp.plain),
    SMTP_SECURITY: 'none',
  }
  const names = ['soft', 'a', 'hard', 'b', 'c']
  const emails = names.map((name) => `${name}@${id}.example.com`)
  const [sent] = await requestSends(await doorFor(with_, tenant.key), [
    {
      to: emails.map((email) => ({ kind: 'to' as const, email })),
      ...{ template: '_default', dedupeKey: 'a', payload: { subject, text, html } },
    },
  ])
  const bell = { tenantId: tenant.id, sendId: String(sent?.requestId) }
  await renderSend(with_, bell, () => new Date())
  const seen = async () => {
    const { body } = await tenant.get(`/v1/agent/sends/${bell.sendId}`)
    return { status: body.status, recipients: body.recipients.map((each: { status: string }) => each.status) }
  }
  const begun = Date.now()
  await deliverSend(with_, bell, carrierPort(with_), () => new Date(begun))
  expect(await seen()).toEqual({
    status: 'retry_wait',
    recipients: ['pending', 'accepted', 'bounced', 'accepted', 'accepted'],
  })
  // The round counts as one attempt: the next one follows in seconds, and asks for the one that is left.
  await deliverSend(with_, bell, carrierPort(with_), () => new Date(begun + 6_000))
  expect((await seen()).status).toBe('retry_wait')
  // After a day the one that never was accepted is given up. The send has reached the others.
  await deliverSend(with_, bell, carrierPort(with_), () => new Date(begun + 90_000_000))
  expect(await seen()).toEqual({
    status: 'accepted',
    recipients: ['refused', 'accepted', 'bounced', 'accepted', 'accepted'],
  })
  const copies = await Promise.all(emails.map(mailsTo))
  expect(copies.map((mails) => mails.length)).toEqual([0, 1, 0, 1, 1])
})

test('a cut after the final dot leaves that recipient unknown, and a person decides for that recipient alone', async () => {
  for (const outcome of ['delivered', 'failed', 'resend']) {
    const tenant = await newTenant()
    const settings = { CARRIERS: 'smtp:1', SMTP_HOST: '127.0.0.1', SMTP_SECURITY: 'none' }
    const quiet = counted(env, { mute: true }).env
    const cut: Env = { ...quiet, ...settings, SMTP_PORT: String(peers.faults['dot:cut']) }
    const whole: Env = { ...quiet, ...settings, SMTP_PORT: String(peers.smtp.plain) }
    const emails = ['a', 'b', 'c'].map((name) => `${name}@${crypto.randomUUID()}.example.com`)
    const [sent] = await requestSends(await doorFor(quiet, tenant.key), [
      {
        to: emails.map((email) => ({ kind: 'to' as const, email })),
        ...{ template: '_default', dedupeKey: 'a', payload: { subject, text, html } },
      },
    ])
    const bell = { tenantId: tenant.id, sendId: String(sent?.requestId) }
    await renderSend(quiet, bell, () => new Date())
    await deliverSend(cut, bell, carrierPort(cut), () => new Date())
    expect((await tenant.get(`/v1/agent/sends/${bell.sendId}`)).body.status).toBe('unknown')
    await deliverSend(whole, bell, carrierPort(whole), () => new Date(Date.now() + 1e7))
    expect((await Promise.all(emails.map(mailsTo))).flat()).toEqual([])

    await tenant.post(`/v1/agent/sends/${bell.sendId}/resolve`, { outcome })
    await deliverSend(whole, bell, carrierPort(whole), () => new Date(Date.now() + 1_000))
    const copies = await Promise.all(emails.map(mailsTo))
    expect(copies.map((mails) => mails.length)).toEqual([outcome === 'resend' ? 1 : 0, 1, 1])
    const { body } = await tenant.get(`/v1/agent/sends/${bell.sendId}`)
    expect(body.status).toBe('accepted')
  }
})
