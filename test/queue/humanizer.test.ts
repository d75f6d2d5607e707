import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { carrierPort } from '../../src/carriers/index.ts'
import { deliverSend } from '../../src/core/delivery/deliver.ts'
import { LOCK_MS } from '../../src/core/delivery/lock.ts'
import { renderSend } from '../../src/core/delivery/render.ts'
import { MODEL_AT_MOST_MS } from '../../src/core/letters/humanizer/model.ts'
import { requestSends } from '../../src/core/sending/request.ts'
import type { Env } from '../../src/env.ts'
import worker from '../../src/index.ts'
import { doorFor } from '../support/door.ts'
import { newModel, type Says } from '../support/model.ts'
import { peers } from '../support/peer-letter.ts'
import { upTo } from '../support/scale.ts'
import { call, eventually, newTenant, type Tenant } from '../support/tenant.ts'
import { counted } from '../support/waits.ts'

type Mail = { to: string[]; subject: string; text: string; html: string }

/** The facts that every mail of these tests must contain; it may contain no others of the same kinds. */
const link = 'https://shop.example.com/track?id=77'
const facts = [link, '$42.50', '12 March 2026', 'help@example.com', 'Ann']

const letterTo = (mark: string) => ({
  subject: `Your parcel, Ann: ${mark}`,
  text: `Hello Ann,\n\nyour parcel is on its way. Track it at ${link} and do not pay more than $42.50 by 12 March 2026.\nWrite to help@example.com.\n\nUnsubscribe: https://shop.example.com/u`,
  html: `<p>Hello <b>Ann</b>,</p><p>do not pay more than $42.50 by 12 March 2026.</p><p><a href="${link}">Track it</a> or write to help@example.com.</p>`,
})

const goodAnswer = (mark: string) => ({
  subject: `Ann, it is moving: ${mark}`,
  text: `Hey Ann,\n\ngood news, it is moving. Follow it at ${link} and please don't pay more than $42.50 by 12 March 2026.\nReach us at help@example.com.\n\nUnsubscribe: https://shop.example.com/u`,
  segments: [
    'Hey',
    'Ann',
    ',',
    "please don't pay more than $42.50 by 12 March 2026.",
    'or drop a line to help@example.com.',
  ],
})

function withModel(carrier: string, model: Partial<Env>): Env {
  return {
    ...counted(env, { mute: true }).env,
    CARRIERS: 'resend:1',
    RESEND_API_KEY: 're_test',
    RESEND_BASE_URL: `${peers.http}/${carrier}`,
    ...model,
  }
}

async function takenBy(carrier: string): Promise<Mail[]> {
  const { taken } = await (await fetch(`${peers.http}/${carrier}`)).json<{ taken: { body: Mail }[] }>()
  return taken.map(({ body }) => body)
}

/** Sends over HTTP as any client would, then runs the queues. */
async function sendOverHttp(tenant: Tenant, with_: Env, body: Record<string, unknown>) {
  const request = new Request('http://moltpost.test/v1/agent/request-send', {
    method: 'POST',
    headers: { authorization: `Bearer ${tenant.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ templateId: '_default', ...body }),
  })
  const asked = Date.now()
  const answer = await worker.fetch(request as never, with_, createExecutionContext())
  const { requestId, status } = await answer.json<{ requestId: string; status: string }>()
  const tookMs = Date.now() - asked
  expect(status).toBe('queued')
  const bell = { tenantId: tenant.id, sendId: requestId }
  await renderSend(with_, bell, () => new Date())
  await deliverSend(with_, bell, carrierPort(with_), () => new Date())
  return { requestId, tookMs, ...(await noteOf(tenant, requestId)) }
}

async function noteOf(tenant: Tenant, requestId: string) {
  const { body } = await tenant.get(`/v1/agent/sends/${requestId}`)
  const step = body.trace.find((each: { kind: string }) => each.kind === 'render')
  return { status: body.status, note: step?.body.humanizer, sha256: step?.body.sha256 }
}

test('a model rewords the prose of a message and nothing else', async () => {
  const tenant = await newTenant()
  const carrier = `humanized-${crypto.randomUUID()}`
  const model = await newModel({ content: goodAnswer('now') })
  const sent = await sendOverHttp(tenant, withModel(carrier, model), {
    recipientEmail: 'a@example.com',
    dedupeKey: 'a',
    payload: letterTo('now'),
    humanize: true,
    humanizeStyle: 'casual',
    humanizeProvider: 'anthropic',
  })
  expect(sent).toMatchObject({ status: 'accepted', note: { used: 'model', style: 'casual' } })
  const [mail] = await takenBy(carrier)
  expect(mail?.subject).toBe('Ann, it is moving: now')
  expect(mail?.text.trim()).toBe(goodAnswer('now').text)
  expect(mail?.html.trim()).toBe(
    `<p>Hey <b>Ann</b>,</p><p>please don't pay more than $42.50 by 12 March 2026.</p><p><a href="${link}">Track it</a> or drop a line to help@example.com.</p>`,
  )
})

test('if a model fails in any way, the mail still leaves in time, with the reason in its trace', async () => {
  const tenant = await newTenant()
  const figures: Record<string, number> = {}
  const obedient = { ...goodAnswer('now'), text: `Dear Eve, log in at https://evil.example/now. ${link}` }
  const cases: [reason: string, says: Says, more?: Partial<Env>][] = [
    ['model_garbage', { content: 'Sure! Here is your email: lorem ipsum' }],
    ['model_garbage', { content: { subject: 'x' } }],
    ['model_garbage', { content: { ...goodAnswer('now'), segments: ['Hey'] } }],
    ['rejected', { content: obedient }],
    ['model_failed', { error: { message: 'slow down', type: 'rate_limit_error' }, status: 429 }],
    ['model_failed', { error: { message: 'no', type: 'server_error' }, status: 500 }],
    ['model_failed', { content: 'x' }, { MODEL_BASE_URL: 'http://127.0.0.1:1/v1' }],
    [
      'model_timeout',
      { content: 'x' },
      { MODEL_BASE_URL: `${peers.http}/hang.${crypto.randomUUID()}`, MODEL_TIMEOUT_MS: '400' },
    ],
    [
      'model_timeout',
      { content: 'x' },
      { MODEL_BASE_URL: `${peers.http}/stall.${crypto.randomUUID()}`, MODEL_TIMEOUT_MS: '400' },
    ],
  ]
  for (const [position, [fallbackReason, says, more]] of cases.entries()) {
    const carrier = `fallback-${crypto.randomUUID()}`
    const started = Date.now()
    const sent = await sendOverHttp(tenant, withModel(carrier, { ...(await newModel(says)), ...more }), {
      recipientEmail: `f${position}@example.com`,
      dedupeKey: `f${position}`,
      payload: letterTo('now'),
      humanize: true,
      humanizeStyle: 'casual',
    })
    figures[`${position} ${fallbackReason}`] = Date.now() - started
    expect(sent, `${position} ${fallbackReason}`).toMatchObject({
      status: 'accepted',
      note: { used: 'embedded', style: 'casual', fallbackReason },
    })
    expect(JSON.stringify(sent.note)).not.toMatch(/evil|Eve|example/)
    expect(Date.now() - started).toBeLessThan(5_000)
    const [mail] = await takenBy(carrier)
    expect(mail?.text).toMatch(/^(Hi|Hey) Ann,/)
    expect(mail?.text).toContain("don't pay more than $42.50")
    expect(mail?.html).toContain(`<a href="${link}">Track it</a>`)
  }
  console.warn('fallback, ms from the request to the carrier:', JSON.stringify(figures))
  expect(MODEL_AT_MOST_MS * 3).toBeLessThan(LOCK_MS)
})

const MUTATED = upTo(1_000, 100)

test('no rewriting that loses or changes a fact reaches a carrier', async () => {
  const tenant = await newTenant({
    tenant: { plan: 'enterprise' },
    mailbox: { hourly_limit: 5_000, daily_limit: 5_000 },
  })
  const carrier = `fuzz-${crypto.randomUUID()}`
  const random = seeded(20_260_312)
  const cases = Array.from({ length: (MUTATED * 21) / 20 }, (_, position) => {
    const mark = `case ${String.fromCharCode(97 + (position % 26))}${position}z`
    const isWhole = position % 21 === 20
    return { mark, isWhole, content: isWhole ? goodAnswer(mark) : mutated(goodAnswer(mark), random) }
  })
  expect(cases.filter((each) => !each.isWhole)).toHaveLength(MUTATED)
  const model = await newModel(...cases.map(({ mark, content }) => ({ when: mark, content })))
  const with_ = withModel(carrier, model)
  const sent: string[] = []
  for (let at = 0; at < cases.length; at += 350) {
    const results = await requestSends(
      await doorFor(with_, tenant.key),
      cases.slice(at, at + 350).map(({ mark }, index) => ({
        to: [{ kind: 'to', email: `fuzz${at + index}@example.com` }],
        template: '_default',
        dedupeKey: mark,
        payload: letterTo(mark),
        humanize: true,
        humanizeStyle: 'friendly',
      })),
    )
    sent.push(...results.map((result) => String(result.requestId)))
  }
  for (let at = 0; at < sent.length; at += 15) {
    await Promise.all(
      sent.slice(at, at + 15).map(async (sendId) => {
        await renderSend(with_, { tenantId: tenant.id, sendId }, () => new Date())
        await deliverSend(with_, { tenantId: tenant.id, sendId }, carrierPort(with_), () => new Date())
      }),
    )
  }

  const mails = await takenBy(carrier)
  expect(mails).toHaveLength(cases.length)
  for (const mail of mails) {
    const where = JSON.stringify(mail)
    for (const fact of facts) {
      expect(mail.text, where).toContain(fact)
      expect(mail.html, where).toContain(fact)
    }
    expect(mail.text.match(/https?:\/\/\S+/g), where).toEqual([link, 'https://shop.example.com/u'])
    expect(mail.html.match(/https?:\/\/[^\s"<]+/g), where).toEqual([link])
    expect(`${mail.subject}${mail.text}${mail.html}`.match(/\$[\d.]*\d/g), where).toEqual([
      '$42.50',
      '$42.50',
    ])
    expect(mail.text, where).toMatch(/do not|don't/)
    expect(mail.html, where).toMatch(/do not|don't/)
    expect(where).not.toMatch(/evil|winner/)
  }
  const { results } = await env.DB.prepare(
    `SELECT body ->> '$.humanizer.used' AS used, body ->> '$.humanizer.fallbackReason' AS reason, count(*) AS n
     FROM traces WHERE tenant_id = ? AND kind = 'render' GROUP BY 1, 2 ORDER BY 1`,
  )
    .bind(tenant.id)
    .all()
  console.warn('fuzz:', JSON.stringify(results))
  expect(results).toEqual([
    { used: 'embedded', reason: 'rejected', n: MUTATED },
    { used: 'model', reason: null, n: MUTATED / 20 },
  ])
}, 300_000)

test('the humanizer setting of the send wins over the agent, and that over the mailbox, in every combination', async () => {
  const tenant = await newTenant()
  const says = [undefined, true, false]
  for (const mailbox of [true, false]) {
    const config = { humanizerEnabled: mailbox, humanizerStyle: 'friendly' }
    const patched = await tenant.patch(`/v1/agent/mailboxes/${tenant.mailboxId}`, { config })
    expect(patched.body.config).toMatchObject(config)
    for (const agent of says) {
      const stored = await tenant.put(`/v1/agent/agents/${tenant.agentId}/config`, {
        ...(agent === undefined ? {} : { humanizer_enabled: agent, humanizer_style: 'casual' }),
        humanizer_provider: 'openai',
      })
      expect(stored.status).toBe(200)
      const sends = await Promise.all(
        says.map((send) =>
          tenant.send('who@example.com', crypto.randomUUID(), {
            ...(send === undefined ? {} : { humanize: send, humanizeStyle: 'professional' }),
          }),
        ),
      )
      for (const [position, { body }] of sends.entries()) {
        const send = says[position]
        await tenant.settled(body.requestId)
        const { note } = await noteOf(tenant, body.requestId)
        const isOn = send ?? agent ?? mailbox
        const style = send !== undefined ? 'professional' : agent !== undefined ? 'casual' : 'friendly'
        expect(note?.style, JSON.stringify({ send, agent, mailbox })).toBe(isOn ? style : undefined)
      }
    }
  }
  for (const wrong of [{ humanize: 'yes' }, { humanizeStyle: 'rude' }, { humanizeProvider: 'acme' }]) {
    expect((await tenant.send('who@example.com', crypto.randomUUID(), wrong)).status).toBe(400)
  }
  const rude = await tenant.patch(`/v1/agent/mailboxes/${tenant.mailboxId}`, { humanizerStyle: 'rude' })
  expect(rude.status).toBe(400)
})

test('a person approves the reworded message, and exactly that message is sent', async () => {
  const tenant = await newTenant({
    mailbox: { autonomy: 'review', humanizer_enabled: 1, humanizer_style: 'casual' },
  })
  const to = `held.${crypto.randomUUID()}@example.com`
  const { body } = await tenant.send(to, 'held', { templateId: '_default', payload: letterTo('held') })
  expect(body.status).toBe('pending_approval')
  const shown = await eventually(async () => {
    const found = await tenant.get(`/v1/send/approvals/${body.approvalQueueId}`)
    return found.body.message === null ? undefined : found.body
  })
  expect(shown.message.text).toMatch(/^(Hi|Hey) Ann,/)
  const decided = await tenant.owner.patch(`/v1/send/approvals/${body.approvalQueueId}`, {
    decision: 'approved',
    sha256: shown.sha256,
  })
  expect(decided.status).toBe(200)
  await tenant.settled(body.requestId)
  const [mail] = (await call('GET', `/dev/outbox?to=${to}`)).body.items
  expect(mail).toMatchObject({
    subject: shown.message.subject,
    text: shown.message.text,
    html: shown.message.html,
  })
  expect((await noteOf(tenant, body.requestId)).sha256).toBe(shown.sha256)
})

type Answer = ReturnType<typeof goodAnswer>

/** A valid rewriting, except for one to three facts that were dropped, changed or added. */
function mutated(answer: Answer, random: () => number): Answer {
  const pick = <Item>(items: Item[]): Item => items[Math.floor(random() * items.length)] as Item
  const digit = (text: string) =>
    text.replace(/\d/g, (found) =>
      random() < 0.4 ? String((Number(found) + 1 + Math.floor(random() * 8)) % 10) : found,
    )
  const changeOne = (text: string): string => {
    const fact = pick(
      [link, '$42.50', '12 March 2026', 'help@example.com'].filter((each) => text.includes(each)),
    )
    const other = pick([
      '',
      'it',
      digit(fact),
      `${fact}/evil`,
      fact.replace(/[a-z]/i, 'q'),
      `${fact} (https://evil.example/${Math.floor(random() * 1e6)})`,
      `${fact} or $${Math.floor(random() * 900) + 43}`,
      fact.slice(0, -1),
    ])
    return text.replace(fact, other)
  }
  const ways: ((from: Answer) => Answer)[] = [
    (from) => ({ ...from, text: changeOne(from.text) }),
    (from) => ({ ...from, segments: from.segments.map((each, at) => (at >= 3 ? changeOne(each) : each)) }),
    (from) => ({ ...from, text: from.text.replace('Ann', pick(['', 'Eve', 'Anna', 'friend'])) }),
    (from) => ({ ...from, text: from.text.replace("don't", 'do') }),
    (from) => ({ ...from, text: from.text.replace(/\n\nUnsubscribe.*/, '') }),
    (from) => ({ ...from, text: `${from.text}\nYou are our winner: evil.example.net` }),
    (from) => ({ ...from, segments: from.segments.map((each) => each.replace(/pay.*/, 'pay')) }),
    (from) => ({ ...from, subject: `${from.subject} https://evil.example` }),
  ]
  let changed = answer
  for (
    let left = 1 + Math.floor(random() * 3);
    left > 0 || JSON.stringify(changed) === JSON.stringify(answer);
    left--
  ) {
    try {
      changed = pick(ways)(changed)
    } catch {
      // No fact is left that could be changed in this way.
    }
  }
  return changed
}

function seeded(seed: number) {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
