import { sleep } from '../../../test/support/program.ts'
import type { Attack, Guard } from './attack.ts'
import { eventually, type Tenant, type World } from './world.ts'

/** An address that a tenant had and that its deletion has set free. */
type Freed = { address: string; local: string; tenantId: string }

/** The address of a mailbox that its owner has opened and deleted again. */
async function deletedMailbox(world: World): Promise<Freed & { tenant: Tenant }> {
  const tenant = await world.newTenant()
  const local = `retired-${world.unique()}`
  const { body } = await tenant.owner.post('/v1/agent/mailboxes', { address: local })
  await tenant.owner.del(`/v1/agent/mailboxes/${body.id}`)
  return { tenant, tenantId: tenant.tenantId, local, address: body.address }
}

/** What the attacker reads of a mail that still comes to the address; null if it does not reach another tenant. */
async function handedOn(world: World, { address, tenantId }: Freed): Promise<string | null> {
  const raw = `From: <friend@example.com>\nTo: <${address}>\nSubject: For the former holder\n\nSecret\n`
  await world.arrive('friend@example.com', address, raw)
  await sleep(500)
  const [row] = world
    .db()
    .prepare(
      'SELECT tenant_id FROM mailboxes WHERE contact = ? UNION ALL SELECT tenant_id FROM aliases WHERE contact = ?',
    )
    .all(address, address)
  return row === undefined || row.tenant_id === tenantId
    ? null
    : `${address} leads to ${String(row.tenant_id)}`
}

function reopening(does: string, open: (world: World, freed: Freed) => Promise<unknown>): Attack {
  return {
    line: 'A12',
    does,
    async run(world) {
      const freed = await deletedMailbox(world)
      await open(world, freed)
      return await handedOn(world, freed)
    },
  }
}

/** The address of a tenant that has been erased. */
async function erasedTenant(world: World): Promise<Freed> {
  const { tenantId, address, person } = await world.newTenant()
  await person.post('/portal/data/erasure', { confirm: 'DELETE' })
  await eventually(async () => {
    const [left] = world.db().prepare('SELECT 1 FROM mailboxes WHERE tenant_id = ?').all(tenantId)
    return left === undefined ? true : undefined
  })
  return { tenantId, address, local: address.slice(0, address.indexOf('@')) }
}

export const attacks: Attack[] = [
  reopening('A stranger registers the address of a deleted mailbox over MoltbotDen.', (world, { local }) =>
    world.call('POST', '/agents/register', { body: { agent_id: local, name: 'Stranger' } }),
  ),
  reopening(
    'A stranger registers a name that becomes the address of a deleted mailbox.',
    (world, { local }) =>
      world.call('POST', '/v1/agents/register', { body: { name: local.replaceAll('-', ' ') } }),
  ),
  reopening('A tenant opens a mailbox with the address of a deleted one.', async (world, { local }) => {
    const { owner } = await world.newTenant()
    await owner.post('/v1/agent/mailboxes', { address: local })
  }),
  reopening('A tenant opens it in capitals and as a whole address.', async (world, { address, local }) => {
    const { owner } = await world.newTenant()
    await owner.post('/v1/agent/mailboxes', { address: address.toUpperCase() })
    await owner.post('/v1/agent/mailboxes', { address: ` ${local.toUpperCase()} ` })
    await owner.post('/v1/agent/mailboxes', { address: `"${local}"@${address.split('@')[1]}` })
  }),
  reopening("An unclaimed agent's key opens it.", async (world, { local }) => {
    const agent = await world.newAgent()
    await agent.post('/v1/agent/mailboxes', { address: local })
  }),
  reopening('A tenant gives its own mailbox the address of a deleted one.', async (world, { local }) => {
    const { owner, mailboxId } = await world.newTenant()
    await owner.patch(`/v1/agent/mailboxes/${mailboxId}`, { address: local })
  }),
  {
    line: 'A12',
    does: 'A stranger registers an address at the moment in which its mailbox is deleted.',
    async run(world) {
      const tenant = await world.newTenant()
      const stranger = await world.newTenant()
      for (let round = 0; round < 20; round++) {
        const local = `raced-${world.unique()}`
        const { body } = await tenant.owner.post('/v1/agent/mailboxes', { address: local })
        const register = { body: { agent_id: local, name: 'Stranger' } }
        await Promise.all([
          tenant.owner.del(`/v1/agent/mailboxes/${body.id}`),
          world.call('POST', '/agents/register', register),
          stranger.owner.post('/v1/agent/mailboxes', { address: local }),
        ])
        const gained = await handedOn(world, { local, address: body.address, tenantId: tenant.tenantId })
        if (gained) return gained
      }
      return null
    },
  },
  {
    line: 'A12',
    does: 'A stranger registers the address of a tenant that was erased.',
    async run(world) {
      const freed = await erasedTenant(world)
      await world.call('POST', '/agents/register', {
        body: { agent_id: freed.local, name: 'Stranger' },
      })
      const { owner } = await world.newTenant()
      await owner.post('/v1/agent/mailboxes', { address: freed.local })
      return await handedOn(world, freed)
    },
  },
]

export const guards: Guard[] = [
  {
    line: 'A12',
    what: 'the insert that gives an address to one tenant for ever',
    file: 'core/accounts/given-addresses.ts',
    from: 'return TENANT_OF.rows(own as D1Result).length === 1',
    to: 'return TENANT_OF.rows(own as D1Result).length <= 1',
  },
]
