import { sleep } from '../../../test/support/program.ts'
import { attacks as more } from './a3-changes.ts'
import { overheard, pair, readIn, receive } from './a3-pair.ts'
import type { Attack, Guard } from './attack.ts'
import { HOOK } from './credentials.ts'
import type { Json } from './world.ts'

const line = 'A3'

export const attacks: Attack[] = [
  {
    line,
    does: 'An agent takes over the mailbox of another agent of its tenant by PATCH {agentId}.',
    async run(world) {
      const { victim, attacker, owner, mailboxId, secret } = await pair(world)
      await attacker.patch(`/v1/agent/mailboxes/${mailboxId}`, { agentId: attacker.agentId })
      const { body } = await owner.get(`/v1/agent/mailboxes/${mailboxId}`)
      const { agentId } = body.config
      if (agentId !== victim.agentId) return `the mailbox belongs to ${agentId}`
      return readIn([await attacker.get(`/v1/messages/${secret.messageId}`)], secret.word)
    },
  },
  {
    line,
    does: 'It reads the other agent’s mail by id, at every door and speaking for it.',
    async run(world) {
      const { victim, attacker, secret } = await pair(world)
      const paths = [
        `/v1/messages/${secret.messageId}`,
        `/v1/threads/${secret.threadId}`,
        `/v1/messages?thread_id=${secret.threadId}`,
        '/v1/messages',
        '/v1/threads',
        `/v1/search?q=${secret.word}`,
        `/v1/search/threads?q=${secret.word}`,
        '/email/inbox',
        `/email/message/${secret.messageId}`,
        `/email/thread/${secret.threadId}`,
        '/v1/agents/heartbeat',
      ]
      const local = victim.address.split('@')[0] ?? ''
      const answers = await Promise.all(
        paths.flatMap((path) => [
          attacker.get(path),
          attacker.get(path, { 'x-agent-id': victim.agentId }),
          attacker.get(path, { 'x-agent-id': local }),
        ]),
      )
      // A search says what was searched for.
      const told = answers.filter(({ body }) => body.query !== secret.word || body.total > 0)
      return readIn(told, secret.word, victim.address)
    },
  },
  {
    line,
    does: 'It reads the other agent’s mail in the history of events.',
    async run(world) {
      const { victim, attacker, mailboxId, secret } = await pair(world)
      await sleep(500)
      const queries = ['', `mailboxId=${mailboxId}`, `agentId=${victim.agentId}`, 'type=message.received']
      const answers = await Promise.all(
        queries.map((query) => attacker.get(`/v1/agent/events?limit=100&${query}`)),
      )
      return readIn(answers, secret.word)
    },
  },
  {
    line,
    does: 'It listens to the stream of events while the other agent gets mail.',
    async run(world) {
      const { victim, attacker, mailboxId } = await pair(world)
      const { body } = await attacker.post('/v1/agent/coordination/consensus', {
        ...{ requestingAgentId: attacker.agentId, action: 'a', contactEmail: 'a@example.com', reason: 'b' },
      })
      const { body: events } = await attacker.get('/v1/agent/events')
      const last = events.items?.at(-1)?.id ?? body.id
      const queries = ['', `?mailboxId=${mailboxId}`, `?agentId=${victim.agentId}`, `?lastEventId=${last}`]
      const streams = queries.map((query) =>
        fetch(`${world.address}/v1/agent/events/stream${query}`, {
          headers: { authorization: `Bearer ${attacker.key}` },
        }),
      )
      const heard = Promise.all(streams.map(async (stream) => await overheard(await stream, 4)))
      await Promise.all(streams)
      const { word } = await receive(world, victim)
      return (await heard).some((text) => text.includes(word))
        ? 'the stream told the other agent’s mail'
        : null
    },
  },
  {
    line,
    does: 'It listens on a WebSocket while the other agent gets mail.',
    async run(world) {
      const { victim, attacker } = await pair(world)
      const socket = await world.listenBySocket('/v1/agent/events/stream', attacker.key)
      if (!socket.isOpen) throw new Error('the WebSocket did not open')
      const { word } = await receive(world, victim)
      await sleep(1_500)
      socket.close()
      return socket.heard().includes(word) ? 'the socket told the other agent’s mail' : null
    },
  },
  {
    line,
    does: 'It registers webhooks, for itself, for everybody and for the other agent, and gets the other agent’s events.',
    async run(world) {
      const { victim, attacker } = await pair(world)
      const wishes = [{}, { agentId: null }, { agentId: victim.agentId }]
      for (const wish of wishes) await attacker.post('/v1/agent/webhooks', { url: HOOK, ...wish })
      const { word } = await receive(world, victim)
      await sleep(1_500)
      const made = world
        .db()
        .prepare(
          `SELECT count(*) AS count FROM webhook_deliveries d JOIN events e ON e.tenant_id = d.tenant_id AND e.id = d.event_id
           WHERE d.tenant_id = ? AND e.payload LIKE ?`,
        )
        .get(victim.tenantId, `%${word}%`) as Json
      return made.count > 0 ? `${made.count} webhooks are told of the other agent’s mail` : null
    },
  },
  {
    line,
    does: 'It goes on reading a mailbox that the owner has given to another agent: its history, stream and webhooks.',
    async run(world) {
      const { victim, attacker, owner } = await pair(world)
      await attacker.post('/v1/agent/webhooks', { url: HOOK })
      const stream = await fetch(`${world.address}/v1/agent/events/stream`, {
        headers: { authorization: `Bearer ${attacker.key}` },
      })
      const heard = overheard(stream, 5)
      await owner.patch(`/v1/agent/mailboxes/${attacker.mailboxId}`, { agentId: victim.agentId })
      const now = { ...victim, address: attacker.address }
      const local = attacker.address.split('@')[0] ?? ''
      const get = (path: string) => owner.get(path, { 'x-agent-id': local })
      const { word, messageId } = await receive(world, { ...now, get })
      const answers = await Promise.all([
        attacker.get(`/v1/messages/${messageId}`),
        attacker.get('/v1/messages', { 'x-agent-id': local }),
        attacker.get('/v1/agent/events?limit=100'),
      ])
      if ((await heard).includes(word)) return 'its stream still tells the mail'
      const told = world
        .db()
        .prepare(
          `SELECT count(*) AS count FROM webhook_deliveries d JOIN events e ON e.tenant_id = d.tenant_id AND e.id = d.event_id
           WHERE d.tenant_id = ? AND e.payload LIKE ?`,
        )
        .get(victim.tenantId, `%${word}%`) as Json
      return told.count > 0 ? 'its webhook still gets the mail' : readIn(answers, word)
    },
  },
  {
    line,
    does: 'It reads the other agent’s memory.',
    async run(world) {
      const { victim, attacker } = await pair(world)
      const word = `memory${world.unique()}`
      await victim.put('/v1/agents/me/memory/plan', { value: word })
      const named = { 'x-agent-id': victim.agentId }
      const answers = [
        await attacker.get('/v1/agents/me/memory/plan'),
        await attacker.get('/v1/agents/me/memory/plan', named),
        await attacker.get('/v1/agents/me/memory', named),
        await attacker.post('/v1/agents/me/memory/search', { q: 'plan' }, named),
      ]
      return readIn(answers, word)
    },
  },
  {
    line,
    does: 'It reads what the other agent sent: sends, traces, batches, the audit log.',
    async run(world) {
      const { victim, attacker, mailboxId } = await pair(world)
      const to = world.someone('client')
      const sends = [{ recipientEmail: to, dedupeKey: world.unique(), payload: { firstName: 'Ann' } }]
      const { body } = await victim.post('/v1/agent/batch/request-send', { templateId: 'welcome', sends })
      const id = body.results[0].requestId
      await victim.post('/v1/smtp-credentials', { name: to })
      const paths = [
        `/v1/agent/sends/${id}`,
        `/v1/ops/trace/${id}`,
        `/v1/agent/batch/${body.batchId}`,
        '/v1/agent/sends?limit=100',
        `/v1/agent/sends?mailboxId=${mailboxId}`,
        '/v1/agent/keys',
        '/v1/smtp-credentials',
        '/v1/compliance/audit-log?limit=100',
        '/v1/compliance/audit-log?format=ndjson',
        '/v1/compliance/audit-log?format=csv',
      ]
      return readIn(await Promise.all(paths.map((path) => attacker.get(path))), to)
    },
  },
  ...more,
]

export const guards: Guard[] = [
  {
    line,
    what: 'the mailboxes that an agent’s key reaches',
    file: 'core/ground/ctx.ts',
    from: "return actor.kind === 'key' ? (actor.reach ?? null) : null",
    to: 'return null',
  },
  {
    line,
    what: 'the reach of a key on the send path',
    file: 'core/sending/door.ts',
    from: 't.default_mailbox_id) AND',
    to: 't.default_mailbox_id) OR 0 AND',
  },
  {
    line,
    what: 'the owner of events in the history',
    file: 'core/publishing/event-agents.ts',
    from: '(:ofAgent IS NULL OR ',
    to: '(:ofAgent IS NULL OR 1 OR ',
  },
  {
    line,
    what: 'the owner of events on the live stream',
    file: 'core/policy/listener.ts',
    from: 'if (ofAgent !== null && hearers[event.id]?.includes(ofAgent) === false) return false',
    to: '',
  },
  {
    line,
    what: 'the owner of events at webhooks',
    file: 'core/publishing/publish.ts',
    from: '(w.agent_id IS NULL OR w.agent_id IN',
    to: '(1 OR w.agent_id IN',
  },
  {
    line,
    what: 'the agent of keys',
    file: 'core/accounts/keys.ts',
    from: 'own === null ? undefined : eq(keys.agentId, own)',
    to: 'undefined',
  },
  {
    line,
    what: 'the whole audit log for the whole tenant only',
    file: 'core/governance/audit/visible.ts',
    from: 'if (some.length < 2) return',
    to: 'if (some.length < 3) return',
  },
  {
    line,
    what: 'votes only for agents that no agent’s key registered',
    file: 'core/accounts/agents/heartbeat.ts',
    from: 'AND a.registered_by IS NULL AND',
    to: 'AND',
  },
  {
    line,
    what: 'the names of other agents',
    file: 'core/accounts/agents/agents.ts',
    from: 'known.id !== own && known.registeredBy !== own) throw notOwn()',
    to: "known.id === '') throw notOwn()",
  },
]
