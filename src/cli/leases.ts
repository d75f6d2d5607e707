import { connect } from './client.ts'
import { given, number } from './json.ts'
import { forAgent, mustNameAgent } from './named-agent.ts'
import { show } from './output.ts'
import { example, type Group, listing, part } from './root.ts'

const LEASES = '/v1/agent/coordination/leases'

export function leases(agents: Group) {
  acquire(agents)
  release(agents)
  list(agents)
  history(agents)
}

function acquire(agents: Group) {
  forAgent(agents.command('lease'), 'the agent that gets the lease')
    .description(
      'Give one agent the exclusive right to write to a contact. If another agent holds the lease, the answer names it.',
    )
    .requiredOption('--contact-email <email>', 'email address of the contact')
    .option('--intent <intent>', 'what the agent wants to do, such as outbound_sales', 'general')
    .option('--duration <minutes>', 'length of the lease in minutes, at most 1440', number, 30)
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
}

function release(agents: Group) {
  agents
    .command('release-lease')
    .description('End a lease before it expires')
    .argument('<LEASE_ID>', 'id of the lease')
    .addHelpText('after', example('molted agents release-lease d290f1ee-6c54-4b01-90e6-d701748f0851'))
    .action(async (id, _, command) => {
      const api = await connect(command)
      show(command, await api.delete(`/v1/agent/coordination/lease/${part(id)}`))
    })
}

function list(agents: Group) {
  agents
    .command('leases')
    .description('List all leases that are active now')
    .addHelpText('after', example('molted agents leases'))
    .action(async (_, command) => {
      const { getAll } = await connect(command)
      const columns = ['id', 'agentId', 'contactEmail', 'intent', 'expiresAt']
      show(command, await getAll(LEASES), columns)
    })
}

function history(agents: Group) {
  listing(agents, 'lease-history')
    .description('Show what happened to the leases of a contact, newest first')
    .requiredOption('--contact-email <email>', 'email address of the contact')
    .addHelpText('after', example('molted agents lease-history --contact-email user@example.com'))
    .action(async (query, command) => {
      const { get } = await connect(command)
      const columns = ['at', 'kind', 'agentName', 'holderName', 'epoch', 'expiresAt']
      show(command, await get(`${LEASES}/history`, query), columns)
    })
}
