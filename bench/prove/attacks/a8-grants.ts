import { sleep } from '../../../test/support/program.ts'
import type { Attack, Guard } from './attack.ts'
import {
  agentKeyId,
  hasLeft,
  honestKey,
  inSeconds,
  keyBy,
  mustWork,
  sends,
  submits,
  welcome,
} from './credentials.ts'
import { eventually, type Json, type Tenant, type World } from './world.ts'

const line = 'A8'
type Caller = ReturnType<World['asKey']>

/** Sets the agent's mailbox to review, so that a person approves every send. */
const review = async ({ owner, mailboxId }: Tenant) =>
  await owner.patch(`/v1/agent/mailboxes/${mailboxId}/autonomy`, { autonomyLevel: 1 })

/** A send that waits for a person, with its approval once it is rendered. */
async function held(world: World, tenant: Tenant, by: Pick<Caller, 'post'>) {
  const to = world.someone('held')
  const { body } = await by.post('/v1/agent/request-send', welcome(to))
  return { to, approvalId: await rendered(tenant, body.approvalQueueId) }
}

const rendered = async ({ owner }: Tenant, approvalId: string) =>
  await eventually(async () => {
    const { body } = await owner.get(`/v1/send/approvals/${approvalId}`)
    return body.message ? approvalId : undefined
  })

const approve = async (by: Caller, approvalId: string) =>
  await by.patch(`/v1/send/approvals/${approvalId}`, { decision: 'approved' })

/** A key that only a person could have made, with the permissions to run a tenant and to approve. */
const approver = async (world: World, { owner }: Tenant) =>
  await honestKey(world, owner, { permissions: ['read', 'send', 'manage', 'approve'] })

/** Lets the time come at which a scheduled send leaves. */
function comeDue(world: World, requestId: string) {
  world
    .db()
    .prepare('UPDATE sends SET next_at = ?1, scheduled_at = ?1 WHERE id = ?2')
    .run(Date.now() - 1_000, requestId)
}

async function scheduled(world: World, by: Pick<Caller, 'post'>) {
  const to = world.someone('later')
  const { body } = await by.post('/v1/agent/request-send', welcome(to, { scheduledAt: inSeconds(3_600) }))
  if (body.status !== 'scheduled') throw new Error(`not scheduled: ${JSON.stringify(body)}`)
  return { to, requestId: body.requestId as string }
}

/** Asks for a send in a body with a slip, and tells whether the mail left at once. */
async function slips(world: World, by: Caller, path: string, body: (to: string) => Json) {
  const to = world.someone('slip')
  await by.post(path, body(to))
  return await hasLeft(world, to, 1)
}

export const attacks: Attack[] = [
  {
    line,
    does: 'A key that expires makes a permanent key.',
    async run(world) {
      const tenant = await world.newTenant()
      const brief = await honestKey(world, tenant, { expiresAt: inSeconds(3) })
      const made = await Promise.all([
        keyBy(world, brief),
        keyBy(world, brief, { expiresAt: null }),
        keyBy(world, brief, { expiresAt: inSeconds(86_400) }),
      ])
      await sleep(3_500)
      for (const key of made) if (key && (await sends(world, key))) return 'it goes on after its maker'
      return null
    },
  },
  {
    line,
    does: 'A key that expires extends itself.',
    async run(world) {
      const tenant = await world.newTenant()
      const brief = await honestKey(world, tenant, { expiresAt: inSeconds(6) })
      await mustWork(sends(world, brief))
      await brief.patch(`/v1/agent/keys/${brief.id}`, { expiresAt: null })
      await brief.patch(`/v1/agent/keys/${brief.id}`, { expiresAt: inSeconds(86_400) })
      await sleep(6_200)
      return (await sends(world, brief)) ? 'it goes on' : null
    },
  },
  {
    line,
    does: 'A key that expires extends another key of its agent that was to end.',
    async run(world) {
      const tenant = await world.newTenant()
      const brief = await honestKey(world, tenant, { expiresAt: inSeconds(3) })
      const sibling = await honestKey(world, tenant, { expiresAt: inSeconds(3) })
      await brief.patch(`/v1/agent/keys/${sibling.id}`, { expiresAt: null })
      await sleep(3_200)
      return (await sends(world, sibling)) ? 'the other key goes on' : null
    },
  },
  {
    line,
    does: 'A key asks for a key with a mailbox scope alone, and gets one for all mailboxes.',
    async run(world) {
      const tenant = await world.newTenant()
      const key = await keyBy(world, tenant.owner, {
        mailboxScopes: [{ mailboxId: tenant.mailboxId, permissions: ['read'] }],
      })
      if (!key) return null
      const all = (await key.get('/v1/agent/settings')).status
      return all === 200
        ? 'it reads the settings of the tenant'
        : (await sends(world, key))
          ? 'it sends'
          : null
    },
  },
  {
    line,
    does: 'A slip in the name of a field makes a key that may do all, for ever.',
    async run(world) {
      const { owner, mailboxId } = await world.newTenant()
      const scopes = [{ mailboxId, permissions: ['read'] }]
      for (const slip of [
        { permission: ['read'] },
        { Permissions: ['read'] },
        { permissions: ['read'], expires_at: inSeconds(1) },
        { permissions: ['read'], expiresIn: 1 },
        { mailbox_scopes: scopes },
        { scopes },
        { mailboxScopes: [{ ...scopes[0], expiresAt: inSeconds(1) }] },
      ]) {
        const { body } = await owner.post('/v1/agent/keys', slip)
        if (body.rawKey) return `${JSON.stringify(slip)} was answered with a key`
      }
      return null
    },
  },
  {
    line,
    does: 'A key is to be narrowed by scopeAllMailboxes false alone: the answer says 200, and nothing changes.',
    async run(world) {
      const tenant = await world.newTenant()
      const key = await honestKey(world, tenant.owner)
      const { status } = await tenant.owner.patch(`/v1/agent/keys/${key.id}`, { scopeAllMailboxes: false })
      return status === 200 && (await sends(world, key)) ? 'it sends from all mailboxes' : null
    },
  },
  {
    line,
    does: 'A slip in the name of a field sends a mail at once that was to leave later, at each door.',
    async run(world) {
      const tenant = await world.newTenant()
      const at = inSeconds(3_600)
      for (const name of ['scheduled_at', 'send_at', 'sendAt', 'scheduleAt', 'deliver_at']) {
        if (await slips(world, tenant, '/v1/agent/request-send', (to) => welcome(to, { [name]: at })))
          return `${name} at Molted`
        const letter = (to: string) => ({ to: [to], subject: 'S', text: 'T', [name]: at })
        if (await slips(world, tenant, '/v1/messages', letter)) return `${name} at MailMolt`
        const mail = (to: string) => ({ to: [to], subject: 'S', body_text: 'T', [name]: at })
        if (await slips(world, tenant, '/email/send', mail)) return `${name} at MoltbotDen`
      }
      return null
    },
  },
  {
    line,
    does: 'A slip in the name of a field sends a mail without its file, or one that was a dry run, at each door.',
    async run(world) {
      const tenant = await world.newTenant()
      const file = [{ filename: 'a.txt', content_base64: btoa('a') }]
      for (const slip of [{ attachment: file }, { files: file }, { Attachments: file }, { dry_run: true }]) {
        const name = Object.keys(slip)[0]
        const letter = (to: string) => ({ to: [to], subject: 'S', text: 'T', ...slip })
        if (await slips(world, tenant, '/v1/messages', letter)) return `${name} at MailMolt`
        const mail = (to: string) => ({ to: [to], subject: 'S', body_text: 'T', ...slip })
        if (await slips(world, tenant, '/email/send', mail)) return `${name} at MoltbotDen`
        if (await slips(world, tenant, '/v1/agent/request-send', (to) => welcome(to, slip)))
          return `${name} at Molted`
      }
      return null
    },
  },
  {
    line,
    does: 'A slip in the name of a limit or a policy is answered as if it were set.',
    async run(world) {
      const { owner, mailboxId } = await world.newTenant()
      const mailbox = `/v1/agent/mailboxes/${mailboxId}`
      const answers = await Promise.all([
        owner.patch(mailbox, { daily_limit: 1 }),
        owner.patch(mailbox, { dailylimit: 1 }),
        owner.patch('/v1/agent/settings', { cooldown: 60 }),
        owner.patch('/v1/oversight/dlp', { Mode: 'block' }),
        owner.post('/v1/smtp-credentials', { name: 'x', expires_at: inSeconds(60) }),
        owner.post('/v1/agent/webhooks', { url: 'https://93.184.216.34/', eventTypes: ['ping'] }),
        owner.post('/v1/suppressions', {
          recipientEmail: 'a@example.com',
          reason: 'manual_dnc',
          scop: 'tenant',
        }),
      ])
      const accepted = answers.filter(({ status }) => status < 300)
      return accepted.length === 0 ? null : `${accepted.length} were answered with success`
    },
  },
  {
    line,
    does: 'A slip in an argument of a tool of MCP is dropped, and the mail leaves at once.',
    async run(world) {
      const tenant = await world.newTenant()
      const to = world.someone('mcp')
      const headers = { accept: 'application/json, text/event-stream' }
      const args = welcome(to, { scheduled_at: inSeconds(3_600) })
      const call = {
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'send_template', arguments: args },
      }
      await world.call('POST', '/mcp', { key: tenant.key, body: call, headers })
      return (await hasLeft(world, to)) ? 'it left' : null
    },
  },
  {
    line,
    does: 'A key with approve makes a key that sends, and approves what that asks for.',
    async run(world) {
      const tenant = await world.newTenant()
      await review(tenant)
      const judge = await approver(world, tenant)
      const child = await honestKey(world, judge, { permissions: ['read', 'send'] })
      const { to, approvalId } = await held(world, tenant, child)
      await approve(judge, approvalId)
      return (await hasLeft(world, to)) ? 'its mail left' : null
    },
  },
  {
    line,
    does: 'A key with approve issues an SMTP password, and approves what comes in with it.',
    async run(world) {
      const tenant = await world.newTenant()
      await review(tenant)
      const judge = await approver(world, tenant)
      const { body } = await judge.post('/v1/smtp-credentials', {}, { 'x-agent-id': tenant.agentId })
      if (body.password === undefined) return null
      const before = await tenant.owner.get('/v1/send/approvals?status=pending')
      await submits(world, body)
      const { items } = (await tenant.owner.get('/v1/send/approvals?status=pending')).body
      const mine = items.find(({ id }: Json) => !before.body.items.some((old: Json) => old.id === id))
      if (!mine) return null
      const recipient = mine.recipients[0].email
      await approve(judge, await rendered(tenant, mine.id))
      return (await hasLeft(world, recipient)) ? 'its mail left' : null
    },
  },
  {
    line,
    does: 'A key with approve makes two keys: one asks, the other approves.',
    async run(world) {
      const tenant = await world.newTenant()
      await review(tenant)
      const judge = await approver(world, tenant)
      const asks = await honestKey(world, judge, { permissions: ['read', 'send'] })
      const decides = await honestKey(world, judge, { permissions: ['read', 'approve'] })
      const { to, approvalId } = await held(world, tenant, asks)
      await approve(decides, approvalId)
      return (await hasLeft(world, to)) ? 'its mail left' : null
    },
  },
  {
    line,
    does: 'A key with approve writes its own words into a held send, and approves them.',
    async run(world) {
      const tenant = await world.newTenant()
      await review(tenant)
      const judge = await approver(world, { ...tenant, owner: tenant.owner })
      const { to, approvalId } = await held(world, tenant, tenant)
      const path = `/v1/send/approvals/${approvalId}/message`
      const { body } = await judge.put(path, { subject: 'Mine', text: 'My words' })
      if (body.id) await approve(judge, await rendered(tenant, body.id))
      return (await hasLeft(world, to)) ? 'its words left' : null
    },
  },
  {
    line,
    does: 'A key schedules a send and is revoked before it leaves.',
    async run(world) {
      const tenant = await world.newTenant()
      const key = await honestKey(world, tenant)
      const { to, requestId } = await scheduled(world, key)
      await tenant.owner.del(`/v1/agent/keys/${key.id}`)
      comeDue(world, requestId)
      return (await hasLeft(world, to, 8)) ? 'it left' : null
    },
  },
  {
    line,
    does: 'A key schedules a send and loses the permission to send before it leaves.',
    async run(world) {
      const tenant = await world.newTenant()
      const key = await honestKey(world, tenant)
      const { to, requestId } = await scheduled(world, key)
      await tenant.owner.patch(`/v1/agent/keys/${key.id}`, { permissions: ['read'] })
      comeDue(world, requestId)
      return (await hasLeft(world, to, 8)) ? 'it left' : null
    },
  },
  {
    line,
    does: 'A key that expires schedules a send for after its end.',
    async run(world) {
      const tenant = await world.newTenant()
      const brief = await honestKey(world, tenant, { expiresAt: inSeconds(2) })
      const to = world.someone('later')
      await brief.post('/v1/agent/request-send', welcome(to, { scheduledAt: inSeconds(4) }))
      return (await hasLeft(world, to, 10)) ? 'it left' : null
    },
  },
  {
    line,
    does: 'A held send of a key that was revoked meanwhile leaves when somebody approves it.',
    async run(world) {
      const tenant = await world.newTenant()
      await review(tenant)
      const key = await honestKey(world, tenant)
      const { to, approvalId } = await held(world, tenant, key)
      await tenant.owner.del(`/v1/agent/keys/${key.id}`)
      await approve(tenant.owner, approvalId)
      return (await hasLeft(world, to, 3)) ? 'it left' : null
    },
  },
  {
    line,
    does: 'A held mail of an SMTP password whose maker was revoked leaves when somebody approves it.',
    async run(world) {
      const tenant = await world.newTenant()
      await review(tenant)
      const { body } = await tenant.post('/v1/smtp-credentials', {})
      await submits(world, body)
      const [mine] = (await tenant.owner.get('/v1/send/approvals?status=pending')).body.items
      await rendered(tenant, mine.id)
      await tenant.owner.del(`/v1/agent/keys/${await agentKeyId(tenant)}`)
      await approve(tenant.owner, mine.id)
      return (await hasLeft(world, mine.recipients[0].email, 3)) ? 'it left' : null
    },
  },
  {
    line,
    does: 'A stolen key widens another key of its agent, which keeps that after the stolen one is revoked.',
    async run(world) {
      const tenant = await world.newTenant()
      const reader = await honestKey(world, tenant.owner, {
        ...{ agentId: tenant.agentId, permissions: ['read'] },
      })
      await tenant.patch(`/v1/agent/keys/${reader.id}`, { permissions: ['read', 'send', 'manage'] })
      await tenant.owner.del(`/v1/agent/keys/${await agentKeyId(tenant)}`)
      return (await sends(world, reader)) ? 'the other key sends' : null
    },
  },
  {
    line,
    does: 'A stolen key widens another key of the same maker, which keeps that after the stolen one is revoked.',
    async run(world) {
      const tenant = await world.newTenant()
      const thief = await honestKey(world, tenant)
      const reader = await honestKey(world, tenant, { permissions: ['read'] })
      await thief.patch(`/v1/agent/keys/${reader.id}`, { permissions: ['read', 'send', 'manage'] })
      await tenant.owner.del(`/v1/agent/keys/${thief.id}`)
      return (await sends(world, reader)) ? 'the other key sends' : null
    },
  },
  {
    line,
    does: 'A key takes back what is taken from it at the same moment, twenty times.',
    async run(world) {
      const tenant = await world.newTenant()
      for (let round = 0; round < 20; round++) {
        const key = await honestKey(world, tenant.owner, { permissions: ['read', 'send', 'manage'] })
        const widens = Array.from({ length: 4 }, () =>
          key.patch(`/v1/agent/keys/${key.id}`, { permissions: ['read', 'send', 'manage'], label: 'again' }),
        )
        await Promise.all([
          ...widens,
          eventually(async () => {
            const { status } = await tenant.owner.patch(`/v1/agent/keys/${key.id}`, { permissions: ['read'] })
            return status === 200 ? true : undefined
          }),
        ])
        const { body } = await tenant.owner.get('/v1/agent/keys')
        const now = body.items.find(({ id }: Json) => id === key.id)
        if (now.permissions.length > 1) return `in round ${round} it has ${now.permissions.join(', ')}`
      }
      return null
    },
  },
]

export const guards: Guard[] = [
  {
    line,
    what: 'the comparison of times',
    file: 'core/accounts/grants.ts',
    from: 'if (held.expiresAt !== null && (asked',
    to: 'if (held.expiresAt === undefined && (asked',
  },
  {
    line,
    what: 'mailboxScopes that stand alone',
    file: 'surfaces/molted/keys.ts',
    from: 'return scopeAllMailboxes === true ? null : mailboxScopes',
    to: 'return scopeAllMailboxes !== false ? null : mailboxScopes',
  },
  {
    line,
    what: 'the refusal of unknown fields',
    file: 'surfaces/unknown-fields.ts',
    from: "if (refused === 'all' || isNear) context",
    to: 'if (path.length === 99) context',
  },
  {
    line,
    what: 'the line of descent in approvals',
    file: 'core/sending/approvals.ts',
    from: 'line.length > 0 && line.at(-1) === own?.at(-1)',
    to: 'line.length > 0 && line.at(0) === own?.at(0)',
  },
  {
    line,
    what: 'the rule that judges the requester again, and the fence',
    file: 'core/policy/live-key.ts',
    from: 'export const requesterMaySend = (send: string) =>',
    to: "export const requesterMaySend = (_: string) => '1'\nexport const replaced = (send: string) =>",
  },
  {
    line,
    what: 'the rule that only its line widens a key',
    file: 'core/accounts/keys.ts',
    from: '!line.slice(1).includes(actor.keyId)',
    to: 'line.length === 0',
  },
]
