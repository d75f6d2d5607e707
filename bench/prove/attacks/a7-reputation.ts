import type { Attack, Guard } from './attack.ts'
import { eventually, type Tenant, type World } from './world.ts'

/** Writes a message between mailboxes of the service and waits until it is delivered. */
async function write(from: Pick<Tenant, 'post'>, to: string | string[]) {
  const { body } = await from.post('/email/send', {
    to: typeof to === 'string' ? [to] : to,
    subject: 'Hello',
    body_text: 'Hello',
  })
  if (body.status !== 'delivered' && body.status !== 'sending') throw new Error(JSON.stringify(body))
}

/** How far above its first value the reputation of a tenant's mailbox is once nothing moves any more. */
async function risen(
  world: World,
  { mailboxId, tenantId }: Pick<Tenant, 'mailboxId' | 'tenantId'>,
  most = 0,
) {
  const open = world
    .db()
    .prepare(
      "SELECT 1 FROM sends WHERE tenant_id = ? AND state NOT IN ('delivered', 'bounced', 'blocked', 'accepted')",
    )
  await eventually(async () => (open.get(tenantId) === undefined ? true : undefined))
  const value = world.reputationOf(mailboxId)
  return value > 800 + most ? `the reputation rose from 800 to ${value}` : null
}

/** A tenant whose mail leaves through the relay, where its readers see their return paths. */
async function behindRelay(world: World) {
  const tenant = await world.newTenant()
  const { mailboxId, owner } = tenant
  await owner.patch(`/v1/agent/mailboxes/${mailboxId}`, { carriers: [{ carrier: 'smtp', weight: 1 }] })
  return tenant
}

/** The stranger writes to the agent, which answers as agents do. Returns the return path of the answer. */
async function provoke(world: World, tenant: Tenant, stranger: string, more = '') {
  const subject = `Question ${world.unique()}`
  await world.arrive(
    stranger,
    tenant.address,
    `From: <${stranger}>\nTo: ${tenant.address}\nSubject: ${subject}\nMessage-ID: <${world.unique()}@stranger.example>\n${more}\nHow are you?\n`,
  )
  const received = await eventually(async () => {
    const { body } = await tenant.get('/email/inbox?limit=50')
    return body.messages.find((message: { subject: string }) => message.subject === subject)
  })
  const seen = world.relay.mails.length
  await tenant.post('/email/send', {
    to: [stranger],
    subject: `Re: ${subject}`,
    body_text: 'Fine.',
    in_reply_to: received.message_id,
  })
  const answer = await eventually(async () =>
    world.relay.mails.slice(seen).find(({ to }) => to.includes(stranger)),
  )
  return answer.from
}

const report = (type: string, part: string, body: string) =>
  `From: MAILER-DAEMON@mx.stranger.example\nSubject: Report\nMIME-Version: 1.0
Content-Type: multipart/report; report-type=${type}; boundary=r\n\n--r\nContent-Type: text/plain\n\nA report.
--r\nContent-Type: ${part}\n\n${body}\n--r--\n`

const complaint = report('feedback-report', 'message/feedback-report', 'Feedback-Type: abuse\nVersion: 1')
const bounce = (of: string) =>
  report(
    'delivery-status',
    'message/delivery-status',
    `Reporting-MTA: dns; mx.stranger.example\n\nFinal-Recipient: rfc822; ${of}\nAction: failed\nStatus: 5.1.1`,
  )

/** Hands in one report for each return path and tells whether the mailbox is suspended or has lost more than it may. */
async function lossAfter(world: World, tenant: Tenant, reports: { to: string; raw: string }[], most: number) {
  for (const { to, raw } of reports) await world.arrive('', to, raw)
  await world.untilRead(tenant.tenantId)
  const left = world.reputationOf(tenant.mailboxId)
  return left < 800 - most ? `a stranger took ${800 - left} of the reputation` : null
}

export const attacks: Attack[] = [
  {
    line: 'A7',
    does: 'Two mailboxes of one tenant write to each other.',
    async run(world) {
      const tenant = await world.newTenant()
      const { body } = await tenant.owner.post('/v1/agent/mailboxes', { address: `m${world.unique()}` })
      for (let times = 0; times < 5; times++) await write(tenant, body.address)
      return await risen(world, tenant)
    },
  },
  {
    line: 'A7',
    does: 'Agents of two owners write to each other ten times.',
    async run(world) {
      const [one, other] = [await world.newTenant(), await world.newTenant()]
      for (let times = 0; times < 5; times++) {
        await write(one, other.address)
        await write(other, one.address)
      }
      const all = world.reputationOf(one.mailboxId) + world.reputationOf(other.mailboxId)
      return all > 1_601 ? `both together rose by ${all - 1_600}` : null
    },
  },
  {
    line: 'A7',
    does: 'The other owner opens mailbox after mailbox, and deletes each.',
    async run(world) {
      const [one, other] = [await world.newTenant(), await world.newTenant()]
      for (let times = 0; times < 4; times++) {
        const { body } = await other.owner.post('/v1/agent/mailboxes', { address: `m${world.unique()}` })
        await write(one, body.address)
        await other.owner.del(`/v1/agent/mailboxes/${body.id}`)
      }
      return await risen(world, one, 1)
    },
  },
  {
    line: 'A7',
    does: 'One message goes to several mailboxes of the other owner.',
    async run(world) {
      const [one, other] = [await world.newTenant(), await world.newTenant()]
      const more: string[] = []
      for (let times = 0; times < 4; times++) {
        const { body } = await other.owner.post('/v1/agent/mailboxes', { address: `m${world.unique()}` })
        more.push(body.address)
      }
      await write(one, [other.address, ...more])
      return await risen(world, one, 1)
    },
  },
  {
    line: 'A7',
    does: 'An agent writes to agents that it has registered and that nobody has claimed.',
    async run(world) {
      const tenant = await world.newTenant()
      for (let times = 0; times < 4; times++) await write(tenant, (await world.newAgent()).address)
      return await risen(world, tenant)
    },
  },
  {
    line: 'A7',
    does: 'An agent writes to its own owner outside, again and again.',
    async run(world) {
      const tenant = await world.newTenant()
      for (let times = 0; times < 5; times++) await write(tenant, tenant.email)
      return await risen(world, tenant)
    },
  },
  {
    line: 'A7',
    does: 'An agent writes to one address outside, again and again.',
    async run(world) {
      const [tenant, accomplice] = [await world.newTenant(), world.someone()]
      for (let times = 0; times < 5; times++) await write(tenant, accomplice)
      return await risen(world, tenant, 1)
    },
  },
  {
    line: 'A7',
    does: 'A stranger provokes four answers and complains of each.',
    async run(world) {
      const [tenant, stranger] = [await behindRelay(world), `s${world.unique()}@stranger.example`]
      const paths: string[] = []
      for (let times = 0; times < 4; times++) paths.push(await provoke(world, tenant, stranger))
      return await lossAfter(
        world,
        tenant,
        paths.map((to) => ({ to, raw: complaint })),
        100,
      )
    },
  },
  {
    line: 'A7',
    does: 'A stranger provokes four answers to four addresses of their domain and complains of each.',
    async run(world) {
      const [tenant, domain] = [await behindRelay(world), `${world.unique()}.example`]
      const paths: string[] = []
      for (let times = 0; times < 4; times++) paths.push(await provoke(world, tenant, `s${times}@${domain}`))
      return await lossAfter(
        world,
        tenant,
        paths.map((to) => ({ to, raw: complaint })),
        100,
      )
    },
  },
  {
    line: 'A7',
    does: 'A stranger writes from seven forged addresses that do not exist, and the answers bounce.',
    async run(world) {
      const tenant = await behindRelay(world)
      const reports: { to: string; raw: string }[] = []
      for (let times = 0; times < 7; times++) {
        const forged = `nobody@${world.unique()}.example`
        reports.push({ to: await provoke(world, tenant, forged), raw: bounce(forged) })
      }
      return await lossAfter(world, tenant, reports, 50)
    },
  },
  {
    line: 'A7',
    does: 'A stranger reports one answer as a bounce and as spam, several times.',
    async run(world) {
      const [tenant, stranger] = [await behindRelay(world), `s${world.unique()}@stranger.example`]
      const to = await provoke(world, tenant, stranger)
      const raws = [bounce(stranger), complaint, `X-A: 1\n${complaint}`, `X-A: 2\n${bounce(stranger)}`]
      return await lossAfter(
        world,
        tenant,
        raws.map((raw) => ({ to, raw })),
        150,
      )
    },
  },
]

export const guards: Guard[] = [
  {
    line: 'A7',
    what: 'the rule that nothing counts within one owner',
    file: 'core/signals/reputation.ts',
    from: 'AND i.reader NOT IN ',
    to: 'AND i.tenant_id IN ',
  },
  {
    line: 'A7',
    what: 'the rule that a pair of owners counts once',
    file: 'core/signals/reputation.ts',
    from: "tenantsOfOwner('i.reader')} AND x",
    to: "tenantsOfOwner('i.reader')} AND false AND x",
  },
  {
    line: 'A7',
    what: 'the rule that a contact counts once',
    file: 'core/signals/reputation.ts',
    from: 'COUNTED})) <> 0',
    to: 'COUNTED})) < 0',
  },
  {
    line: 'A7',
    what: 'the rule that bounces of provoked answers count once in all',
    file: 'core/signals/reputation.ts',
    from: 'WHEN w.provoked = 0 THEN true',
    to: 'WHEN w.provoked >= 0 THEN true',
  },
]
