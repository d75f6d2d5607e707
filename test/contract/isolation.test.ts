import { expect, test } from 'vitest'
import {
  ENTRIES,
  type Entry,
  type Ids,
  idsOf,
  isShared,
  newWorld,
  probe,
  secondAgent,
  unlike,
  type World,
} from '../support/matrix.ts'
import { dumpTenant, NEVER_SEEDED, quiet } from '../support/matrix-dump.ts'
import { undocumentedRoutes } from '../support/matrix-routes.ts'
import { call, grant } from '../support/tenant.ts'

/** Pages of local development, each open to everyone who has its address. */
const LOCAL_PAGES = ['GET /dev/checkout/{id}', 'POST /dev/checkout/{id}', 'GET /dev/billing/{customerId}']

/** Open to anybody, and about nobody: they are no part of the matrix. */
const ABOUT_NOBODY = [
  'GET /health',
  'GET /ready',
  'GET /openapi.json',
  'GET /dev/outbox',
  'GET /dev/sign-in',
  ...LOCAL_PAGES,
]

/** Open to everyone who has a sealed link, and tested with it. */
const BY_SEALED_LINK = ['u', 'claim', 'verify'].flatMap((area) => [
  `GET /${area}/{token}`,
  `POST /${area}/{token}`,
])

const guarded = Object.entries(ENTRIES).filter(
  ([, { needs }]) => needs !== 'open' && needs !== 'operator' && needs !== 'smtp',
)

/** The scheme of the credential that a route declares to need. */
const schemes = ({ needs }: Entry) =>
  needs === 'open' ? [] : [needs === 'operator' || needs === 'smtp' ? { [needs]: [] } : { bearer: [] }]

const GARBAGE = [
  'garbage',
  `mm_live_${'A'.repeat(49)}`,
  `test-${crypto.randomUUID()}`,
  "' OR 1=1 --",
  '%00',
  'null',
]

test('the matrix covers every documented route, every entry is a route, and no route goes undocumented', async () => {
  const { body } = await call('GET', '/openapi.json')
  const documented = Object.entries(body.paths as Record<string, Record<string, unknown>>).flatMap(
    ([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  expect(Object.keys(ENTRIES).sort()).toEqual(documented.sort())
  expect(await undocumentedRoutes([...documented, ...ABOUT_NOBODY, ...BY_SEALED_LINK])).toEqual([])
  for (const [route, entry] of Object.entries(ENTRIES)) {
    const [method = '', path = ''] = route.split(' ')
    const operation = body.paths[path][method.toLowerCase()]
    expect({ route, security: operation.security ?? [] }).toEqual({
      route,
      security: schemes(entry),
    })
  }
})

test('every request of the matrix is valid: its owner gets the expected answer', async () => {
  // What only reads may share a world.
  const shared = await newWorld()
  for (let at = 0; at < guarded.length; at += 8) {
    await Promise.all(
      guarded.slice(at, at + 8).map(async ([route, entry]) => {
        const world = route.startsWith('GET ') ? shared : await newWorld()
        const answer = await probe(route, entry.request(world.ids), {
          key: world.key,
          headers: asAgent(entry, world),
        })
        expect({ route, status: [200, 201, 202, 204].includes(answer.status) || answer.status }).toEqual({
          route,
          status: true,
        })
        expect(answer.body.status).not.toBe('blocked')
      }),
    )
  }
}, 300_000)

test('no row and no word of a tenant reaches a caller who is not entitled to it, on any route by any id', async () => {
  const [a, b] = await Promise.all([newWorld(), newWorld()])
  const lacking = await keysThatLack(a)
  await quiet()
  const before = await dumpTenant(a.ids.tenantId)
  for (const [table, rows] of before) {
    expect({ table, isSeeded: rows.length > 0 }).toEqual({ table, isSeeded: !NEVER_SEEDED.includes(table) })
  }
  const probes: Probed[] = []
  for (const [route, entry] of guarded) {
    const batch = await Promise.all([
      ...withoutStanding(route, entry, a),
      ...withWrongPermission(route, entry, a, lacking),
      ...withOtherScope(route, entry, a),
      ...asOtherTenant(route, entry, a, b),
    ])
    probes.push(...batch.flat())
  }

  const secrets = [...Object.values(a.ids), a.canary, a.tenant.address, a.tenant.key, a.key]
  const leaks = probes.filter(({ shown, asked, who, mayTell }) => {
    if (mayTell) return false
    // A refusal may tell the tenant's own keys which mailbox they lack.
    const mayHear = who.startsWith('a key') ? [a.ids.mailboxId] : []
    // What the caller said himself may be said back to him.
    const told = secrets
      .filter((secret) => asked.includes(secret) || mayHear.includes(secret))
      .reduce((text, word) => text.replaceAll(word, ''), shown)
    return secrets.some((secret) => told.includes(secret))
  })
  const wrong = probes.filter(({ isAsExpected }) => !isAsExpected)
  await quiet()
  const after = await dumpTenant(a.ids.tenantId)
  const routes = Object.keys(ENTRIES).length
  console.warn(
    `isolation: ${probes.length} probes on ${routes} routes, ${leaks.length} leaks, ${wrong.length} wrong answers`,
  )
  expect({ leaks: leaks.map(describe), wrong: wrong.map(describe) }).toEqual({ leaks: [], wrong: [] })
  expect(Object.fromEntries(after)).toEqual(Object.fromEntries(before))
  expect(probes.length).toBeGreaterThan(900)
}, 300_000)

type Answered = Awaited<ReturnType<typeof probe>>
type Probed = Answered & { who: string; isAsExpected: boolean; mayTell: boolean }

const describe = ({ who, asked, status, shown }: Probed) =>
  `${who}: ${asked} → ${status} ${shown.slice(0, 300)}`

/** No key, a garbled one, one that is well formed and nobody's, a revoked and an expired one: all are told the same. */
function withoutStanding(route: string, entry: Entry, a: World): Promise<Probed>[] {
  const keys: [string, string | null][] = [
    ['no key', null],
    ['the empty key', ''],
    ...GARBAGE.map((key): [string, string] => ['a garbage key', key]),
    ['a revoked key', a.keys.revoked],
    ['an expired key', a.keys.expired],
  ]
  const named = { where: 'query', tenantId: a.ids.tenantId } as const
  const ways = keys.flatMap(([who, key]) => [
    { who, key, with: { header: 'authorization' as const } },
    { who, key, with: { header: 'x-api-key' as const, ...(key === a.keys.revoked ? { named } : {}) } },
  ])
  return ways.map(async ({ who, key, with: more }): Promise<Probed> => {
    const answer = await probe(route, entry.request(a.ids), { key, ...more })
    const isAsExpected = answer.status === 401 && answer.body.error === 'unauthorized'
    return { ...answer, who, isAsExpected, mayTell: false }
  })
}

const OTHERS = {
  read: [['send'], ['approve']],
  send: [['read'], ['approve'], ['read', 'approve']],
  manage: [['read'], ['send'], ['read', 'send', 'approve']],
  approve: [['manage'], ['read', 'send', 'manage']],
} as const

type Lacking = { permissions: string; isScoped: boolean; key: string }

/** Keys of the tenant with each of these sets of permissions, for the whole tenant and for its mailbox alone. */
async function keysThatLack(a: World): Promise<Lacking[]> {
  const sets = [
    ...new Map(
      Object.values(OTHERS)
        .flat()
        .map((set) => [set.join(), set]),
    ).values(),
  ]
  return await Promise.all(
    sets.flatMap((permissions) =>
      [null, [{ mailboxId: a.ids.mailboxId, permissions }]].map(async (scopes): Promise<Lacking> => {
        const key = await grant(a.ids.tenantId, [...permissions], scopes)
        return { permissions: permissions.join(), isScoped: scopes !== null, key }
      }),
    ),
  )
}

/** The rows of a list, in either surface's words. */
const rowsOf = (body: { items?: Record<string, unknown>[]; data?: Record<string, unknown>[] }) =>
  body.items ?? body.data

/** A key of the tenant itself that lacks what the route needs. */
function withWrongPermission(route: string, entry: Entry, a: World, keys: Lacking[]): Promise<Probed>[] {
  const { needs, scoped } = entry
  if (needs === null || needs === 'open' || needs === 'operator' || needs === 'smtp') return []
  const sets: string[] = OTHERS[needs].map((permissions) => permissions.join())
  const lacking = keys.filter(({ permissions }) => sets.includes(permissions))
  return lacking.map(async ({ permissions, isScoped, key }): Promise<Probed> => {
    const answer = await probe(route, entry.request(a.ids), { key })
    const isEmpty = scoped === 'filtered' && isScoped && rowsOf(answer.body)?.length === 0
    const codes = isScoped ? ['insufficient_scope', 'mailbox_scope_denied'] : ['insufficient_scope']
    const isAsExpected = isEmpty || (answer.status === 403 && codes.includes(answer.body.error))
    return { ...answer, who: `a key with ${permissions}`, isAsExpected, mayTell: false }
  })
}

/** A key of the tenant itself whose scope is another mailbox. */
function withOtherScope(route: string, entry: Entry, a: World): Promise<Probed>[] {
  if (entry.scoped === 'shared') return []
  return (['authorization', 'x-api-key'] as const).map(async (header): Promise<Probed> => {
    const key = a.keys.elsewhere
    const answer = await probe(route, entry.request(a.ids), { key, header })
    const isRefused =
      answer.status === 403 && ['mailbox_scope_denied', 'insufficient_scope'].includes(answer.body.error)
    const isFiltered =
      answer.status === 200 &&
      (rowsOf(answer.body) ?? [{ id: a.ids.mailboxId }]).every(
        (item) => ![item.id, item.mailboxId, item.mailbox_id].includes(a.ids.mailboxId),
      )
    const isAsExpected =
      entry.scoped === 'own' ? answer.status === 200 : entry.scoped === 'filtered' ? isFiltered : isRefused
    return { ...answer, who: 'a key of another mailbox', isAsExpected, mayTell: entry.scoped !== undefined }
  })
}

/** Another tenant's full key: with A's tenantId, with all of A's ids, and with each of A's ids among its own. */
function asOtherTenant(route: string, entry: Entry, a: World, b: World): Promise<Probed[]>[] {
  const hasBody = entry.request(b.ids).body !== undefined
  const places = hasBody ? (['query', 'body'] as const) : (['query'] as const)
  const mismatched = places.flatMap((where) =>
    [a.ids, b.ids].map(async (ids): Promise<Probed[]> => {
      const named = { where, tenantId: a.ids.tenantId }
      const answer = await probe(route, entry.request(ids), { key: b.key, named })
      const isAsExpected = answer.status === 403 && answer.body.error === 'tenant_mismatch'
      return [{ ...answer, who: `another tenant naming A in the ${where}`, isAsExpected, mayTell: false }]
    }),
  )
  const borne = idsOf(entry, a.ids)
  const together = borne.length === 1 || entry.once || entry.endsTenant ? [] : [borne]
  const foreign = [...borne.map((name) => [name]), ...together].map((names) =>
    foreignLikeUnknown(route, entry, a, b, names),
  )
  return [...mismatched, ...foreign]
}

/** A's ids must be answered to B exactly as ids that nobody has. */
async function foreignLikeUnknown(
  route: string,
  entry: Entry,
  a: World,
  b: World,
  names: (keyof Ids)[],
): Promise<Probed[]> {
  const pick = (of: (name: keyof Ids) => string): Ids => ({
    ...b.ids,
    ...Object.fromEntries(names.map((name) => [name, of(name)])),
  })
  const theirs = pick((name) => a.ids[name])
  const nobodys = pick((name) => unlike(a.ids[name]))
  const caller = { key: b.key, headers: asAgent(entry, b) }
  const foreign = await probe(route, entry.request(theirs), caller)
  const unknown = await probe(route, entry.request(nobodys), caller)
  const isAsExpected =
    foreign.status === unknown.status && plain(foreign, theirs, names) === plain(unknown, nobodys, names)
  const who = `another tenant naming A's ${names.join(', ') || 'nothing'}`
  return [
    { ...foreign, who, isAsExpected, mayTell: false },
    { ...unknown, who: 'another tenant naming what nobody has', isAsExpected: true, mayTell: false },
  ]
}

const asAgent = (entry: Entry, { ids }: Pick<World, 'ids'>): Record<string, string> =>
  entry.ofAgent ? { 'x-agent-id': ids.agentId } : {}

/** An answer without the ids that were asked for, and without what is new in each answer. */
const plain = (answer: Answered, ids: Ids, names: (keyof Ids)[]) =>
  names
    .reduce((text, name) => text.replaceAll(ids[name].split(':')[0] ?? '', '<id>'), answer.shown)
    .replace(/[a-z]+_[0-9a-z]{36}/g, '<new id>')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replace(/(m-)?[0-9a-f]{8}-[0-9a-f-]{27}|canary_[0-9a-f]{32}/g, '<new id>')
    .replace(/"(keyPrefix|rawKey|secret|secretPrefix|password)":"[^"]+"/g, '')

/** Words that the agents of a tenant share: the first agent's name and templates have the canary in them. */
const SHARED_IDS: (keyof Ids)[] = ['tenantId', 'templateId', 'templateSlug', 'versionId', 'contact']

test('no row and no word of an agent reaches another agent of its tenant, on any route by any id', async () => {
  const a = await newWorld()
  const second = await secondAgent(a)
  await quiet()
  const before = await dumpTenant(a.ids.tenantId)
  const probes: Probed[] = []
  for (const [route, entry] of guarded.filter(([route]) => !isShared(route))) {
    const borne = idsOf(entry, a.ids).filter((name) => !SHARED_IDS.includes(name))
    const sets = [...borne.map((name) => [name]), ...(borne.length === 1 || entry.once ? [] : [borne])]
    probes.push(
      ...(await Promise.all(sets.map((names) => asOtherAgent(route, entry, a, second, names)))).flat(),
    )
  }
  const secrets = Object.entries(a.ids).flatMap(([name, id]) =>
    SHARED_IDS.includes(name as keyof Ids) ? [] : [id],
  )
  const leaks = probes.filter(({ shown, asked, who }) => {
    // What the caller said itself may be said back to it.
    const told = secrets
      .filter((each) => asked.includes(each))
      .reduce((text, id) => text.replaceAll(id, ''), shown)
    return [...secrets, a.canary, a.tenant.address].some(
      (secret) => told.includes(secret) && !(who.includes('agentId') && secret === a.canary),
    )
  })
  const wrong = probes.filter(({ isAsExpected }) => !isAsExpected)
  await quiet()
  const after = await dumpTenant(a.ids.tenantId)
  const lost = [...before].flatMap(([table, rows]) => {
    // The end of the audit log moves on with the entries of the second agent.
    if (table === 'audit_heads') return []
    const kept = new Set(after.get(table)?.map((row) => JSON.stringify(row)))
    return rows
      .map((row) => JSON.stringify(row))
      .filter(
        (row) => !kept.has(row) && !row.includes(second.ids.agentId) && !row.includes(second.ids.mailboxId),
      )
      .map((row) => `${table}: ${row.slice(0, 300)}`)
  })
  console.warn(`agents: ${probes.length} probes, ${leaks.length} leaks, ${wrong.length} wrong answers`)
  expect({ leaks: leaks.map(describe), wrong: wrong.map(describe), lost }).toEqual({
    leaks: [],
    wrong: [],
    lost: [],
  })
  expect(probes.length).toBeGreaterThan(250)
}, 300_000)

/** The first agent's ids must be answered to the second exactly as ids that nobody has. */
async function asOtherAgent(
  route: string,
  entry: Entry,
  a: World,
  second: Awaited<ReturnType<typeof secondAgent>>,
  names: (keyof Ids)[],
): Promise<Probed[]> {
  const pick = (of: (name: keyof Ids) => string): Ids => ({
    ...second.ids,
    ...Object.fromEntries(names.map((name) => [name, of(name)])),
  })
  const theirs = pick((name) => a.ids[name])
  const nobodys = pick((name) => unlike(a.ids[name]))
  const foreign = await probe(route, entry.request(theirs), { key: second.key })
  const unknown = await probe(route, entry.request(nobodys), { key: second.key })
  const isAlike =
    foreign.status === unknown.status && plain(foreign, theirs, names) === plain(unknown, nobodys, names)
  const isTold =
    foreign.status === 403 && foreign.body.error === 'not_a_participant' && unknown.status === 404
  const namesOthers = names.some((name) => name === 'messageId' || name === 'threadId')
  // Agents are listed to one another: that there is such an agent is no secret.
  const isMismatch = foreign.status === 403 && foreign.body.error === 'agent_mismatch'
  const isAsExpected =
    entry.tellsOthers && namesOthers ? isTold : isAlike || (names.includes('agentId') && isMismatch)
  const who = `the second agent naming the first one's ${names.join(', ') || 'nothing'}`
  return [
    { ...foreign, who, isAsExpected, mayTell: false },
    { ...unknown, who: 'the second agent naming what nobody has', isAsExpected: true, mayTell: false },
  ]
}

test('a stored answer is repeated only to a key that may make the request', async () => {
  const { ids, tenant, key } = await newWorld()
  const headers = { 'idempotency-key': 'kept' }
  const body = { recipientEmail: 'fresh@example.com', reasonCode: 'manual_dnc' }
  const first = await call('POST', '/v1/suppressions', { key, body, headers })
  expect(first.status).toBe(200)
  const again = await call('POST', '/v1/suppressions', { key, body, headers })
  expect(again).toMatchObject({ status: 200, body: first.body })
  expect(again.headers.get('idempotency-replayed')).toBe('true')

  const readOnly = await grant(ids.tenantId, ['read'])
  expect((await call('POST', '/v1/suppressions', { key: readOnly, body, headers })).status).toBe(403)
  const stranger = await newWorld()
  const theirs = await call('POST', '/v1/suppressions', { key: stranger.key, body, headers })
  expect(theirs.body.tenantId).toBe(stranger.ids.tenantId)
  expect(theirs.body.id).not.toBe(first.body.id)
  expect(tenant.id).not.toBe(stranger.ids.tenantId)
})
