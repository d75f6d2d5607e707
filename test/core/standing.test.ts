import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { carrierPort } from '../../src/carriers/index.ts'
import { deliverSend } from '../../src/core/delivery/deliver.ts'
import { renderSend } from '../../src/core/delivery/render.ts'
import { requestSends } from '../../src/core/sending/request.ts'
import { doorFor, welcome } from '../support/door.ts'
import { newPerson, signIn } from '../support/portal.ts'
import { call, newTenant, type Tenant } from '../support/tenant.ts'
import { counted } from '../support/waits.ts'

const operator = (method: string, path: string, body?: unknown) =>
  call(method, `/admin${path}`, { body, headers: { authorization: `Bearer ${env.OPERATOR_KEY}` } })

const sql = async (text: string, ...binds: unknown[]) =>
  await env.DB.prepare(text)
    .bind(...binds)
    .run()

const freeze = (address: string, reason = 'phishing') =>
  operator('POST', `/email/accounts/${address.split('@')[0]}/freeze`, { reason })

let count = 0

async function sends(tenant: Tenant, more: Record<string, unknown> = {}) {
  // A mailbox that the owner opened is the owner's to send from.
  const by = more.mailboxId === undefined || more.mailboxId === tenant.mailboxId ? tenant : tenant.owner
  const { body } = await by.post('/v1/agent/request-send', {
    recipientEmail: `p${count++}@example.com`,
    templateId: 'welcome',
    dedupeKey: crypto.randomUUID(),
    payload: { firstName: 'Ann' },
    ...more,
  })
  return { status: body.status, reason: body.reason ?? null, requestId: body.requestId as string }
}

async function mailbox(tenant: Tenant) {
  const { body } = await tenant.owner.post('/v1/agent/mailboxes', { address: `m-${crypto.randomUUID()}` })
  return { mailboxId: body.id as string, address: body.address as string }
}

/** Makes the person who claimed one tenant the one who claimed the other, too, as a claim with the same address does. */
async function sameOwner(one: Tenant, other: Tenant) {
  await sql(
    'UPDATE owners SET contact = (SELECT contact FROM owners WHERE tenant_id = ?1), email = contact WHERE tenant_id = ?2',
    one.id,
    other.id,
  )
}

test('a frozen or suspended mailbox puts every other mailbox of the tenant in review, opened before or later', async () => {
  for (const how of ['freeze', 'reputation', 'agent'] as const) {
    const tenant = await newTenant()
    const before = await mailbox(tenant)
    const sanctioned = await mailbox(tenant)
    expect(await sends(tenant)).toMatchObject({ status: 'queued' })
    if (how === 'freeze') await freeze(sanctioned.address)
    if (how === 'reputation')
      await sql('UPDATE mailboxes SET reputation = 460 WHERE id = ?', sanctioned.mailboxId)
    if (how === 'agent') {
      const { body } = await tenant.owner.post('/v1/agent/register', { agentName: 'other' })
      await sql("UPDATE agents SET status = 'banned' WHERE id = ?", body.id)
    }
    const later = await mailbox(tenant)
    for (const mailboxId of [tenant.mailboxId, before.mailboxId, later.mailboxId])
      expect(await sends(tenant, { mailboxId }), how).toMatchObject({ status: 'pending_approval' })

    // The trace and the approval say why, in words.
    const held = await sends(tenant)
    const { body } = await tenant.get(`/v1/agent/sends/${held.requestId}`)
    expect(JSON.stringify(body.trace)).toContain('the account is in review: ')
    const { body: approvals } = await tenant.owner.get('/v1/send/approvals')
    expect(JSON.stringify(approvals)).toContain(
      {
        freeze: 'was frozen on',
        reputation: 'its reputation fell below 0.5',
        agent: 'the agent other was stopped on',
      }[how],
    )

    // Deleting what was sanctioned sheds nothing.
    await sql('DELETE FROM mailboxes WHERE id = ?', sanctioned.mailboxId)
    await sql("DELETE FROM agents WHERE tenant_id = ? AND name = 'other'", tenant.id)
    expect(await sends(tenant), how).toMatchObject({ status: 'pending_approval' })
  }
})

test('the same mailbox counts once; a second one suspends the tenant, and only the operator ends that', async () => {
  const tenant = await newTenant()
  const [one, other] = [await mailbox(tenant), await mailbox(tenant)]
  await freeze(one.address)
  await freeze(one.address, 'again')
  await sql('UPDATE mailboxes SET reputation = 100 WHERE id = ?', one.mailboxId)
  expect(await sends(tenant)).toMatchObject({ status: 'pending_approval' })
  await sql('UPDATE mailboxes SET reputation = 499 WHERE id = ?', other.mailboxId)
  expect(await sends(tenant)).toMatchObject({ status: 'blocked', reason: 'tenant_frozen' })

  const owner = await signIn((await newPerson(tenant.id, 'owner')).email)
  expect((await owner.get('/portal')).body).toContain('This account is suspended')
  expect(await owner.post('/portal/review/end')).toMatchObject({ status: 403 })
  expect(await sends(tenant)).toMatchObject({ status: 'blocked' })

  // Unfreezing a mailbox clears what it caused; clearing the tenant ends the rest.
  const unfrozen = await operator('POST', `/email/accounts/${one.address.split('@')[0]}/unfreeze`)
  expect(unfrozen.status).toBe(200)
  expect(await sends(tenant)).toMatchObject({ status: 'pending_approval' })
  const cleared = await operator('POST', `/tenants/${tenant.id}/clear`)
  expect(cleared.body.data).toMatchObject([
    { kind: 'mailbox_suspended', cleared_by: 'system:operator' },
    { kind: 'mailbox_frozen', cleared_by: 'system:operator' },
  ])
  expect(await sends(tenant)).toMatchObject({ status: 'queued' })
})

test('an owner ends a review in the portal; no key, approver or viewer does', async () => {
  const tenant = await newTenant()
  const frozen = await mailbox(tenant)
  await freeze(frozen.address)
  for (const role of ['approver', 'viewer'] as const) {
    const person = await signIn((await newPerson(tenant.id, role)).email)
    expect(await person.post('/portal/review/end')).toMatchObject({ status: 403 })
  }
  expect(await sends(tenant)).toMatchObject({ status: 'pending_approval' })
  const owner = await signIn((await newPerson(tenant.id, 'owner')).email)
  const shown = (await owner.get('/portal')).body
  expect(shown).toContain('This account is in review')
  expect(shown).toContain(`${frozen.address} was frozen on`)
  expect(await owner.post('/portal/review/end')).toMatchObject({ status: 303 })
  expect(await sends(tenant)).toMatchObject({ status: 'queued' })
  // The frozen mailbox stays frozen, and the next sanction is a new review.
  expect(await sends(tenant, { mailboxId: frozen.mailboxId })).toMatchObject({ reason: 'mailbox_frozen' })
  await freeze((await mailbox(tenant)).address)
  expect(await sends(tenant)).toMatchObject({ status: 'pending_approval' })
})

test('a sanction follows the person who claimed the tenant, once their address is proved, into other and later tenants', async () => {
  const [first, second, third, stranger] = await Promise.all(Array.from({ length: 4 }, () => newTenant()))
  if (!first || !second || !third || !stranger) throw new Error('there are four tenants')
  await sameOwner(first, second)
  await freeze((await mailbox(first)).address)
  expect(await sends(second)).toMatchObject({ status: 'pending_approval' })
  const { requestId } = await sends(second)
  const trace = JSON.stringify((await second.get(`/v1/agent/sends/${requestId}`)).body.trace)
  expect(trace).toContain('a sender in another account of the same owner was frozen on')
  expect(await sends(stranger)).toMatchObject({ status: 'queued' })

  // Neither the deletion of the tenant nor a claim of another one sheds it.
  await sql('DELETE FROM owners WHERE tenant_id = ?', first.id)
  await sql('DELETE FROM tenants WHERE id = ?', first.id)
  await sameOwner(second, third)
  expect(await sends(third)).toMatchObject({ status: 'pending_approval' })

  // A person who is invited as another owner, or whose address was only claimed, takes nothing home.
  const contact = (
    await env.DB.prepare('SELECT contact FROM owners WHERE tenant_id = ?')
      .bind(stranger.id)
      .first<{ contact: string }>()
  )?.contact
  await newPerson(second.id, 'owner', { email: contact ?? '' })
  await freeze((await mailbox(second)).address)
  expect(await sends(stranger)).toMatchObject({ status: 'queued' })
  expect(await sends(third)).toMatchObject({ status: 'blocked', reason: 'tenant_frozen' })
  const victim = await newTenant()
  const claimed = await newTenant()
  await sameOwner(victim, claimed)
  await sql('UPDATE owners SET verified_at = NULL WHERE tenant_id = ?', claimed.id)
  await freeze(claimed.address)
  expect(await sends(victim)).toMatchObject({ status: 'queued' })
  // With the proof it becomes theirs.
  await sql('UPDATE owners SET verified_at = ?2 WHERE tenant_id = ?1', claimed.id, Date.now())
  expect(await sends(victim)).toMatchObject({ status: 'pending_approval' })
})

test('the operator freezes and clears a tenant, and an owner in all tenants', async () => {
  const [one, two, other] = await Promise.all(Array.from({ length: 3 }, () => newTenant()))
  if (!one || !two || !other) throw new Error('there are three tenants')
  const email = `owner-${crypto.randomUUID()}@example.com`
  await sql('UPDATE owners SET contact = ?2, email = ?2 WHERE tenant_id = ?1', one.id, email)
  await sql('UPDATE owners SET contact = ?2, email = ?2 WHERE tenant_id = ?1', two.id, email)

  const frozen = await operator('POST', `/tenants/${one.id}/freeze`, { reason: 'phishing' })
  expect(frozen.body.data).toMatchObject([{ kind: 'tenant_frozen', tenant_id: one.id, cleared_at: null }])
  expect(await sends(one)).toMatchObject({ status: 'blocked', reason: 'tenant_frozen' })
  expect(await sends(two)).toMatchObject({ status: 'blocked', reason: 'tenant_frozen' })
  expect(await sends(other)).toMatchObject({ status: 'queued' })
  await operator('POST', `/tenants/${one.id}/clear`)
  expect(await sends(one)).toMatchObject({ status: 'queued' })
  expect(await sends(two)).toMatchObject({ status: 'queued' })

  await operator('POST', `/owners/${encodeURIComponent(email.toUpperCase())}/freeze`, { reason: 'phishing' })
  for (const tenant of [one, two])
    expect(await sends(tenant)).toMatchObject({ status: 'blocked', reason: 'tenant_frozen' })
  expect((await operator('GET', `/owners/${email}/sanctions`)).body.data).toHaveLength(2)
  await operator('POST', `/owners/${email}/clear`)
  expect(await sends(two)).toMatchObject({ status: 'queued' })

  expect((await operator('POST', '/tenants/nobody/freeze', { reason: 'x' })).status).toBe(404)
  for (const path of [`/admin/tenants/${one.id}/clear`, `/admin/owners/${email}/freeze`])
    expect((await one.owner.post(path, { reason: 'x' })).status).toBe(401)
})

test('a send that was accepted before the review does not leave unless a person has approved it', async () => {
  const tenant = await newTenant()
  const { env: muted } = counted(env, { mute: true })
  const [result] = await requestSends(await doorFor(muted, tenant.key), [welcome('ann@example.com', 'a')])
  const bell = { tenantId: tenant.id, sendId: String(result?.requestId) }
  await renderSend(muted, bell, () => new Date())
  await freeze((await mailbox(tenant)).address)
  await deliverSend(muted, bell, carrierPort(muted), () => new Date())
  const { results } = await env.DB.prepare('SELECT state, reason, burned_key FROM sends WHERE id = ?')
    .bind(bell.sendId)
    .all()
  expect(results).toEqual([{ state: 'blocked', reason: 'in_review', burned_key: null }])

  const held = await tenant.send('bob@example.com', 'b')
  expect(held.body.status).toBe('pending_approval')
  const decided = async () =>
    await tenant.owner.patch(`/v1/send/approvals/${held.body.approvalQueueId}`, { decision: 'approved' })
  for (let tries = 0; (await decided()).status !== 200 && tries < 50; tries++)
    await new Promise((resolve) => setTimeout(resolve, 100))
  expect((await tenant.settled(held.body.requestId)).status).toBe('delivered')
})
