import { env } from 'cloudflare:workers'
import { dereference, type Schema, validate } from '@cfworker/json-schema'
import { expect, test } from 'vitest'
import { newUnclaimed } from '../support/claim.ts'
import { type Document, requestOf, schemaOf } from '../support/examples.ts'
import { newWorld, type World } from '../support/matrix.ts'
import { peers } from '../support/peer-letter.ts'
import { call, newTenant } from '../support/tenant.ts'

/** What comes before what reads it, and what reads before what deletes. */
const ORDER = ['POST', 'PUT', 'PATCH', 'GET', 'DELETE']
const WORLDS_AT_MOST = 4

/** Where a link that was mailed or made beforehand would be needed, or a carrier's secret, the example is refused so. */
const REFUSED: Record<string, number> = {
  'POST /v1/claim/verify-email': 404,
  'GET /v1/compliance/archives/{token}': 404,
  'POST /events/ses': 503,
  'POST /events/resend': 503,
  'POST /events/postmark': 503,
  'POST /events/sendgrid': 503,
  'POST /events/mailgun': 503,
  'POST /events/stripe': 503,
}
/** What the world of the matrix has in these places is no data of ours: it writes its word into columns of few values. */
const OF_A_PLAIN_TENANT = [
  'GET /v1/agent/events',
  'GET /v1/agents/heartbeat',
  'GET /v1/billing/subscription',
  'GET /v1/bonds',
  'POST /v1/bonds',
]
/** It is the end of the tenant that asks. */
const LAST = 'POST /v1/compliance/delete'

test('every operation has an example of its request and of its answer, and its request is answered as the document says', async () => {
  const { body: document }: { body: Document } = await call('GET', '/openapi.json')
  // The validator takes an `id` in an example for the name of a schema.
  const bare: Document = JSON.parse(JSON.stringify(document), (key, value) =>
    key === 'example' ? undefined : value,
  )
  const lookup = dereference(bare as Schema)
  const routes = Object.entries(document.paths)
    .flatMap(([path, item]) => Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`))
    .sort((one, other) => rank(one) - rank(other))
  expect(routes.length).toBeGreaterThan(170)

  const worlds: Asking[] = []
  const plain = await asking(await newWorld(), await newTenant())
  const wrong: string[] = []
  for (const route of routes) {
    const lacking = lackingIn(document, route)
    if (lacking !== null) {
      wrong.push(`${route} has no example of ${lacking}`)
      continue
    }
    const told: string[] = []
    // What one world has answered once, a fresh one is asked again.
    for (let nth = 0; nth < WORLDS_AT_MOST && told.length === nth; nth++) {
      worlds[nth] ??= await asking(await newWorld())
      const by = OF_A_PLAIN_TENANT.includes(route)
        ? plain
        : route === LAST
          ? await asking(await newWorld())
          : (worlds[nth] as Asking)
      const answer = await by.ask(document, route)
      if (route === LAST) for (const each of [...worlds, plain]) each.learn(answer.body)
      const schema = schemaOf(bare, route, answer.status)
      const problems =
        schema && answer.headers.get('content-type')?.includes('/json')
          ? validate(answer.body, schema as Schema, '2020-12', lookup).errors
          : []
      const isAsked = REFUSED[route] === undefined ? answer.status < 300 : answer.status === REFUSED[route]
      if (isAsked && schema !== undefined && problems.length === 0) break
      const shown = JSON.stringify(problems.length > 0 ? problems.slice(-2) : answer.body)
      told.push(`${route} → ${answer.status}${schema === undefined ? ', not documented' : ''} ${shown}`)
    }
    if (told.length === WORLDS_AT_MOST) wrong.push(...told.slice(-1))
  }
  console.warn(`examples: ${routes.length} operations, ${worlds.length} worlds, ${wrong.length} wrong`)
  expect(wrong).toEqual([])
}, 240_000)

const rank = (route: string) =>
  route === LAST ? ORDER.indexOf('GET') - 0.5 : ORDER.indexOf(route.split(' ')[0] ?? '')

/** Which part of an operation has no example: its request, or each answer in JSON that is no error. */
function lackingIn(document: Document, route: string): string | null {
  const [method = '', path = ''] = route.split(' ')
  const {
    parameters = [],
    requestBody,
    responses,
  } = document.paths[path]?.[method.toLowerCase()] ?? { responses: {} }
  const parameter = parameters.find(({ required, example }) => required && example === undefined)
  if (parameter) return `the parameter ${parameter.name}`
  const [sent] = Object.values(requestBody?.content ?? {})
  if (sent && sent.example === undefined) return 'its request'
  const answered = Object.entries(responses).find(([status, answer]) => {
    const json = answer?.content?.['application/json']
    return status.startsWith('2') && json && json.example === undefined
  })
  return answered ? `the answer ${answered[0]}` : null
}

type Asking = Awaited<ReturnType<typeof asking>>

/** Who asks by the examples: a world with its keys, in the names that the examples have for its things. */
async function asking(world: World, tenant = world.tenant) {
  const ids =
    tenant === world.tenant ? world.ids : { ...world.ids, tenantId: tenant.id, agentId: tenant.agentId }
  const { body: credential } = await call('POST', '/v1/smtp-credentials', { key: tenant.key, body: {} })
  const unclaimed = await newUnclaimed()
  let deletionToken: string | null = null
  const others: Record<string, string> = {
    'outreach-agent@moltpost.test': tenant.address,
    'outreach-agent%40moltpost.test': encodeURIComponent(tenant.address),
    'https://hooks.example.com/moltpost': `${peers.webhooks}/examples`,
  }
  const account = { 'outreach-agent': tenant.address.split('@')[0] ?? '' }
  /** What in one operation stands for another thing than elsewhere. */
  const inOne: Record<string, Record<string, string>> = {
    'POST /v1/claim/{token}': { c2hvd24gb25jZQ: unclaimed.token },
    'POST /v1/agent/sends/{requestId}/resolve': { req_abc123: ids.unknownId },
    'DELETE /v1/agent/mailboxes/{mailboxId}': { mbx_abc123: ids.spareMailboxId },
    'POST /admin/email/accounts/{agent_id}/freeze': account,
    'POST /admin/email/accounts/{agent_id}/unfreeze': account,
  }
  /** What must be so before an operation can do its work. */
  const before: Record<string, () => Promise<unknown>> = {
    'POST /v1/messages/{id}/reply': () =>
      call('DELETE', `/v1/suppressions/${ids.suppressionId}`, { key: tenant.ownerKey }),
    'POST /admin/bonds/{id}/capture': postBond,
    'POST /admin/bonds/{id}/release': postBond,
  }
  async function postBond() {
    const { ownerKey } = await newTenant()
    const { body } = await call('POST', '/v1/bonds', { key: ownerKey, body: { tier: 'growth' } })
    others.bond_abc123 = body.id
  }
  return {
    /** Takes the id and the token of a deletion for those of the examples. */
    learn(deletion: { request_id: string; status_token: string }) {
      others.era_abc123 = deletion.request_id
      deletionToken = deletion.status_token
    },
    async ask(document: Document, route: string) {
      await before[route]?.()
      const [method = '', pattern = ''] = route.split(' ')
      const request = requestOf(document, route, ids, { ...others, ...inOne[route] })
      const [scheme] = Object.keys(document.paths[pattern]?.[method.toLowerCase()]?.security?.[0] ?? {})
      const basic = btoa(`${credential.username}:${credential.password}`)
      const keys: Record<string, string | null | undefined> = {
        bearer: tenant.ownerKey,
        operator: env.OPERATOR_KEY,
        smtp: null,
      }
      const key = scheme === undefined ? (pattern.includes('/delete/') ? deletionToken : null) : keys[scheme]
      const headers = {
        ...request.headers,
        ...(scheme === 'smtp' ? { authorization: `Basic ${basic}` } : {}),
      }
      return await call(method, request.path, { key: key ?? null, body: request.body, headers })
    },
  }
}
