import { expect, test } from 'vitest'
import { grant, newTenant } from '../../support/tenant.ts'

test('consent is recorded, replaced and revoked, and a mailbox that requires consent sends only with it', async () => {
  const tenant = await newTenant({ mailbox: { require_consent: 1 } })
  expect((await tenant.get('/v1/consent?recipientEmail=Dora@example.com')).body).toEqual({
    recipientEmail: 'Dora@example.com',
    hasConsent: false,
  })
  expect((await tenant.send('dora@example.com', 'd1')).body).toMatchObject({
    status: 'blocked',
    reason: 'no_consent',
  })

  const given = await tenant.post('/v1/consent', {
    recipientEmail: 'Dora@Example.com',
    basis: 'explicit_opt_in',
    source: 'signup form',
    jurisdiction: 'EU',
    grantedAt: '2026-01-02T03:04:05+01:00',
  })
  expect(given).toMatchObject({
    status: 200,
    body: {
      tenantId: tenant.id,
      recipientEmail: 'Dora@example.com',
      hasConsent: true,
      basis: 'explicit_opt_in',
      source: 'signup form',
      jurisdiction: 'EU',
      grantedAt: '2026-01-02T02:04:05.000Z',
      revokedAt: null,
    },
  })
  expect((await tenant.get('/v1/consent?recipientEmail=DORA@example.com')).body).toEqual(given.body)
  expect((await tenant.send('dora@example.com', 'd1')).body.status).toBe('queued')

  const revoked = await tenant.post('/v1/consent', {
    recipientEmail: 'dora@example.com',
    basis: 'explicit_opt_in',
    revokedAt: new Date(Date.now() - 1000).toISOString(),
  })
  expect(revoked.body).toMatchObject({ hasConsent: false, source: null })
  expect((await tenant.get('/v1/consent?recipientEmail=dora@example.com')).body).toEqual(revoked.body)
  expect((await tenant.send('dora@example.com', 'd2')).body.reason).toBe('no_consent')
  expect((await tenant.get('/v1/consent')).body.items).toHaveLength(1)
})

test('consents are listed by contact, page by page, and only for their own tenant', async () => {
  const [tenant, stranger] = [await newTenant(), await newTenant()]
  for (const name of ['carl', 'ann', 'Bob']) {
    await tenant.post('/v1/consent', { recipientEmail: `${name}@example.com`, basis: 'contractual' })
  }
  const first = await tenant.get('/v1/consent?limit=2')
  expect(first.body.items).toMatchObject([
    { recipientEmail: 'ann@example.com' },
    { recipientEmail: 'Bob@example.com' },
  ])
  const rest = await tenant.get(`/v1/consent?limit=2&cursor=${encodeURIComponent(first.body.nextCursor)}`)
  expect(rest.body).toMatchObject({ items: [{ recipientEmail: 'carl@example.com' }], nextCursor: null })
  expect((await stranger.get('/v1/consent')).body).toEqual({ items: [], nextCursor: null })
  expect((await stranger.get('/v1/consent?recipientEmail=ann@example.com')).body.hasConsent).toBe(false)

  const wrong = [
    [{ basis: 'contractual' }, 'recipientEmail'],
    [{ recipientEmail: 'a@b.de' }, 'basis'],
    [{ recipientEmail: 'a@b.de', basis: 'hope' }, 'basis'],
    [{ recipientEmail: 'a@b.de', basis: 'contractual', grantedAt: '2026' }, 'grantedAt'],
    [
      {
        recipientEmail: 'a@b.de',
        basis: 'contractual',
        grantedAt: '2026-02-01T00:00:00Z',
        revokedAt: '2026-01-01T00:00:00Z',
      },
      'revokedAt',
    ],
  ] as const
  for (const [body, field] of wrong) {
    const answer = await tenant.post('/v1/consent', body)
    expect([answer.status, answer.body.error, answer.body.field]).toEqual([400, 'invalid', field])
  }
  const reader = tenant.as(await grant(tenant.id, ['read', 'send']))
  expect((await reader.get('/v1/consent')).status).toBe(200)
  const refused = await reader.post('/v1/consent', { recipientEmail: 'a@b.de', basis: 'contractual' })
  expect(refused).toMatchObject({ status: 403, body: { error: 'insufficient_scope' } })
})
