import { expect, test } from 'vitest'
import { email } from '../../support/email.ts'
import { eventually, grant, newTenant } from '../../support/tenant.ts'

const OFF = { enabled: false, subject: null, text: null, html: null, start_at: null, end_at: null }

test('"Inbox state + auto-reply config": the answer has address, counts, auto-reply and settings', async () => {
  const [ann, bob] = await Promise.all([newTenant(), newTenant()])
  for (const to of [bob.address, bob.address, ann.address]) {
    await ann.post('/v1/messages', { to, subject: 'Hello', text: 'Hello' })
  }
  expect(await bob.get('/v1/inbox')).toMatchObject({
    status: 200,
    body: {
      email: bob.address,
      stats: { unread_count: 2, total_received: 2, total_sent: 0 },
      auto_reply: OFF,
      settings: { display_name: expect.any(String) },
    },
  })
  expect((await ann.get('/v1/inbox/stats')).body).toEqual({
    stats: { unread_count: 1, total_received: 1, total_sent: 3 },
  })
})

test('"Update auto-reply / inbox settings": omitted fields keep their values, null clears them, and an invalid body changes nothing', async () => {
  const bob = await newTenant()
  const patch = (change: unknown) => bob.patch('/v1/inbox', change)
  const auto_reply = {
    enabled: true,
    subject: 'Away',
    text: 'Until Monday',
    html: '<p>Until <b>Monday</b></p>',
    start_at: '2026-11-21T10:00:00+02:00',
    end_at: '2026-11-28T10:00:00.5Z',
  }
  const kept = { ...auto_reply, start_at: '2026-11-21T08:00:00Z', end_at: '2026-11-28T10:00:00.500Z' }
  const first = await patch({ auto_reply, settings: { display_name: 'Bob the Bot' } })
  expect(first).toMatchObject({
    status: 200,
    body: { auto_reply: kept, settings: { display_name: 'Bob the Bot' } },
  })
  expect((await bob.get('/v1/inbox')).body).toEqual(first.body)
  expect((await patch({})).body).toEqual(first.body)
  expect((await patch({ auto_reply: { enabled: false, end_at: null } })).body.auto_reply).toEqual({
    ...kept,
    enabled: false,
    end_at: null,
  })
  for (const wrong of [
    { auto_reply: { enabled: 'yes' } },
    { auto_reply: { text: 7 } },
    { auto_reply: { subject: 'a\r\nBcc: x@example.com' } },
    { auto_reply: { subject: 's'.repeat(999) } },
    { auto_reply: { start_at: 'tomorrow' } },
    { auto_reply: { end_at: '2026-11-21T08:00:00Z' } },
    { auto_reply: { enabled: true, text: '', html: null } },
    { settings: { display_name: 'a\nb' } },
    { auto_reply: { text: 'Changed' }, settings: { display_name: 'a\nb' } },
    { settings: { display_name: 'x'.repeat(257) } },
    { settings: null },
    { colour: 'blue' },
    [],
  ]) {
    expect(await patch(wrong), JSON.stringify(wrong).slice(0, 60)).toMatchObject({
      status: 422,
      body: { error: 'invalid', field: expect.stringMatching(/^(auto_reply\.|settings|colour$|body$)/) },
    })
  }
  const after = (await bob.get('/v1/inbox')).body
  expect(after).toMatchObject({
    auto_reply: { enabled: false, text: 'Until Monday' },
    settings: { display_name: 'Bob the Bot' },
  })
  expect((await patch({ auto_reply: { html: '<p onclick="x()">Hi</p>' } })).body.auto_reply.html).toBe(
    '<p>Hi</p>',
  )
  expect((await patch({ auto_reply: null, settings: { display_name: null } })).body).toMatchObject({
    auto_reply: OFF,
    settings: { display_name: null },
  })
  await patch({ auto_reply: { enabled: true, text: 'Away' } })
  const parts = [{ enabled: false }, { subject: 'Later' }, { html: '<p>Hi</p>' }, { text: 'Back soon' }]
  for (const answer of await Promise.all(parts.map((part) => patch({ auto_reply: part })))) {
    expect(answer.status).toBe(200)
  }
  expect((await bob.get('/v1/inbox')).body.auto_reply).toEqual({ ...OFF, ...Object.assign({}, ...parts) })
  const weak = bob.as(await grant(bob.id, ['read', 'send']))
  expect(await weak.patch('/v1/inbox', { auto_reply: null })).toMatchObject({
    status: 403,
    body: { error: 'insufficient_scope' },
  })
})

test('an auto-reply goes out for mail from either API, can be read in both, and is marked as automatic', async () => {
  const [ann, bob] = await Promise.all([newTenant(), newTenant()])
  await bob.patch('/v1/inbox', { auto_reply: { enabled: true, subject: 'Away', text: 'Until Monday' } })
  const { message_id } = (await email(ann).send(bob.address)).body
  const answer = await eventually(async () => (await email(ann).get('/email/inbox')).body.messages[0])
  expect(answer).toMatchObject({
    ...{ subject: 'Away', body_text: 'Until Monday', automatic: true, in_reply_to: message_id },
    from_address: bob.address,
  })
  expect((await bob.get('/v1/messages?status=read')).body.data[0]).toMatchObject({
    ...{ id: answer.message_id, direction: 'outbound', status: 'delivered', automatic: true },
  })
})
