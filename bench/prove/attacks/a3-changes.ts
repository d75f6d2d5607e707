import { pair, readIn } from './a3-pair.ts'
import type { Attack } from './attack.ts'
import { hasLeft } from './credentials.ts'
import type { Json } from './world.ts'

const line = 'A3'

/** One agent changes what is another's, or sends as it. */
export const attacks: Attack[] = [
  {
    line,
    does: 'It sends from the other agent’s mailbox: by its id, by name, by SMTP, by default, by reply.',
    async run(world) {
      const { victim, attacker, mailboxId, owner, secret } = await pair(world)
      const to = world.someone('client')
      const letter = { to, subject: 'Hello', text: 'Hello' }
      const template = { recipientEmail: to, templateId: 'welcome', payload: { firstName: 'Ann' } }
      const local = victim.address.split('@')[0] ?? ''
      await attacker.post('/v1/agent/request-send', { ...template, mailboxId, dedupeKey: world.unique() })
      await attacker.post('/v1/agent/batch/request-send', {
        ...{ mailboxId, templateId: 'welcome' },
        sends: [{ recipientEmail: to, dedupeKey: world.unique(), payload: { firstName: 'Ann' } }],
      })
      for (const named of [victim.agentId, local]) {
        await attacker.post('/v1/messages', letter, { 'x-agent-id': named })
        await attacker.post(
          '/email/send',
          { to: [to], subject: 'a', body_text: 'b' },
          { 'x-agent-id': named },
        )
        await attacker.post('/v1/smtp-credentials', { name: 'mine' }, { 'x-agent-id': named })
      }
      await attacker.post(`/v1/messages/${secret.messageId}/reply`, { to, text: 'Hello' })
      // An agent without a mailbox has not got the mailbox of another by default.
      const { body: agent } = await owner.post('/v1/agent/register', { agentName: `third ${world.unique()}` })
      const { body: key } = await owner.post('/v1/agent/keys', { agentId: agent.id, permissions: ['send'] })
      const third = world.asKey(key.rawKey)
      await third.post('/v1/agent/request-send', { ...template, dedupeKey: world.unique() })
      await third.post('/v1/messages', letter)
      if (await hasLeft(world, to)) return `a mail left from ${victim.address}`
      const { body } = await owner.get('/v1/smtp-credentials')
      const theirs = body.data?.filter((each: Json) => each.name === 'mine' && each.mailbox_id === mailboxId)
      return theirs?.length > 0 ? 'it has a password for the other agent’s mailbox' : null
    },
  },
  {
    line,
    does: 'It makes a key whose scope is the other agent’s mailbox.',
    async run(world) {
      const { attacker, mailboxId, victim, secret } = await pair(world)
      const { body } = await attacker.post('/v1/agent/keys', {
        mailboxScopes: [{ mailboxId, permissions: ['read', 'send', 'manage'] }],
      })
      if (!body.rawKey) return null
      const key = world.asKey(body.rawKey)
      const local = victim.address.split('@')[0] ?? ''
      return readIn(
        [
          await key.get(`/v1/agent/mailboxes/${mailboxId}`),
          await key.get('/v1/messages', { 'x-agent-id': local }),
          await key.get(`/v1/agent/events?mailboxId=${mailboxId}`),
        ],
        secret.word,
        victim.address,
      )
    },
  },
  {
    line,
    does: 'It revokes, rotates and changes the other agent’s keys.',
    async run(world) {
      const { victim, attacker, owner } = await pair(world)
      const { body } = await owner.get('/v1/agent/keys')
      const { id } = body.items.find(({ label }: Json) => label === 'registration')
      await attacker.patch(`/v1/agent/keys/${id}`, { label: 'mine', permissions: ['read'] })
      await attacker.post(`/v1/agent/keys/${id}/rotate`)
      await attacker.del(`/v1/agent/keys/${id}`)
      const { status, body: me } = await victim.post('/v1/agent/whoami')
      if (status !== 200) return 'the other agent’s key is dead'
      return me.permissions.includes('manage') ? null : 'the other agent’s key may do less'
    },
  },
  {
    line,
    does: 'It pauses, renames and deletes the other agent’s mailbox, and sets its automatic reply.',
    async run(world) {
      const { victim, attacker, owner, mailboxId } = await pair(world)
      const { body: spare } = await owner.post('/v1/agent/mailboxes', {
        address: `spare-${world.unique()}`,
        agentId: victim.agentId,
      })
      const before = await owner.get(`/v1/agent/mailboxes/${mailboxId}`)
      const local = victim.address.split('@')[0] ?? ''
      await attacker.patch(`/v1/agent/mailboxes/${mailboxId}`, { displayName: 'Mine' })
      await attacker.patch(`/v1/agent/mailboxes/${mailboxId}`, { status: 'paused' })
      await attacker.patch(`/v1/agent/mailboxes/${mailboxId}/autonomy`, { autonomyLevel: 1 })
      await attacker.del(`/v1/agent/mailboxes/${spare.id}`)
      for (const named of [victim.agentId, local])
        await world.call('PATCH', '/v1/inbox', {
          key: attacker.key,
          headers: { 'x-agent-id': named },
          body: { auto_reply: { enabled: true, text: 'Write to me' } },
        })
      const after = await owner.get(`/v1/agent/mailboxes/${mailboxId}`)
      if (JSON.stringify(before.body) !== JSON.stringify(after.body))
        return 'the other agent’s mailbox changed'
      if ((await owner.get(`/v1/agent/mailboxes/${spare.id}`)).status !== 200) return 'a mailbox is gone'
      const row = world.db().prepare('SELECT auto_reply FROM mailboxes WHERE id = ?').get(mailboxId) as Json
      return row.auto_reply === null ? null : 'it answers for the other agent'
    },
  },
  {
    line,
    does: 'It deletes, reads and stars the other agent’s messages.',
    async run(world) {
      const { victim, attacker, secret } = await pair(world)
      const { messageId, threadId } = secret
      await attacker.del(`/v1/messages/${messageId}`)
      await attacker.del(`/email/message/${messageId}`)
      await attacker.post(`/email/message/${messageId}/read`)
      await attacker.post(`/email/message/${messageId}/star`)
      await attacker.patch(`/v1/threads/${threadId}`, { starred: true, archived: true, read: true })
      const { body } = await victim.get('/v1/threads')
      const thread = body.data.find(({ id }: Json) => id === threadId)
      if (!thread) return 'the message is gone'
      return thread.is_read || thread.starred || thread.archived ? 'the thread is marked' : null
    },
  },
  {
    line,
    does: 'It cancels what the other agent has scheduled.',
    async run(world) {
      const { victim, attacker } = await pair(world)
      const { body } = await victim.post('/v1/agent/request-send', {
        ...{ recipientEmail: world.someone(), templateId: 'welcome', payload: { firstName: 'Ann' } },
        dedupeKey: world.unique(),
        scheduledAt: new Date(Date.now() + 3_600_000).toISOString(),
      })
      await attacker.del(`/v1/agent/sends/${body.requestId}`)
      const { body: send } = await victim.get(`/v1/agent/sends/${body.requestId}`)
      return send.status === 'scheduled' ? null : `the send is ${send.status}`
    },
  },
  {
    line,
    does: 'It makes its own mailbox the default one, so that the owner’s sends leave from it.',
    async run(world) {
      const { attacker, owner, mailboxId } = await pair(world)
      await attacker.patch('/v1/agent/config/settings', { defaultMailboxId: attacker.mailboxId })
      const { body } = await owner.get('/v1/agent/config/settings')
      return body.defaultMailboxId === mailboxId ? null : 'the default mailbox is its own'
    },
  },
  {
    line,
    does: 'It takes a mailbox of no agent by naming itself.',
    async run(world) {
      const { attacker, owner } = await pair(world)
      const { body: shared } = await owner.post('/v1/agent/mailboxes', {
        address: `shared-${world.unique()}`,
      })
      const { body: key } = await owner.post('/v1/agent/keys', {
        agentId: attacker.agentId,
        mailboxScopes: [{ mailboxId: shared.id, permissions: ['read', 'send', 'manage'] }],
      })
      for (const { patch } of [attacker, world.asKey(key.rawKey)])
        await patch(`/v1/agent/mailboxes/${shared.id}`, { agentId: attacker.agentId })
      const { body } = await owner.get(`/v1/agent/mailboxes/${shared.id}`)
      return body.config.agentId === null ? null : 'the mailbox is its own'
    },
  },
  {
    line,
    does: 'It registers the other agent’s name in another case, and so changes and speaks for it.',
    async run(world) {
      const { attacker, owner, victim } = await pair(world)
      const before = await owner.get('/v1/agent/agents')
      const upper = victim.name.toUpperCase()
      for (const agentName of [victim.name, upper])
        await attacker.post('/v1/agent/register', { agentName, agentRole: 'mine' })
      await attacker.put(`/v1/agent/agents/${victim.agentId}/config`, { humanizer_enabled: true })
      const after = await owner.get('/v1/agent/agents')
      if (after.body.items.length !== before.body.items.length) return 'two agents have one name'
      const other = after.body.items.find(({ id }: Json) => id === victim.agentId)
      const { body: config } = await owner.get(`/v1/agent/agents/${victim.agentId}/config`)
      return other.agentRole === 'mine' || config.humanizer_enabled ? 'it changed the other agent' : null
    },
  },
  {
    line,
    does: 'It registers agents of its own and gives itself the majority.',
    async run(world) {
      const { attacker, owner, victim } = await pair(world)
      for (const agentId of [victim.agentId, attacker.agentId])
        await owner.post('/v1/agent/coordination/heartbeat', { agentId })
      const puppets = await Promise.all(
        [1, 2, 3].map(async () => {
          const { body } = await attacker.post('/v1/agent/register', {
            agentName: `puppet ${world.unique()}`,
          })
          await attacker.post('/v1/agent/coordination/heartbeat', { agentId: body.id })
          return body.id as string
        }),
      )
      const { body } = await attacker.post('/v1/agent/coordination/consensus', {
        ...{ requestingAgentId: attacker.agentId, action: 'a', contactEmail: 'a@example.com', reason: 'b' },
      })
      const path = `/v1/agent/coordination/consensus/${body.id}`
      for (const agentId of [attacker.agentId, ...puppets, victim.agentId])
        await attacker.post(`${path}/vote`, { agentId, vote: 'approve' })
      await attacker.post(`${path}/vote`, { vote: 'approve' })
      const { body: found } = await owner.get(path)
      const voters = found.votes.map(({ agentId }: Json) => agentId)
      if (voters.some((id: string) => id !== attacker.agentId)) return `votes were cast for ${voters}`
      // The owner's agent votes against it: one vote of two is a tie, and three puppets would have made it a majority.
      return found.status === 'pending' ? null : `the proposal is ${found.status}`
    },
  },
  {
    line,
    does: 'It makes the other agent’s no count for nothing by registering agents that are active and do not vote.',
    async run(world) {
      const { attacker, owner, victim } = await pair(world)
      for (const agentId of [victim.agentId, attacker.agentId])
        await owner.post('/v1/agent/coordination/heartbeat', { agentId })
      for (let count = 0; count < 3; count++)
        await attacker.post('/v1/agent/register', { agentName: `puppet ${world.unique()}` })
      const { body } = await victim.post('/v1/agent/coordination/consensus', {
        ...{ requestingAgentId: victim.agentId, action: 'a', contactEmail: 'a@example.com', reason: 'b' },
      })
      const path = `/v1/agent/coordination/consensus/${body.id}`
      for (const agentId of [victim.agentId, attacker.agentId])
        await owner.post(`${path}/vote`, { agentId, vote: 'reject' })
      const { body: found } = await owner.get(path)
      return found.status === 'rejected' ? null : `the proposal is ${found.status}`
    },
  },
]
