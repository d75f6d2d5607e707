import { env, exports } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { formsOf, newPerson, signIn } from '../../support/portal.ts'
import { newTenant } from '../../support/tenant.ts'

const MINUTE_MS = 60_000

test('an agent’s page shows when it was alive: each heartbeat extends a period, and a silence starts a new one', async () => {
  const tenant = await newTenant()
  const browser = await signIn((await newPerson(tenant.id, 'viewer')).email)
  const { body: agent } = await tenant.owner.post('/v1/agent/register', { agentName: 'scout' })
  const beat = () => tenant.owner.post('/v1/agent/coordination/heartbeat', { agentId: agent.id })
  const ago = async (ms: number) => {
    const set = (table: string, columns: string[], id: string) =>
      env.DB.prepare(
        `UPDATE ${table} SET ${columns.map((column) => `${column} = ${column} - ?1`)} WHERE tenant_id = ?2 AND ${id} = ?3`,
      ).bind(ms, tenant.id, agent.id)
    await env.DB.batch([
      set('agents', ['last_heartbeat_at'], 'id'),
      set('agent_spells', ['began_at', 'last_at'], 'agent_id'),
    ])
  }
  const spells = async () => {
    const { results } = await env.DB.prepare(
      'SELECT beats, last_at - began_at AS ms FROM agent_spells WHERE tenant_id = ?1 AND agent_id = ?2 ORDER BY began_at',
    )
      .bind(tenant.id, agent.id)
      .all<{ beats: number; ms: number }>()
    return results.map(({ beats, ms }) => [beats, Math.round(ms / MINUTE_MS)])
  }
  expect(await spells()).toEqual([[1, 0]])
  for (const minutes of [4, 5, 6, 1]) {
    await ago(minutes * MINUTE_MS - 2_000)
    await beat()
  }
  // A gap of 4 or 5 minutes extends the period; a gap of 6 minutes starts a new one.
  expect(await spells()).toEqual([
    [3, 9],
    [2, 1],
  ])
  const page = await browser.get(`/portal/agents/${agent.id}`)
  expect(page.status).toBe(200)
  expect(page.body).toContain('9 min')
  expect(page.body.split('<tr role="row"><td')).toHaveLength(3)
  expect((await browser.get('/portal/agents')).body).toContain(`/portal/agents/${agent.id}`)

  // The next heartbeat deletes periods older than 14 days.
  await ago(15 * 24 * 60 * MINUTE_MS)
  await beat()
  expect(await spells()).toEqual([[1, 0]])
})

test('a vote shows who voted what and why; an owner may cast the vote of an agent that is alive, an approver may not', async () => {
  const tenant = await newTenant()
  const people = await Promise.all([newPerson(tenant.id, 'owner'), newPerson(tenant.id, 'approver')])
  const [owner, approver] = await Promise.all(people.map(({ email }) => signIn(email)))
  if (!owner || !approver) throw new Error('a person could not sign in')
  const [first, second, third] = await Promise.all(
    ['one', 'two', 'three'].map(
      async (agentName) => (await tenant.owner.post('/v1/agent/register', { agentName })).body.id as string,
    ),
  )
  await env.DB.prepare('UPDATE agents SET last_heartbeat_at = 1 WHERE tenant_id = ?1 AND id = ?2')
    .bind(tenant.id, tenant.agentId)
    .run()
  const { body: request } = await tenant.owner.post('/v1/agent/coordination/consensus', {
    requestingAgentId: first,
    action: 'escalate',
    contactEmail: 'user@example.com',
    reason: 'it is urgent',
  })
  const path = `/portal/coordination/votes/${request.id}`
  await tenant.owner.post(`/v1/agent/coordination/consensus/${request.id}/vote`, {
    agentId: first,
    vote: 'reject',
    reason: 'not at night',
  })
  const shown = (await owner.get(path)).body
  for (const said of ['escalate', 'it is urgent', 'not at night', 'against', 'one'])
    expect(shown).toContain(said)
  expect(shown).not.toMatch(new RegExp(`<option value="(?:${first}|${tenant.agentId})"`))
  expect(formsOf((await approver.get(path)).body).filter(({ action }) => action === path)).toEqual([])

  const cast = (agent: string | undefined, vote: string) =>
    owner.post(path, { agent: agent ?? '', vote, reason: 'calm' })
  expect((await approver.post(path, { agent: second ?? '', vote: 'approve' })).status).toBe(403)
  expect((await cast(first, 'approve')).status).toBe(422)
  expect((await cast(tenant.agentId, 'approve')).status).toBe(422)
  expect((await cast('agent_unknown', 'approve')).status).toBe(422)
  expect((await cast(second, 'perhaps')).status).toBe(422)
  expect((await cast(second, 'reject')).status).toBe(303)
  const over = (await owner.get(path)).body
  expect(over).toContain('rejected')
  expect(over).toContain('calm (cast by a person)')
  const late = await cast(third, 'approve')
  expect(late.status).toBe(422)
  expect(late.body).toContain('Voting is over')
})

test('an open page receives the types of events, of its own tenant only, and nothing else', async () => {
  const [tenant, other] = [await newTenant(), await newTenant()]
  const browser = await signIn((await newPerson(tenant.id, 'viewer')).email)
  const response = await exports.default.fetch('http://moltpost.test/portal/live', {
    headers: { cookie: browser.cookie },
  })
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  const reader = response.body?.getReader()
  if (!reader) throw new Error('there is no stream')
  await other.owner.post('/v1/suppressions', { recipientEmail: 'other@example.com' })
  await tenant.owner.post('/v1/suppressions', { recipientEmail: 'ours@example.com' })
  await tenant.send('reader@example.com', 'live')
  let heard = ''
  while (!heard.includes('message.delivered')) {
    const { done, value } = await reader.read()
    if (done) break
    heard += new TextDecoder().decode(value)
  }
  await reader.cancel()
  expect(heard).toContain('data: suppression.created\n\n')
  expect(heard.match(/suppression\.created/g)).toHaveLength(1)
  expect(heard.replace(/^(?:retry: \d+|data: [a-z]+\.[a-z]+|: still here|)$/gm, '').trim()).toBe('')
})
