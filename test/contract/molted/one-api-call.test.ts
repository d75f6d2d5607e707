import { expect, test } from 'vitest'
import { call, newTenant } from '../../support/tenant.ts'

test('a send is queued, rendered and delivered', async () => {
  const tenant = await newTenant()
  const sent = await tenant.send('alice@example.com', 'k1')
  expect(sent).toMatchObject({ status: 200, body: { status: 'queued' } })
  const trace = await tenant.settled(sent.body.requestId)
  expect(trace).toMatchObject({ status: 'delivered' })
  expect((await call('GET', '/dev/outbox?to=alice@example.com')).body.items.length).toBeGreaterThan(0)
})
