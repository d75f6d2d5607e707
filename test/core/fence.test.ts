import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { requestSends } from '../../src/core/sending/request.ts'
import { stalledAt } from '../support/coordination-pause.ts'
import { doorFor } from '../support/door.ts'
import { eventually, newTenant, type Tenant } from '../support/tenant.ts'

const run = (text: string, ...values: unknown[]) =>
  env.DB.prepare(text)
    .bind(...values)
    .run()

/** Adds a domain of the tenant with an address for its mailbox. The mailbox writes from its newest address. */
async function withAddress(tenant: Tenant, id: string, status: string, at: number) {
  const domain = `${id}-${tenant.id.replaceAll('_', '-')}.example`
  const { mailboxId } = tenant
  await run(
    `INSERT INTO domains (tenant_id, id, domain, mode, status, token, selector, public_key, sealed_key, created_at)
     VALUES (?1, ?2, ?3, 'byoc', ?4, 'token', 'selector', 'public', 'sealed', ?5)`,
    ...[tenant.id, id, domain, status, at],
  )
  await run(
    `INSERT INTO aliases (tenant_id, mailbox_id, domain_id, address, contact, created_at)
     VALUES (?1, ?2, ?3, ?4, ?4, ?5)`,
    ...[tenant.id, mailboxId, id, `${mailboxId}@${domain}`, at],
  )
}

const setDomain = (tenant: Tenant, id: string, status: string) =>
  run('UPDATE domains SET status = ?3 WHERE tenant_id = ?1 AND id = ?2', tenant.id, id, status)

const setAgent = (tenant: Tenant, status: string) =>
  run('UPDATE agents SET status = ?3 WHERE tenant_id = ?1 AND id = ?2', tenant.id, tenant.agentId, status)

const suppress = (tenant: Tenant, contact: string, campaignId: string) =>
  run(
    `INSERT INTO suppressions (tenant_id, contact, scope, campaign_id, id, email, reason_code, created_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?2, 'manual', ?6)`,
    ...[tenant.id, contact, campaignId === '' ? 'tenant' : 'campaign', campaignId],
    ...[`sup_${crypto.randomUUID()}`, Date.now()],
  )

async function leaseToAnother(tenant: Tenant, contactEmail: string) {
  await tenant.owner.post('/v1/agent/register', { agentName: 'other' })
  await tenant.owner.post('/v1/agent/coordination/lease', { agentName: 'other', contactEmail })
}

/** Sends a letter of the campaign `spring` to another tenant's mailbox; `change` happens after the facts were read. */
async function writeWhile(sender: Tenant, reader: Tenant, change: () => Promise<unknown>) {
  const slow = stalledAt(env, 2)
  const sending = requestSends({ ...(await doorFor(slow.env, sender.key)), name: 'moltbotden' }, [
    {
      to: [{ kind: 'to', email: reader.address }],
      template: null,
      dedupeKey: null,
      campaignId: 'spring',
      payload: { subject: 'Collaboration', text: 'Shall we?', html: null },
      composed: { reply: null, files: [], content: { urls: 0, urlsAtMost: 10, blockedFile: null } },
    },
  ])
  await slow.reached
  await change()
  slow.goOn()
  const [result] = await sending
  if (!result || result.status === 'error') throw new Error(JSON.stringify(result))
  return result
}

const received = async (reader: Tenant) =>
  (await run(`SELECT 1 FROM views WHERE tenant_id = ?1 AND folder = 'inbox'`, reader.id)).results.length

type Race = {
  what: string
  before?: (sender: Tenant) => Promise<unknown>
  change: (sender: Tenant, reader: Tenant) => Promise<unknown>
  /** Why the send is stopped at its departure; null if it may leave, from another address of the mailbox. */
  reason: string | null
}

const CLOSED: Race[] = [
  { what: 'the agent is suspended', change: (sender) => setAgent(sender, 'suspended'), reason: 'standing' },
  { what: 'the agent is paused', change: (sender) => setAgent(sender, 'paused'), reason: 'standing' },
  { what: 'the agent is banned', change: (sender) => setAgent(sender, 'banned'), reason: 'standing' },
  {
    what: 'the mailbox is frozen',
    change: ({ mailboxId }) => run('UPDATE mailboxes SET frozen_at = 1 WHERE id = ?1', mailboxId),
    reason: 'standing',
  },
  {
    what: 'the recipient is suppressed for the campaign',
    change: (sender, reader) => suppress(sender, reader.address, 'spring'),
    reason: 'suppressed',
  },
  {
    what: 'the recipient is suppressed for the tenant',
    change: (sender, reader) => suppress(sender, reader.address, ''),
    reason: 'suppressed',
  },
  {
    what: 'another agent takes a lease on the recipient',
    change: (sender, reader) => leaseToAnother(sender, reader.address),
    reason: 'lease_conflict',
  },
  {
    what: 'the domain of its address is no longer verified, and the mailbox gets a newer address',
    before: (sender) => withAddress(sender, 'old', 'verified', 1),
    change: async (sender) => {
      await withAddress(sender, 'new', 'verified', 2)
      await setDomain(sender, 'old', 'pending')
    },
    reason: null,
  },
  {
    what: 'its address is removed from the mailbox',
    before: (sender) => withAddress(sender, 'old', 'verified', 1),
    change: (sender) => run('DELETE FROM aliases WHERE tenant_id = ?1', sender.id),
    reason: null,
  },
]

test.for(CLOSED)('internal delivery does not happen if, after the facts were read, $what', async (race) => {
  const [sender, reader] = await Promise.all([newTenant(), newTenant()])
  await race.before?.(sender)
  const result = await writeWhile(sender, reader, () => race.change(sender, reader))
  expect(result).toMatchObject({ status: 'queued' })
  if (race.reason === null) return
  const stopped = await eventually(async () => {
    const { results } = await run('SELECT state, reason FROM sends WHERE id = ?1', result.requestId)
    return results[0]?.state === 'blocked' ? results[0] : undefined
  })
  expect(stopped).toEqual({ state: 'blocked', reason: race.reason })
  expect(await received(reader)).toBe(0)
})

const OPEN: Omit<Race, 'reason'>[] = [
  { what: 'nothing changed', change: async () => undefined },
  {
    what: 'the recipient was suppressed for another campaign',
    change: (sender, reader) => suppress(sender, reader.address, 'autumn'),
  },
  {
    what: 'the mailbox got a newer address in an unverified domain',
    before: (sender) => withAddress(sender, 'old', 'verified', 1),
    change: (sender) => withAddress(sender, 'new', 'pending', 2),
  },
]

test.for(OPEN)('internal delivery happens at once if, after the facts were read, $what', async (race) => {
  const [sender, reader] = await Promise.all([newTenant(), newTenant()])
  await race.before?.(sender)
  expect(await writeWhile(sender, reader, () => race.change(sender, reader))).toMatchObject({
    status: 'delivered',
  })
  expect(await received(reader)).toBe(1)
})
