import { sleep } from '../../../test/support/program.ts'
import type { Attack, Guard } from './attack.ts'
import type { World } from './world.ts'

type Agent = { tenantId: string; agentId: string }

const SAME_ORIGIN = { 'sec-fetch-site': 'same-origin' }
const PROVES = /\/(?:portal\/enter|portal\/address|verify)\/[A-Za-z0-9_-]+/

/** A tenant whose owner has this address, with the owner's browser. */
async function ownedBy(world: World, email: string, name?: string) {
  const agent = await world.newAgent(name)
  await world.call('POST', `/v1/claim/${agent.claimToken}`, { body: { email } })
  const link = await world.mailedLink(email, /\/verify\/[A-Za-z0-9_-]+/)
  await world.call('POST', link, { body: new URLSearchParams(), headers: SAME_ORIGIN })
  return { ...agent, email, person: await world.signIn(email) }
}

/** A domain that DNS proves to belong to a tenant. The attacks need it to be verified, as its owner would have it. */
function proveDomain(world: World, { tenantId, agentId }: Agent, domain: string): string {
  const id = `dom_${world.unique()}`
  world
    .db()
    .prepare(
      `INSERT INTO domains (tenant_id, id, domain, mode, status, token, selector, public_key, sealed_key, agent_id, verified_at, created_at)
       VALUES (?, ?, ?, 'byoc', 'verified', 'token', 'mp', 'key', 'sealed', ?, 1, 1)`,
    )
    .run(tenantId, id, domain, agentId)
  return id
}

/** A tenant of the attacker with a verified domain, and the address that its mailbox would have there. */
async function withDomain(world: World) {
  const domain = `${world.unique()}.example.org`
  const tenant = await ownedBy(world, world.someone('owner'), `Jane ${world.unique()}`)
  const domainId = proveDomain(world, tenant, domain)
  const wanted = `${tenant.address.slice(0, tenant.address.indexOf('@'))}@${domain}`
  const attach = () => tenant.post(`/v1/custom-domains/${domainId}/attach`, { agent_id: tenant.agentId })
  return { ...tenant, domain, domainId, wanted, attach }
}

/** What lies in a mailbox that would let its reader pass for a person. */
async function letterIn(world: World, mailboxId: string): Promise<string | null> {
  await sleep(1_500)
  const [row] = world
    .db()
    .prepare(
      `SELECT m.subject FROM views v JOIN messages m ON m.tenant_id = v.tenant_id AND m.id = v.message_id
       WHERE v.mailbox_id = ? AND v.folder = 'inbox'
         AND (m.text LIKE '%/portal/enter/%' OR m.text LIKE '%/verify/%' OR m.text LIKE '%/portal/address/%'
           OR m.subject LIKE '%invited%')`,
    )
    .all(mailboxId)
  return row ? `the mailbox holds "${String(row.subject)}"` : null
}

const has = (world: World, query: string, ...values: string[]) =>
  world
    .db()
    .prepare(query)
    .all(...values).length > 0

const hasAlias = (world: World, contact: string) =>
  has(world, 'SELECT 1 FROM aliases WHERE contact = ?', contact) ? `a mailbox has ${contact}` : null

const askSignIn = (world: World, email: string) =>
  world.call('POST', '/portal/sign-in', { body: new URLSearchParams({ email }), headers: SAME_ORIGIN })

const pose = (does: string, run: Attack['run']): Attack => ({ line: 'A6', does, run })

export const attacks: Attack[] = [
  pose(
    'An agent attaches a domain to its mailbox, and the owner later invites the address it got.',
    async (world) => {
      const { attach, wanted, person, mailboxId, tenantId } = await withDomain(world)
      await attach()
      if (!hasAlias(world, wanted)) throw new Error('the domain was not attached')
      await person.post('/portal/people', { email: wanted, role: 'owner' })
      await askSignIn(world, wanted)
      const isIn = has(world, 'SELECT 1 FROM owners WHERE tenant_id = ? AND contact = ?', tenantId, wanted)
      return isIn ? `${wanted} is a person of the account` : await letterIn(world, mailboxId)
    },
  ),
  pose('An agent gets a domain address that another tenant then claims with.', async (world) => {
    const { attach, wanted, mailboxId } = await withDomain(world)
    await attach()
    if (!hasAlias(world, wanted)) throw new Error('the domain was not attached')
    const victim = await world.newAgent()
    await world.call('POST', `/v1/claim/${victim.claimToken}`, { body: { email: wanted } })
    await sleep(1_000)
    const isIn = has(world, 'SELECT 1 FROM owners WHERE contact = ?', wanted)
    return isIn ? `${wanted} claimed an agent` : await letterIn(world, mailboxId)
  }),
  pose('An agent attaches the address of a person who was invited before.', async (world) => {
    const { attach, wanted } = await withDomain(world)
    const other = await ownedBy(world, world.someone('other'))
    await other.person.post('/portal/people', { email: wanted, role: 'viewer' })
    await attach()
    return hasAlias(world, wanted)
  }),
  pose('A person is invited at the moment in which an agent attaches their address.', async (world) => {
    const other = await ownedBy(world, world.someone('other'))
    for (let round = 0; round < 10; round++) {
      const { attach, wanted } = await withDomain(world)
      await Promise.all([attach(), other.person.post('/portal/people', { email: wanted, role: 'viewer' })])
      const isPerson = has(world, 'SELECT 1 FROM owners WHERE contact = ?', wanted)
      if (isPerson && hasAlias(world, wanted)) return `${wanted} is a person's and a mailbox's`
    }
    return null
  }),
  pose('A mailbox gets the address of a person after their link was mailed.', async (world) => {
    const { wanted, tenantId, domainId, mailboxId } = await withDomain(world)
    const victim = await ownedBy(world, world.someone('victim'))
    world
      .db()
      .prepare('UPDATE owners SET email = ?, contact = ? WHERE tenant_id = ?')
      .run(wanted, wanted, victim.tenantId)
    // As if an earlier release had let both in.
    world
      .db()
      .prepare(
        'INSERT INTO aliases (tenant_id, mailbox_id, domain_id, address, contact, created_at) VALUES (?, ?, ?, ?, ?, 1)',
      )
      .run(tenantId, mailboxId, domainId, wanted, wanted)
    await askSignIn(world, wanted)
    await sleep(1_000)
    const mailed = (await world.outbox(wanted)).some(({ text }) => PROVES.test(text ?? ''))
    return mailed ? 'a link to sign in was mailed' : await letterIn(world, mailboxId)
  }),
  pose("A person's provider passes the service's letter on to a mailbox of an agent.", async (world) => {
    const { mailboxId, address } = await world.newAgent()
    const link = `${world.address}/portal/enter/${'a'.repeat(43)}`
    const subject = 'Your link to sign in to Moltpost'
    const plain = `From: Moltpost <no-reply@moltpost.test>\nTo: <x@acme.example>\nSubject: ${subject}\n\n${link}\n`
    await world.arrive('bounce@moltpost.test', address, plain)
    const base64 = Buffer.from(`Forwarded:\n${link}\n`).toString('base64')
    const wrapped = `From: Jane <jane@acme.example>\nTo: <x@acme.example>\nSubject: Fwd: ${subject}\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n${base64}\n`
    await world.arrive('jane@acme.example', address, wrapped)
    return await letterIn(world, mailboxId)
  }),
  pose("An agent attaches the domain in which its owner's address lies.", async (world) => {
    const domain = `${world.unique()}.example.org`
    const tenant = await ownedBy(world, `jane@${domain}`, `Reader ${world.unique()}`)
    const domainId = proveDomain(world, tenant, domain)
    await tenant.post(`/v1/custom-domains/${domainId}/attach`, { agent_id: tenant.agentId })
    await tenant.person.post(`/portal/domains/${domainId}/attach`, { agent: tenant.agentId })
    const isAttached = has(world, 'SELECT 1 FROM aliases WHERE domain_id = ?', domainId)
    return isAttached ? 'the domain is attached without a second way in' : null
  }),
  pose('A stranger claims with an address in our own domain, or below it.', async (world) => {
    const [mine, victim] = [await world.newAgent(), await world.newAgent()]
    for (const email of [mine.address, `x@deep.${mine.address.split('@')[1]}`, mine.address.toUpperCase()])
      await world.call('POST', `/v1/claim/${victim.claimToken}`, { body: { email } })
    const isClaimed = has(world, 'SELECT 1 FROM owners WHERE tenant_id = ?', victim.tenantId)
    return isClaimed ? 'the claim was taken' : await letterIn(world, mine.mailboxId)
  }),
  pose('A form that was opened in one account is sent after another was chosen.', async (world) => {
    const email = world.someone('two')
    const first = await ownedBy(world, email)
    const second = await ownedBy(world, email)
    const person = await world.signIn(email)
    await person.post('/portal/accounts', { tenant: first.tenantId })
    const page = await person.get('/portal/keys')
    const csrf = /name="csrf" value="([0-9a-f]{64})"/.exec(page.body)?.[1] ?? ''
    const now = await person.get('/portal/accounts')
    const again = /name="csrf" value="([0-9a-f]{64})"/.exec(now.body)?.[1] ?? ''
    await person.post('/portal/accounts', { csrf: again, tenant: second.tenantId })
    await person.post('/portal/keys', { csrf, label: 'wrong account', read: 'on' })
    const isMade = has(
      world,
      `SELECT 1 FROM keys WHERE tenant_id = ? AND label = 'wrong account'`,
      second.tenantId,
    )
    return isMade ? 'the key was made in the other account' : null
  }),
  pose(
    "A stranger invites a person, whose sign-in to their own account then proves the stranger's claim.",
    async (world) => {
      const victim = await ownedBy(world, world.someone('victim'))
      const stranger = await ownedBy(world, world.someone('stranger'))
      await stranger.person.post('/portal/people', { email: victim.email, role: 'owner' })
      const person = await world.signIn(victim.email)
      await person.post('/portal/accounts', { tenant: victim.tenantId })
      const isProved = has(
        world,
        'SELECT 1 FROM owners WHERE tenant_id = ? AND contact = ? AND verified_at IS NOT NULL',
        ...[stranger.tenantId, victim.email],
      )
      return isProved ? "the person counts as the stranger's owner" : null
    },
  ),
  pose('Another address that is confirmed in one account opens a second account.', async (world) => {
    const email = world.someone('two')
    const first = await ownedBy(world, email)
    const second = await ownedBy(world, email)
    const person = await world.signIn(email)
    await person.post('/portal/accounts', { tenant: first.tenantId })
    const csrf =
      /name="csrf" value="([0-9a-f]{64})"/.exec((await person.get('/portal/people')).body)?.[1] ?? ''
    const other = world.someone('other')
    await person.post('/portal/people/addresses', { csrf, address: other })
    const link = await world.mailedLink(other, /\/portal\/address\/[A-Za-z0-9_-]+/)
    await world.call('POST', link, { body: new URLSearchParams(), headers: SAME_ORIGIN })
    const entered = await world.signIn(other)
    const into = has(
      world,
      'SELECT 1 FROM sessions WHERE contact = ? AND tenant_id = ?',
      other,
      first.tenantId,
    )
    if (!into) return 'it broke off: the address opens no account'
    await entered.post('/portal/accounts', { tenant: second.tenantId })
    const isIn = has(
      world,
      'SELECT 1 FROM sessions WHERE contact = ? AND tenant_id = ?',
      other,
      second.tenantId,
    )
    return isIn ? 'it opens the second account' : null
  }),
]

export const guards: Guard[] = [
  {
    line: 'A6',
    what: 'the check of a person’s address when it is entered',
    file: 'core/accounts/personal-address.ts',
    from: 'if (!(await isReceivedHere(env, address.contact))) return address',
    to: 'if (email) return address',
  },
  {
    line: 'A6',
    what: 'the check that no mailbox gets the address of a person',
    file: 'core/policy/received.ts',
    from: 'po.contact = $',
    to: "po.contact = '' || po.id || $",
  },
  {
    line: 'A6',
    what: 'the check of the address when a letter is written',
    file: 'core/notices/system-mail.ts',
    from: 'if (await isReceivedHere(at.env, letter.to)) return RECEIVED_HERE',
    to: '',
  },
  {
    line: 'A6',
    what: "the dropping of the service's letters that come back",
    file: 'core/arrivals/arrive.ts',
    from: 'destination.sendId === null && isOwnLetter(env, raw)',
    to: 'destination.sendId === null && isOwnLetter(env, new Uint8Array())',
  },
  {
    line: 'A6',
    what: 'the dropping of links in any envelope',
    file: 'core/arrivals/take-in.ts',
    from: 'if (holdsPersonalLink(env, mail)) {',
    to: 'if (holdsPersonalLink(env, { text: null, html: null })) {',
  },
  {
    line: 'A6',
    what: "the owner's word for a domain that their address lies in",
    file: 'core/accounts/domains/domains.ts',
    from: "WHERE d.tenant_id = :tenantId AND d.id = :id AND d.status = 'verified' AND $",
    to: "WHERE d.tenant_id = :tenantId AND d.id = :id AND (1 OR :ownerId = '') AND 1 = 1 OR 0 AND $",
  },
  {
    line: 'A6',
    what: 'the form that belongs to one account',
    file: 'surfaces/portal/session.ts',
    from: "person.ctx?.tenantId ?? ''",
    to: "person.session.id ?? ''",
  },
]
