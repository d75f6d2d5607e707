import { expect, test } from 'vitest'
import { call } from '../support/tenant.ts'

const CARRIERS = ['ses', 'resend', 'postmark', 'sendgrid', 'mailgun']

test('no carrier can report before its secret is set', async () => {
  const authorization = `Basic ${btoa('postmark:password')}`
  for (const carrier of CARRIERS)
    for (const body of ['', '{', { RecordType: 'Delivery', MessageID: 'm', Recipient: 'ada@example.com' }])
      expect(
        await call('POST', `/events/${carrier}`, { body, headers: { authorization } }),
        carrier,
      ).toMatchObject({
        status: 503,
        body: { error: 'not_configured', message: expect.any(String) },
      })
})

test('what is no report of a carrier we know is answered as any other unknown route, and nothing large is read', async () => {
  for (const [method, path] of [
    ['GET', '/events/ses'],
    ['DELETE', '/events/postmark'],
    ['POST', '/events/smtp'],
    ['POST', '/events/ses/more'],
  ] as const)
    expect(await call(method, path), `${method} ${path}`).toMatchObject({
      status: 404,
      body: { error: 'not_found', message: `There is no ${method} ${path}.` },
    })
  expect(await call('POST', '/events/ses', { body: 'x'.repeat(1_048_577) })).toMatchObject({
    status: 413,
    body: { error: 'payload_too_large' },
  })
})

test('the routes are described in the OpenAPI document, with every answer they give', async () => {
  const { body } = await call('GET', '/openapi.json')
  for (const carrier of CARRIERS) {
    const { post } = body.paths[`/events/${carrier}`]
    expect(post.tags).toEqual(['provider-events'])
    expect(Object.keys(post.responses).sort()).toEqual(['200', '401', '413', '503', 'default'])
    expect(post.requestBody.required).toBe(true)
  }
})
