import { expect, test } from 'vitest'
import { call } from '../../support/tenant.ts'

/** All operations of the published document, with their statuses. */
const PUBLISHED: [operation: string, statuses: number[]][] = [
  ['POST /agents/register', [201]],
  ['GET /agents/me', [200, 401]],
  ['GET /agents/heartbeat', [200, 401]],
  ['GET /messages', [200, 401]],
  ['POST /messages', [202, 401, 402, 422]],
  ['GET /messages/{id}', [200, 404]],
  ['DELETE /messages/{id}', [204]],
  ['POST /messages/{id}/reply', [202, 402, 422]],
  ['GET /threads', [200]],
  ['GET /threads/{id}', [200]],
  ['PATCH /threads/{id}', [200]],
  ['GET /inbox', [200]],
  ['PATCH /inbox', [200]],
  ['GET /search', [200]],
  ['GET /agents/me/memory', [200]],
  ['GET /agents/me/memory/{key}', [200, 404]],
  ['PUT /agents/me/memory/{key}', [200]],
  ['DELETE /agents/me/memory/{key}', [204]],
  ['POST /agents/me/memory/search', [200]],
  ['GET /webhooks', [200]],
  ['POST /webhooks', [201, 422]],
  ['GET /webhooks/{id}', [200]],
  ['PATCH /webhooks/{id}', [200]],
  ['DELETE /webhooks/{id}', [204]],
  ['POST /webhooks/{id}/test', [200]],
  ['POST /webhooks/{id}/rotate-secret', [200]],
  ['GET /smtp-credentials', [200]],
  ['POST /smtp-credentials', [201]],
  ['GET /custom-domains', [200]],
  ['POST /custom-domains', [201]],
  ['POST /custom-domains/{id}/verify', [200]],
  ['POST /custom-domains/{id}/attach', [200]],
  ['GET /bonds', [200]],
  ['POST /bonds', [201]],
  ['GET /oversight/dlp', [200]],
  ['PATCH /oversight/dlp', [200]],
  ['POST /compliance/export', [202]],
  ['POST /compliance/delete', [202]],
  ['GET /compliance/audit-log', [200]],
  ['GET /registry/reputation/{agent_id}', [200, 404]],
  ['GET /billing/subscription', [200]],
  ['POST /billing/checkout', [200]],
  ['POST /billing/portal', [200]],
]
/** The operations without a key. */
const PUBLIC = ['POST /agents/register', 'GET /registry/reputation/{agent_id}']

test('our document has all 43 published operations with all their statuses, and requires a key for the same ones', async () => {
  const { body } = await call('GET', '/openapi/mailmolt.json')
  expect(body.openapi).toBe('3.1.0')
  expect(PUBLISHED).toHaveLength(43)
  const missing: string[] = []
  for (const [operation, statuses] of PUBLISHED) {
    const [method = '', path = ''] = operation.split(' ')
    const ours = body.paths[path]?.[method.toLowerCase()]
    if (!ours) {
      missing.push(operation)
      continue
    }
    for (const status of statuses) if (!ours.responses[status]) missing.push(`${operation} ${status}`)
    expect([operation, (ours.security ?? []).length === 0]).toEqual([operation, PUBLIC.includes(operation)])
    expect([operation, typeof ours.summary]).toEqual([operation, 'string'])
  }
  expect(missing).toEqual([])
})
