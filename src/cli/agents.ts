import { connect } from './client.ts'
import { consensus } from './consensus.ts'
import { heartbeat, rememberAgent } from './heartbeat.ts'
import { given, jsonObject, textAt } from './json.ts'
import { leases } from './leases.ts'
import { show } from './output.ts'
import { example, type Group, listing, part, type Root } from './root.ts'

export function agents(root: Root) {
  const agents = root
    .command('agents')
    .description('Register the agents of a tenant and coordinate them: leases, votes, settings')
  register(agents)
  list(agents)
  heartbeat(agents)
  leases(agents)
  consensus(agents)
  config(agents)
  updateConfig(agents)
}

function register(agents: Group) {
  agents
    .command('register')
    .description('Register an agent. If the tenant has an agent with this name, that agent is updated.')
    .requiredOption('--agent-name <name>', 'name of the agent, unique in the tenant')
    .option('--agent-role <role>', 'what the agent does, such as outbound, inbound or classifier')
    .addHelpText(
      'after',
      example('molted agents register --agent-name "outreach-agent" --agent-role outbound'),
    )
    .action(async ({ agentName, agentRole }, command) => {
      const api = await connect(command)
      const answer = await api.post('/v1/agent/register', given({ agentName, agentRole }))
      const id = textAt(answer, 'id')
      if (id !== null) await rememberAgent(api, id)
      show(command, answer)
    })
}

function list(agents: Group) {
  listing(agents, 'list')
    .description('List the agents of the tenant')
    .option('--active', 'only agents with a heartbeat in the last 5 minutes')
    .addHelpText('after', example('molted agents list --active'))
    .action(async ({ active, limit, cursor }, command) => {
      const { get } = await connect(command)
      const query = { active: active ? 'true' : undefined, limit, cursor }
      const columns = ['id', 'agentName', 'agentRole', 'active', 'lastHeartbeat']
      show(command, await get('/v1/agent/agents', query), columns)
    })
}

function config(agents: Group) {
  agents
    .command('config')
    .description('Show the settings of an agent')
    .argument('<AGENT_ID>', 'id of the agent')
    .addHelpText('after', example('molted agents config agent_a1b2c3d4e5f6'))
    .action(async (id, _, command) => {
      const { get } = await connect(command)
      show(command, await get(configOf(id)))
    })
}

function updateConfig(agents: Group) {
  agents
    .command('update-config')
    .description(
      'Change settings of an agent: humanizer_enabled, humanizer_style and humanizer_provider. ' +
        'Settings that are left out stay as they are.',
    )
    .argument('<AGENT_ID>', 'id of the agent')
    .requiredOption('--config <json>', 'the settings, as a JSON object', jsonObject)
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
