import { expect, test } from 'vitest'
import { call, newTenant } from '../support/tenant.ts'

const at = new Date(Date.now() + 3_600_000).toISOString()
const outbox = async (to: string) => (await call('GET', `/dev/outbox?to=${to}`)).body.items

test('an unknown field of a credential, a limit or a policy is refused by name, with the nearest real one', async () => {
  const { owner, post, patch, mailboxId } = await newTenant()
  const refused = async (
    answer: Promise<{ status: number; body: unknown }>,
    field: string,
    meant: string,
  ) => {
    const { status, body } = await answer
    expect({ field, status }).toEqual({
      field,
      status: expect.toSatisfy((code) => code === 400 || code === 422),
    })
    expect(JSON.stringify(body)).toContain(field)
    expect(JSON.stringify(body)).toContain(`Did you mean \\"${meant}\\"?`)
  }
  const keys = '/v1/agent/keys'
  await refused(owner.post(keys, { permission: ['read'] }), 'permission', 'permissions')
  await refused(owner.post(keys, { expires_at: at }), 'expires_at', 'expiresAt')
  await refused(owner.post(keys, { scopes: [] }), 'scopes', 'mailboxScopes')
  const scope = { mailboxId, permission: ['read'], permissions: ['read'] }
  await refused(owner.post(keys, { mailboxScopes: [scope] }), 'mailboxScopes.0.permission', 'permissions')
  await refused(
    owner.patch(`/v1/agent/mailboxes/${mailboxId}`, { daily_limit: 1 }),
    'daily_limit',
    'dailyLimit',
  )
  await refused(owner.patch('/v1/agent/config/settings', { cooldown: 1 }), 'cooldown', 'cooldownMinutes')
  await refused(owner.patch('/v1/oversight/dlp', { Mode: 'block' }), 'Mode', 'mode')
  await refused(
    post('/v1/webhooks', { url: 'https://a.example', eventTypes: [] }),
    'eventTypes',
    'event_types',
  )
  await refused(patch('/v1/webhooks/wh_x', { active: false }), 'active', 'is_active')
  const nothing = await post('/v1/smtp-credentials', { readOnly: true })
  expect(nothing).toMatchObject({
    status: 422,
    body: { message: expect.stringContaining('Its fields here: name') },
  })
  expect((await owner.get(keys)).body.items).toHaveLength(2)
})

test('a near miss of a field of a send is refused at every door, and nothing leaves; other unknown fields are dropped', async () => {
  const tenant = await newTenant()
  const file = [{ filename: 'a.txt', content_base64: btoa('a') }]
  const doors: [string, (to: string) => object, number][] = [
    [
      '/v1/agent/request-send',
      (to) => ({ recipientEmail: to, templateId: 'welcome', dedupeKey: to, payload: { firstName: 'Ann' } }),
      400,
    ],
    ['/v1/messages', (to) => ({ to, subject: 'S', text: 'T' }), 422],
    ['/email/send', (to) => ({ to: [to], subject: 'S', body_text: 'T' }), 422],
  ]
  const slips = [
    { scheduled_at: at },
    { send_at: at },
    { sendAt: at },
    { attachment: file },
    { dryRun: true },
  ]
  for (const [path, body, status] of doors) {
    const to = `slip${path.replaceAll('/', '-')}@example.com`
    for (const slip of slips) {
      const [name = ''] = Object.keys(slip)
      const answer = await tenant.post(path, { ...body(to), ...slip })
      expect({ path, name, status: answer.status }).toEqual({ path, name, status })
      expect(JSON.stringify(answer.body)).toContain(`${name}: is not a field of this request.`)
    }
    expect(await outbox(to)).toEqual([])
    const sent = await tenant.post(path, { ...body(to), metadata: { a: 1 } })
    expect(sent.status).toBeLessThan(300)
  }
  const item = { recipientEmail: 'b@example.com', dedupeKey: 'b', sendat: at }
  const batch = await tenant.post('/v1/agent/batch/request-send', { templateId: 'welcome', sends: [item] })
  expect(batch.body.results).toMatchObject([
    { status: 'error', message: expect.stringContaining('Did you mean "scheduledAt"?') },
  ])
})
