import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { grant, newTenant } from '../../support/tenant.ts'

test('a suppressed address gets no mail until its suppression is removed', async () => {
  const tenant = await newTenant()
  const added = await tenant.post('/v1/suppressions', { recipientEmail: ' Ann@Example.com ' })
  expect(added).toMatchObject({
    status: 200,
    body: {
      tenantId: tenant.id,
      recipientEmail: 'Ann@example.com',
      scope: 'tenant',
      reasonCode: 'manual_dnc',
      campaignId: null,
      source: null,
      expiresAt: null,
    },
  })
  const again = await tenant.post('/v1/suppressions', {
    recipientEmail: 'ann@EXAMPLE.com',
    reasonCode: 'legal_request',
    source: 'letter of 3 March',
  })
  expect(again.body).toMatchObject({
    id: added.body.id,
    reasonCode: 'legal_request',
    source: 'letter of 3 March',
  })
  expect((await tenant.get('/v1/suppressions')).body.items).toEqual([again.body])

  const check = await tenant.get('/v1/suppressions/check?recipientEmail=ANN@example.com')
  expect(check).toMatchObject({
    status: 200,
    body: { suppressed: true, scope: 'tenant', reasonCode: 'legal_request', expiresAt: null },
  })
  const blocked = await tenant.send('ann@example.com', 'k')
  expect(blocked.body).toMatchObject({ status: 'blocked', reason: 'suppressed' })

  expect((await tenant.owner.del(`/v1/suppressions/${added.body.id}`)).body).toMatchObject({
    id: added.body.id,
    deleted: true,
  })
  expect((await tenant.del(`/v1/suppressions/${added.body.id}`)).status).toBe(404)
  expect((await tenant.get('/v1/suppressions/check?recipientEmail=ann@example.com')).body).toEqual({
    recipientEmail: 'ann@example.com',
    suppressed: false,
  })
  expect((await tenant.send('ann@example.com', 'k')).body.status).toBe('queued')
})

test('global suppressions win over those of the tenant, and these over those of a campaign', async () => {
  const tenant = await newTenant()
  const check = async (query: string) =>
    (await tenant.get(`/v1/suppressions/check?recipientEmail=carl@example.com${query}`)).body

  const campaign = { recipientEmail: 'carl@example.com', scope: 'campaign' }
  expect((await tenant.post('/v1/suppressions', campaign)).body).toMatchObject({ field: 'campaignId' })
  const unfit = { recipientEmail: 'carl@example.com', campaignId: 'spring' }
  expect((await tenant.post('/v1/suppressions', unfit)).body).toMatchObject({ field: 'campaignId' })
  await tenant.post('/v1/suppressions', { ...campaign, campaignId: 'spring', reasonCode: 'no_engagement' })
  expect(await check('')).toMatchObject({ suppressed: false })
  expect(await check('&campaignId=autumn')).toMatchObject({ suppressed: false })
  expect(await check('&campaignId=spring')).toMatchObject({ scope: 'campaign', reasonCode: 'no_engagement' })
  expect((await tenant.send('carl@example.com', 'c1', { campaignId: 'spring' })).body.reason).toBe(
    'suppressed',
  )
  expect((await tenant.send('carl@example.com', 'c2')).body.status).toBe('queued')

  const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
  await tenant.post('/v1/suppressions', { recipientEmail: 'carl@example.com', expiresAt })
  expect(await check('&campaignId=spring')).toMatchObject({ scope: 'tenant', expiresAt })

  const global = await tenant.post('/v1/suppressions', {
    recipientEmail: 'carl@example.com',
    scope: 'global',
  })
  expect(global).toMatchObject({ status: 403, body: { error: 'global_scope_not_allowed' } })
  await env.DB.prepare(
    `INSERT INTO suppressions (tenant_id, contact, scope, id, email, reason_code, created_at)
     VALUES (?1, 'carl@example.com', 'global', 'sup_event', 'carl@example.com', 'hard_bounce', ?2)`,
  )
    .bind(tenant.id, Date.now())
    .run()
  expect(await check('&campaignId=spring')).toMatchObject({ scope: 'global', reasonCode: 'hard_bounce' })

  const refused = await tenant.del('/v1/suppressions/sup_event')
  expect(refused).toMatchObject({ status: 403, body: { error: 'human_decision_required', id: 'sup_event' } })
  expect((await tenant.owner.del('/v1/suppressions/sup_event')).status).toBe(200)
  expect(await check('')).toMatchObject({ scope: 'tenant' })

  const list = await tenant.get('/v1/suppressions?recipientEmail=CARL@example.com&limit=1')
  expect(list.body.items).toMatchObject([{ scope: 'tenant' }])
  const rest = await tenant.get(
    `/v1/suppressions?recipientEmail=carl@example.com&limit=1&cursor=${list.body.nextCursor}`,
  )
  expect(rest.body.items).toMatchObject([{ scope: 'campaign', campaignId: 'spring' }])
  const campaigns = await tenant.get('/v1/suppressions?scope=campaign')
  expect(campaigns.body.items).toHaveLength(1)
})

test('a suppression belongs to its tenant, and an invalid one is refused with the reason', async () => {
  const [tenant, stranger] = [await newTenant(), await newTenant()]
  const { body: added } = await tenant.post('/v1/suppressions', { recipientEmail: 'ann@example.com' })
  expect((await stranger.get('/v1/suppressions')).body.items).toEqual([])
  expect((await stranger.del(`/v1/suppressions/${added.id}`)).status).toBe(404)
  const free = await stranger.get('/v1/suppressions/check?recipientEmail=ann@example.com')
  expect(free.body.suppressed).toBe(false)

  const wrong = [
    [{ recipientEmail: 'not an address' }, 'recipientEmail'],
    [{}, 'recipientEmail'],
    [{ recipientEmail: 'a@b.de', reasonCode: 'mood' }, 'reasonCode'],
    [{ recipientEmail: 'a@b.de', scope: 'planet' }, 'scope'],
    [{ recipientEmail: 'a@b.de', expiresAt: 'tomorrow' }, 'expiresAt'],
    [{ recipientEmail: 'a@b.de', expiresAt: '2020-01-01T00:00:00Z' }, 'expiresAt'],
  ] as const
  for (const [body, field] of wrong) {
    const answer = await tenant.post('/v1/suppressions', body)
    expect([answer.status, answer.body.error, answer.body.field]).toEqual([400, 'invalid', field])
  }
  expect((await tenant.get('/v1/suppressions/check')).body).toMatchObject({ field: 'recipientEmail' })

  const reader = tenant.as(await grant(tenant.id, ['read']))
  expect((await reader.post('/v1/suppressions', { recipientEmail: 'a@b.de' })).status).toBe(403)
  expect((await reader.get('/v1/suppressions')).status).toBe(200)
})
