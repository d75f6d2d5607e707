import { sleep } from '../../../test/support/program.ts'
import type { Attack, Guard } from './attack.ts'
import type { World } from './world.ts'

/** Names and addresses that only the service may have, as readers see them. */
const POSING =
  /m.{0,2}o.{0,2}l.{0,2}t.{0,2}p.{0,2}o.{0,2}s.{0,2}t|m0ltp0st|мoltpost|approva[l1]s|notifications|no.?reply|verify|bounce|post.?master|security|billing|abuse/i

const SPELLINGS = [
  ...['Moltpost', 'M0ltp0st', 'Мoltpost', 'M o l t p o s t', 'Approvals', 'approva1s 24', 'Notifications'],
  ...['no-reply', 'N0 Reply', 'Post-Master', 'Verify your account', 'Account Security', 'Billing'],
]

/** What the mailboxes and agents of a tenant are called, if that poses as the service; the system's own are left out. */
function posing(world: World, tenantIds: (string | undefined)[]): string | null {
  const rows = world
    .db()
    .prepare(
      `SELECT tenant_id, address AS name FROM mailboxes UNION ALL SELECT tenant_id, display_name FROM mailboxes
       UNION ALL SELECT tenant_id, name FROM agents UNION ALL SELECT id, name FROM tenants
       UNION ALL SELECT tenant_id, address FROM aliases`,
    )
    .all()
  const own = rows.filter(({ tenant_id }) => tenantIds.includes(String(tenant_id)))
  const found = own.find(({ name }) => POSING.test(String(name).replace(/@moltpost\.test$|@[^@]*$/, '')))
  return found ? `one is called ${String(found.name)}` : null
}

function naming(does: string, name: (world: World, spelling: string) => Promise<string | undefined>): Attack {
  return {
    line: 'A14',
    does,
    async run(world) {
      const tenants: (string | undefined)[] = []
      for (const spelling of SPELLINGS) tenants.push(await name(world, spelling))
      return posing(world, tenants)
    },
  }
}

const slug = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')

export const attacks: Attack[] = [
  naming('An agent registers over MailMolt under a name of the service.', async ({ call }, name) => {
    const { body } = await call('POST', '/v1/agents/register', { body: { name } })
    return body.tenant_id
  }),
  naming(
    'An agent registers over MoltbotDen with an address of the service.',
    async ({ call, unique }, name) => {
      const registered = await Promise.all(
        [slug(name), `moltpost-${slug(name)}`, `${slug(name)}-${unique()}`].map((agent_id) =>
          call('POST', '/agents/register', { body: { agent_id, name: 'Harmless' } }),
        ),
      )
      const { body } = registered.find(({ status }) => status === 201) ?? {}
      return body?.tenant_id
    },
  ),
  naming('An agent registers over MoltbotDen with a display name of the service.', async ({ call }, name) => {
    const { body } = await call('POST', '/agents/register', { body: { profile: { display_name: name } } })
    return body.tenant_id
  }),
  naming("An agent's key gives a mailbox a display name of the service.", async (world, displayName) => {
    const { patch, post, tenantId, mailboxId } = await world.newAgent()
    await patch(`/v1/agent/mailboxes/${mailboxId}`, { displayName })
    await post('/v1/agent/mailboxes', { address: `box-${world.unique()}`, displayName })
    return tenantId
  }),
  naming('An agent is added to a tenant under a name of the service.', async (world, agentName) => {
    const { post, tenantId } = await world.newAgent()
    await post('/v1/agent/register', { agentName })
    return tenantId
  }),
  naming('A mailbox is opened at an address of the service.', async (world, name) => {
    const { post, tenantId } = await world.newAgent()
    for (const address of [slug(name), `${slug(name)}.${world.unique()}`, slug(name).replaceAll('-', '_')])
      await post('/v1/agent/mailboxes', { address })
    return tenantId
  }),
  {
    line: 'A14',
    does: 'A person renames a mailbox to the service in the portal.',
    async run(world) {
      const { person, tenantId, mailboxId } = await world.newTenant()
      for (const displayName of SPELLINGS) {
        await person.post(`/portal/mailboxes/${mailboxId}`, {
          displayName,
          autonomy: 'auto',
          status: 'active',
        })
        const gained = posing(world, [tenantId])
        if (gained) return gained
      }
      return null
    },
  },
  {
    line: 'A14',
    does: "A stranger's account name stands in the letter that invites somebody.",
    async run(world) {
      const text = 'Your payroll is on hold call 0800 555'
      const { person } = await world.newTenant(text)
      const email = world.someone('invited')
      await person.post('/portal/people', { email, role: 'viewer' })
      await sleep(1_500)
      const letters = JSON.stringify(await world.outbox(email))
      return letters.includes('payroll') ? 'the letter holds the name that the stranger chose' : null
    },
  },
  {
    line: 'A14',
    does: "A stranger's agent name or description stands in the letter that confirms an address.",
    async run(world) {
      const { call, someone } = world
      const body = { name: 'Pay your invoice now', description: 'Wire 500 dollars to keep your account' }
      const registered = (await call('POST', '/v1/agents/register', { body })).body
      const email = someone('victim')
      const claim = { email, x_handle: 'wire_it_now' }
      await call('POST', `/v1/claim/${registered.claim_token}`, { body: claim })
      await world.mailedLink(email, /\/verify\/[A-Za-z0-9_-]+/)
      const letters = JSON.stringify(await world.outbox(email))
      return /Pay your invoice|Wire 500|wire_it/.test(letters)
        ? 'the letter holds text of the stranger'
        : null
    },
  },
]

export const guards: Guard[] = [
  {
    line: 'A14',
    what: 'the check of names',
    file: 'core/accounts/local-part.ts',
    from: "if (!posesAsService(name, 'name', settings(env).mailDomain)) return",
    to: 'if (name) return',
  },
  {
    line: 'A14',
    what: 'the check of addresses',
    file: 'core/accounts/local-part.ts',
    from: "posesAsService(localPart, 'address', settings(env).mailDomain)",
    to: "posesAsService('harmless', 'address', settings(env).mailDomain + localPart)",
  },
  {
    line: 'A14',
    what: 'the look-alikes',
    file: 'core/reading/impersonation.ts',
    from: 'LOOK_ALIKES.get(letter) ?? letter',
    to: "LOOK_ALIKES.get('') ?? letter",
  },
]
