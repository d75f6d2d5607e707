import { env, exports } from 'cloudflare:workers'
import { expect, onTestFinished, test } from 'vitest'
import { sql } from '../support/matrix-dump.ts'
import { eventually, newTenant } from '../support/tenant.ts'
import { newEndpoint } from '../support/webhooks.ts'

type ApprovalEvent = { type: string; data: { request_id: string; approval_queue_id: string; status: string } }

/** The list of a stream's events, which grows while the test runs. */
async function listen(key: string): Promise<ApprovalEvent[]> {
  const response = await exports.default.fetch('http://moltpost.test/v1/agent/events/stream', {
    headers: { authorization: `Bearer ${key}` },
  })
  const reader = (response.body as ReadableStream<Uint8Array>)
    .pipeThrough(new TextDecoderStream())
    .getReader()
  onTestFinished(() => reader.cancel().catch(() => {}))
  const events: ApprovalEvent[] = []
  let text = ''
  void (async () => {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      const lines = `${text}${value}`.split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) if (line.startsWith('data: ')) events.push(JSON.parse(line.slice(6)))
    }
  })().catch(() => {})
  return events
}

test('polling, webhook and stream all report whether a held send was approved, rejected or expired', async () => {
  const tenant = await newTenant({ mailbox: { autonomy: 'review' } })
  const endpoint = await newEndpoint()
  const types = ['approval.pending', 'approval.decided', 'approval.expired']
  const made = await tenant.post('/v1/webhooks', { url: endpoint.url, event_types: types })
  expect(made.status).toBe(201)
  const streamed = await listen(tenant.key)

  const names = ['approved', 'rejected', 'expired']
  const sends = await Promise.all(names.map((name) => tenant.send(`${name}@example.com`, name)))
  expect(sends.map(({ body }) => body.status)).toEqual(names.map(() => 'pending_approval'))
  const ids = sends.map(({ body }) => ({
    request_id: body.requestId,
    approval_queue_id: body.approvalQueueId,
  }))
  const [approved, rejected, expired] = ids
  await eventually(async () => {
    const path = `/v1/send/approvals/${approved?.approval_queue_id}`
    const { status } = await tenant.owner.patch(path, { decision: 'approved' })
    return status === 200 ? true : undefined
  })
  await tenant.owner.patch(`/v1/send/approvals/${rejected?.approval_queue_id}`, {
    decision: 'rejected',
    reason: 'no',
  })
  await eventually(async () => {
    const row = await env.DB.prepare('SELECT rendered_key FROM sends WHERE id = ?1')
      .bind(expired?.request_id)
      .first()
    return row?.rendered_key ? true : undefined
  })
  await sql('UPDATE approvals SET expires_at = 1 WHERE id = ?1', expired?.approval_queue_id)
  await sql('UPDATE sends SET next_at = 1 WHERE id = ?1', expired?.request_id)

  const outcomes = ['delivered', 'rejected', 'rejected']
  for (const [position, { request_id: id, approval_queue_id: approvalId }] of ids.entries()) {
    const polled = await eventually(async () => {
      const { body } = await tenant.get(`/v1/agent/sends/${id}`)
      return body.status === outcomes[position] ? body : undefined
    })
    expect(polled).toMatchObject({ requestId: id, approvalQueueId: approvalId })
  }
  const expected = [
    ...ids.map((each) => ({ type: 'approval.pending', data: { ...each, status: 'pending' } })),
    { type: 'approval.decided', data: { ...approved, status: 'approved' } },
    { type: 'approval.decided', data: { ...rejected, status: 'rejected' } },
    { type: 'approval.expired', data: { ...expired, status: 'expired' } },
  ]
  const heard = await eventually(async () => {
    const events = (await endpoint.heard()).map(({ body }) => JSON.parse(body) as ApprovalEvent)
    return events.length >= expected.length ? events : undefined
  })
  const inOrder = (events: ApprovalEvent[]) =>
    events
      .map(({ type, data }) => JSON.stringify([type, data.request_id, data.approval_queue_id, data.status]))
      .sort()
  const wanted = inOrder(expected as ApprovalEvent[])
  expect(inOrder(heard)).toEqual(wanted)
  expect(inOrder(streamed.filter(({ type }) => types.includes(type)))).toEqual(wanted)
})
