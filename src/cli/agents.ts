import { setTimeout as sleep } from 'node:timers/promises'
import { Option } from '@commander-js/extra-typings'
import { type Api, connect } from './client.ts'
import { readCredentials, writeCredentials } from './credentials.ts'
import { Failure, misuse } from './failure.ts'
import { given, type Json, jsonObject, number, textAt } from './json.ts'
import { isForReading, show } from './output.ts'
import { example, part, type Root } from './root.ts'

/** An agent counts as active for 5 minutes after a heartbeat. */
const BEAT_EVERY_SECONDS = 60

const CONSENSUS = '/v1/agent/coordination/consensus'
const LEASES = '/v1/agent/coordination/leases'

export function agents(root: Root) {
  const agents = root.command('agents').description('Agents that share a tenant: leases, votes and settings')

  agents
    .command('register')
    .description('Register an agent, or update the one of that name')
    .requiredOption('--agent-name <name>', 'unique per tenant')
    .option('--agent-role <role>', 'such as outbound, inbound or classifier', 'general')
    .addHelpText(
      'after',
      example('molted agents register --agent-name "outreach-agent" --agent-role outbound'),
    )
    .action(async ({ agentName, agentRole }, command) => {
      const api = await connect(command)
      const answer = await api.post('/v1/agent/register', { agentName, agentRole })
      const id = textAt(answer, 'id')
      if (id !== null) await remember(api, id)
      show(command, answer)
    })

  agents
    .command('list')
    .description('List the agents of the tenant')
    .option('--active', 'only those that are active')
    .option('--limit <number>', 'at most this many, up to 100', number)
    .option('--cursor <cursor>', 'go on where the list before ended')
    .addHelpText('after', example('molted agents list --active'))
    .action(async ({ active, limit, cursor }, command) => {
      const { get } = await connect(command)
      const query = { active: active ? 'true' : undefined, limit, cursor }
      const columns = ['id', 'agentName', 'agentRole', 'active', 'lastHeartbeat']
      show(command, await get('/v1/agent/agents', query), columns)
    })

  agents
    .command('heartbeat')
    .description("Tell that the key's agent is alive; needed at least every 5 minutes")
    .option('--agent-id <id>', "another agent, where the key is the tenant's")
    .option('--agent-name <name>', 'the same, by name')
    .option('--watch', 'keep beating until interrupted')
    .option('--every <seconds>', 'between two beats of --watch', number, BEAT_EVERY_SECONDS)
    .addHelpText('after', example('molted agents heartbeat', 'molted agents heartbeat --watch'))
    .action(async ({ agentId, agentName, watch, every }, command) => {
      if (every < 0.1 || every > 3600) throw misuse('--every must be 0.1 to 3600 seconds')
      const api = await connect(command)
      const who = (agentId ?? agentName) ? given({ agentId, agentName }) : { agentId: await ownAgent(api) }
      const beat = () => api.post('/v1/agent/coordination/heartbeat', who, { mayRepeat: true })
      if (!watch) return show(command, await beat())
      await keepBeating(beat, every * 1000, (answer) => {
        if (isForReading(command)) process.stdout.write(`${new Date().toISOString()}  beat\n`)
        else process.stdout.write(`${JSON.stringify(answer)}\n`)
      })
    })

  agents
    .command('lease')
    .description('Hold a contact for one agent; held by another, the answer names the holder')
    .option('--agent-id <id>', 'agent that holds; this or --agent-name is required')
    .option('--agent-name <name>', 'the same, by name')
    .requiredOption('--contact-email <email>', 'contact to lease')
    .option('--intent <intent>', 'such as outbound_sales', 'general')
    .option('--duration <minutes>', 'how long', number, 30)
    .addHelpText(
      'after',
      example(
        'molted agents lease --agent-name outreach-agent \\\n  --contact-email user@example.com --intent outbound_sales --duration 30',
      ),
    )
    .action(async ({ agentId, agentName, contactEmail, intent, duration }, command) => {
      mustNameAgent(agentId ?? agentName)
      const { post } = await connect(command)
      const body = given({ agentId, agentName, contactEmail, intent, durationMinutes: duration })
      show(command, await post('/v1/agent/coordination/lease', body))
    })

  agents
    .command('release-lease')
    .description('Give a contact back')
    .argument('<LEASE_ID>')
    .addHelpText('after', example('molted agents release-lease d290f1ee-6c54-4b01-90e6-d701748f0851'))
    .action(async (id, _, command) => {
      const api = await connect(command)
      show(command, await api.delete(`/v1/agent/coordination/lease/${part(id)}`))
    })

  agents
    .command('leases')
    .description('List the leases that are held now')
    .addHelpText('after', example('molted agents leases'))
    .action(async (_, command) => {
      const { getAll } = await connect(command)
      const columns = ['id', 'agentId', 'contactEmail', 'intent', 'expiresAt']
      show(command, await getAll(LEASES), columns)
    })

  agents
    .command('lease-history')
    .description('Tell what happened to the leases of a contact, newest first')
    .requiredOption('--contact-email <email>', 'contact')
    .option('--limit <number>', 'at most this many, up to 100', number)
    .option('--cursor <cursor>', 'go on where the list before ended')
    .addHelpText('after', example('molted agents lease-history --contact-email user@example.com'))
    .action(async (query, command) => {
      const { get } = await connect(command)
      const columns = ['at', 'kind', 'agentName', 'holderName', 'epoch', 'expiresAt']
      show(command, await get(`${LEASES}/history`, query), columns)
    })

  const consensus = agents.command('consensus').description('Decide together: ask, look, vote')

  consensus
    .command('create')
    .description('Ask the active agents to vote on an action')
    .option('--agent-id <id>', 'agent that asks; this or --agent-name is required')
    .option('--agent-name <name>', 'the same, by name')
    .requiredOption('--action <action>', 'what is proposed')
    .requiredOption('--contact-email <email>', 'contact that it is about')
    .requiredOption('--reason <reason>', 'why')
    .option('--timeout <minutes>', 'how long the vote is open', number, 5)
    .addHelpText(
      'after',
      example(
        'molted agents consensus create --agent-name outreach-agent \\\n  --action "pause outreach" --contact-email ceo@bigcorp.com \\\n  --reason "Fatigue scores are high" --timeout 5',
      ),
    )
    .action(async ({ agentId, agentName, timeout, ...asked }, command) => {
      mustNameAgent(agentId ?? agentName)
      const { post } = await connect(command)
      const { action, contactEmail, reason } = asked
      const who = given({ requestingAgentId: agentId, proposerAgent: agentName })
      const body = { ...who, action, contactEmail, reason, timeoutMinutes: timeout }
      show(command, await post(CONSENSUS, body))
    })

  consensus
    .command('get')
    .description('Read a request and how it stands')
    .argument('<CONSENSUS_ID>')
    .addHelpText('after', example('molted agents consensus get b4c8e7a2-3f19-4d5e-a621-9c1d8f3e7b0a'))
    .action(async (id, _, command) => {
      const { get } = await connect(command)
      show(command, await get(`${CONSENSUS}/${part(id)}`))
    })

  consensus
    .command('list')
    .description('List requests, newest first')
    .addOption(
      new Option('--status <status>', 'only these').choices([
        'pending',
        'approved',
        'rejected',
        'expired',
      ] as const),
    )
    .option('--limit <number>', 'at most this many, up to 100', number)
    .option('--cursor <cursor>', 'go on where the list before ended')
    .addHelpText('after', example('molted agents consensus list --status pending'))
    .action(async (query, command) => {
      const { get } = await connect(command)
      const columns = ['id', 'status', 'action', 'contactEmail', 'timeoutAt']
      show(command, await get(CONSENSUS, query), columns)
    })

  consensus
    .command('vote')
    .description('Vote on a request')
    .argument('<CONSENSUS_ID>')
    .requiredOption('--agent-id <id>', 'agent that votes')
    .addOption(
      new Option('--vote <vote>', 'your vote').choices(['approve', 'reject'] as const).makeOptionMandatory(),
    )
    .option('--reason <reason>', 'why')
    .addHelpText(
      'after',
      example(
        'molted agents consensus vote CONSENSUS_ID \\\n  --agent-id agent_f6e5d4c3b2a1 --vote approve --reason "Agreed, signals look bad"',
      ),
    )
    .action(async (id, { agentId, vote, reason }, command) => {
      const { post } = await connect(command)
      const body = given({ agentId, vote, reason })
      show(command, await post(`${CONSENSUS}/${part(id)}/vote`, body, { mayRepeat: true }))
    })

  agents
    .command('config')
    .description('Read the settings of an agent')
    .argument('<AGENT_ID>')
    .addHelpText('after', example('molted agents config agent_a1b2c3d4e5f6'))
    .action(async (id, _, command) => {
      const { get } = await connect(command)
      show(command, await get(configOf(id)))
    })

  agents
    .command('update-config')
    .description('Replace the settings of an agent: humanizer_enabled, humanizer_style, humanizer_provider')
    .argument('<AGENT_ID>')
    .requiredOption('--config <json>', 'the settings', jsonObject)
    .addHelpText(
      'after',
      example(
        `molted agents update-config AGENT_ID \\\n  --config '{"humanizer_enabled": true, "humanizer_style": "professional"}'`,
      ),
    )
    .action(async (id, { config }, command) => {
      const { put } = await connect(command)
      show(command, await put(configOf(id), config))
    })
}

const configOf = (agentId: string) => `/v1/agent/agents/${part(agentId)}/config`

function mustNameAgent(named: string | undefined) {
  if (named === undefined) throw misuse('either --agent-id or --agent-name is required')
}

/** Who beats where no flag says so: the agent of the key, else the one that was registered from here last. */
async function ownAgent({ agentId, address, tenantId }: Api): Promise<string> {
  const { agents } = await readCredentials()
  const own = agentId ?? agents.get(`${address} ${tenantId}`)
  if (own !== undefined) return own
  throw misuse(
    'this key belongs to no agent, and none was registered from here',
    'Register one with: molted agents register --agent-name NAME\nor name it: --agent-id or --agent-name',
  )
}

async function remember({ address, tenantId }: Api, agentId: string) {
  const stored = await readCredentials()
  stored.agents.set(`${address} ${tenantId}`, agentId)
  await writeCredentials(stored)
}

/** Beats until interrupted. A beat that fails is told and made up for by the next one, unless it would never succeed. */
async function keepBeating(beat: () => Promise<Json>, everyMs: number, tell: (answer: Json) => void) {
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort())
  while (!interrupted.signal.aborted) {
    try {
      tell(await beat())
    } catch (error) {
      if (!(error instanceof Failure) || /^4(?!29)\d\d /.test(error.message)) throw error
      console.error(`error: ${error.message}`)
    }
    await sleep(everyMs, null, { signal: interrupted.signal }).catch(() => null)
  }
}
