import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { arrive } from '../../src/core/arrivals/arrive.ts'
import { readDecision } from '../../src/core/notices/answers.ts'
import { quotation, visible } from '../../src/core/reading/text/visible.ts'
import { letters, newPerson, post, visit } from '../support/portal.ts'
import { call, eventually, newTenant } from '../support/tenant.ts'

type Answer = { from?: string; results?: string | null; text?: string; fields?: Record<string, string> }

/** A tenant with one held message, and the address that its approver may answer to. */
async function asked(more: Record<string, unknown> = {}) {
  const tenant = await newTenant({ mailbox: { autonomy: 'review' } })
  const { email, id } = await newPerson(tenant.id, 'approver')
  const to = `reader-${crypto.randomUUID()}@example.com`
  await tenant.post('/v1/messages', { to: [to], subject: 'Hello', text: 'Hello.', ...more })
  const { body: waiting } = await tenant.owner.get('/v1/send/approvals?status=pending')
  const body = waiting.items[0]
  const [letter] = await letters(email, 'To be decided')
  const address = /^Reply-To: (\S+)\r$/m.exec(letter?.raw ?? '')?.[1] ?? ''
  const link = /\/portal\/decide\/[A-Za-z0-9_-]{43}/.exec(letter?.text ?? '')?.[0] ?? ''
  const status = async () => {
    const { body: shown } = await tenant.owner.get(`/v1/send/approvals/${body.approvalQueueId}`)
    return shown.status as string
  }
  /** A mail as the mail exchanger hands it over, with the results that it wrote on top. */
  const answer = async ({
    from = email,
    results = pass(from),
    text = 'approve',
    fields = {},
  }: Answer = {}) => {
    const head = Object.entries({
      ...(results === null ? {} : { 'Authentication-Results': results }),
      From: from,
      To: address,
      Subject: 'Re: To be decided',
      'Message-ID': `<${crypto.randomUUID()}@example.com>`,
      ...fields,
    })
    const raw = `${head.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${text}\r\n`
    const reception = await arrive(env, new Date(), { from, to: address, raw: new TextEncoder().encode(raw) })
    await eventually(async () => {
      const { results: open } = await env.DB.prepare(
        `SELECT id FROM arrivals WHERE tenant_id = ?1 AND state = 'received'`,
      )
        .bind(tenant.id)
        .all()
      return open.length === 0 ? true : undefined
    })
    return reception
  }
  return {
    tenant,
    email,
    ownerId: id,
    to,
    address,
    link,
    letter: letter?.text ?? '',
    requestId: body.requestId as string,
    status,
    answer,
  }
}

const pass = (from: string) =>
  `mx.cloudflare.net; dmarc=pass header.from=${from.slice(from.lastIndexOf('@') + 1)} policy.dmarc=reject`

const mailedTo = async (to: string) =>
  (await call('GET', `/dev/outbox?to=${encodeURIComponent(to)}`)).body.items as { subject: string }[]

test('an answer by mail approves once, if DMARC passed at our own receiving hop for the address that was asked', async () => {
  const { tenant, email, to, requestId, status, answer } = await asked()
  const forged: Answer[] = [
    { results: null },
    { results: 'mx.cloudflare.net; dmarc=fail header.from=example.com' },
    { results: 'mx.cloudflare.net; dmarc=none header.from=example.com; spf=pass smtp.mailfrom=example.com' },
    { results: 'mx.evil.example; dmarc=pass header.from=example.com' },
    { results: 'mx.cloudflare.net; dmarc=pass header.from=evil.example' },
    { fields: { Received: 'from a by b', 'Authentication-Results': '' }, results: pass(email) },
    { from: 'mallory@example.com' },
    { from: `"${email}" <mallory@example.com>` },
    { fields: { 'Auto-Submitted': 'auto-replied' } },
  ]
  for (const each of forged) {
    expect(await answer(each)).toEqual({ accepted: true })
    expect({ each, status: await status() }).toEqual({ each, status: 'pending' })
  }
  // A sender who has not proved who they are is told nothing.
  expect(await mailedTo('mallory@example.com')).toEqual([])
  expect((await mailedTo(email)).filter(({ subject }) => subject.startsWith('Your answer'))).toEqual([])

  // A proven sender whose answer is not plain is told how to answer.
  await answer({ text: 'Approve? I am not sure.' })
  await answer({ text: 'approve\n\nbut only if she agrees' })
  expect(await status()).toBe('pending')
  await letters(email, 'Your answer decided nothing', 2)

  await answer({
    text: 'Approve\n\nOn Sat, 21 Nov 2026, Moltpost wrote:\n> An agent wants to send this\n> reject',
  })
  expect(await status()).toBe('approved')
  expect(await tenant.settled(requestId)).toMatchObject({ status: 'delivered' })
  expect(await mailedTo(to)).toHaveLength(1)
  await letters(email, 'Approved')

  await answer({ text: 'reject too late' })
  expect(await status()).toBe('approved')
  await letters(email, 'Your answer decided nothing', 3)
})

test('an answer rejects with its reason; one to an expired or unknown address decides nothing', async () => {
  const first = await asked()
  await first.answer({ text: 'Reject: too early for this contact\n' })
  expect(await first.status()).toBe('rejected')
  const { body } = await first.tenant.owner.get(`/v1/agent/sends/${first.requestId}`)
  expect(body.status).toBe('rejected')

  const second = await asked()
  await env.DB.prepare('UPDATE approval_tokens SET expires_at = expires_at - 86400000 WHERE tenant_id = ?1')
    .bind(second.tenant.id)
    .run()
  await second.answer({})
  expect(await second.status()).toBe('pending')

  const third = await asked()
  await env.DB.prepare(`UPDATE owners SET role = 'viewer' WHERE id = ?1`).bind(third.ownerId).run()
  await third.answer({})
  expect(await third.status()).toBe('pending')

  const unknown = `decide+${'0'.repeat(32)}@${third.address.split('@')[1]}`
  const raw = new TextEncoder().encode('From: a@example.com\r\n\r\napprove\r\n')
  expect(await arrive(env, new Date(), { from: 'a@example.com', to: unknown, raw })).toEqual({
    accepted: false,
    reason: '550 5.1.1 There is no such mailbox.',
  })
})

test('the link and the answer of one notice decide once between them, even at the same moment', async () => {
  const first = await asked()
  expect(await post(first.link, { decision: 'reject', reason: 'by link' })).toMatchObject({ status: 200 })
  await first.answer({})
  expect(await first.status()).toBe('rejected')
  await letters(first.email, 'Your answer decided nothing')
  expect(await mailedTo(first.to)).toEqual([])

  const second = await asked()
  await second.answer({})
  expect(await second.status()).toBe('approved')
  expect((await visit(second.link)).status).toBe(410)
  expect((await post(second.link, { decision: 'reject' })).status).toBe(410)
  expect(await second.tenant.settled(second.requestId)).toMatchObject({ status: 'delivered' })

  const third = await asked()
  const [byLink] = await Promise.all([post(third.link, { decision: 'approve' }), third.answer({})])
  expect([200, 410]).toContain(byLink.status)
  await letters(third.email, byLink.status === 200 ? 'Your answer decided nothing' : 'Approved')
  expect(await third.tenant.settled(third.requestId)).toMatchObject({ status: 'delivered' })
  expect(await mailedTo(third.to)).toHaveLength(1)
})

test('an answer decides on its first line, or decides nothing', () => {
  const approves = [
    'approve',
    'Approve.',
    'APPROVED',
    '\n approve \n\nThanks,\nAnn',
    'approve!\n-- \nAnn, not on Mondays',
  ]
  const rejects: [string, string | null][] = [
    ['reject', null],
    ['Rejected.', null],
    ['reject too early', 'too early'],
    ['Reject: because of the tone', 'because of the tone'],
  ]
  const unclear = [
    '',
    'ok',
    'approve it',
    'approve this one',
    "don't approve",
    'approver',
    'rejecting',
    'approve\nno wait',
  ]
  for (const text of approves)
    expect({ text, says: readDecision(text) }).toEqual({ text, says: { approve: true, reason: null } })
  for (const [text, reason] of rejects)
    expect({ text, says: readDecision(text) }).toEqual({ text, says: { approve: false, reason } })
  for (const text of unclear) expect({ text, says: readDecision(text) }).toEqual({ text, says: null })
})

test('an answer approves only what its letter shows whole; the link approves everything', async () => {
  const files = [{ filename: 'a.txt', content_type: 'text/plain', content_base64: btoa('hidden') }]
  const hidden: [Record<string, unknown>, string][] = [
    [{ html: '<p>Something else.</p>' }, 'HTML'],
    [{ attachments: files }, 'a file'],
    [{ text: 'line\n'.repeat(201) }, 'more lines of text'],
  ]
  for (const [more, what] of hidden) {
    const { letter, answer, email, status, to, link, address } = await asked(more)
    expect(letter).toContain(what)
    expect(letter).not.toContain('"approve"')
    await answer({})
    expect(await status()).toBe('pending')
    const [told] = await letters(email, 'Your answer decided nothing')
    expect(told?.text).toContain(what)
    expect(await mailedTo(to)).toEqual([])
    // The answer has not used the address up: it may still reject.
    expect(address).not.toBe('')
    expect(await post(link, { decision: 'approve' })).toMatchObject({ status: 200 })
    expect(await status()).toBe('approved')
  }
  const rejecting = await asked({ html: '<p>Something else.</p>' })
  await rejecting.answer({ text: 'reject' })
  expect(await rejecting.status()).toBe('rejected')

  const pose = 'Or answer this letter with the word "approve" alone.'
  const whole = await asked({
    cc: ['second@example.com'],
    bcc: ['third@example.com'],
    subject: 'Approve: this is the service',
    text: `x\u2028${pose}\u2029${pose}\v${pose}\f${pose}\u0085${pose}\r${pose}\n\u202e${pose}\u202c${' '.repeat(500)}${pose}`,
  })
  for (const recipient of [whole.to, 'second@example.com', 'third@example.com'])
    expect(whole.letter).toContain(recipient)
  const own = whole.letter.split(/\r\n|[\n\v\f\r\u0085\u2028\u2029]/).filter((line) => !line.startsWith('|'))
  expect(own.filter((line) => /answer this letter|this is the service|example\.com/.test(line))).toEqual([
    'Or answer this letter with the word "approve" alone, or with "reject" and a reason. Only the first answer from this address counts. If nobody decides, the message is rejected at',
  ])
  expect(whole.letter).toContain('[U+202E]')
  expect(whole.letter).not.toMatch(/[\u202a-\u202e\u2028\u2029]/)
  await whole.answer({})
  expect(await whole.status()).toBe('approved')
})

test('a quotation marks every line, names what cannot be seen, and keeps what a script or an emoji needs', () => {
  const breaks = ['\n', '\r', '\r\n', '\v', '\f', '\u0085', '\u2028', '\u2029']
  for (const each of breaks) expect(quotation(`a${each}b`)).toEqual(['| a', '| b'])
  for (let code = 0; code < 0x11_0000; code += code < 0x3000 ? 1 : 0x101) {
    const text = quotation(`x${String.fromCodePoint(code)}y`).join('\n')
    expect(text, code.toString(16)).not.toMatch(
      /[\v\f\r\u0085\u2028\u2029\u200b-\u200f\u202a-\u202e\u2060-\u206f]/u,
    )
    for (const line of text.split('\n')) expect(line.startsWith('|')).toBe(true)
  }
  expect(quotation('a'.repeat(100))).toEqual([`| ${'a'.repeat(72)}`, `|+ ${'a'.repeat(28)}`])
  expect(quotation('語'.repeat(40))).toEqual([`| ${'語'.repeat(36)}`, `|+ ${'語'.repeat(4)}`])
  for (const text of ['👩‍👩‍👧 ❤️', 'می‌خواهم', 'क्‍ष']) expect(visible(text)).toBe(text)
  expect(visible('a\u200db \u200e')).toBe('a[U+200D]b [U+200E]')
  expect(visible(`a${'\u0301'.repeat(5)}`)).toBe(`a${'\u0301'.repeat(3)}[U+0301][U+0301]`)
  const start = performance.now()
  for (const text of [
    '\u0301'.repeat(100_000),
    '\u200d'.repeat(100_000),
    ' '.repeat(100_000),
    '\n'.repeat(100_000),
  ])
    quotation(text)
  expect(performance.now() - start).toBeLessThan(2_000)
})
