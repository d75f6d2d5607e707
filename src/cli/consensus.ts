import { Option } from '@commander-js/extra-typings'
import { connect } from './client.ts'
import { given, number } from './json.ts'
import { forAgent, mustNameAgent } from './named-agent.ts'
import { show } from './output.ts'
import { example, type Group, listing, part } from './root.ts'

const CONSENSUS = '/v1/agent/coordination/consensus'

export function consensus(agents: Group) {
  const consensus = agents
    .command('consensus')
    .description('Let the agents vote on an action: create a proposal, read it, vote')
  create(consensus)
  get(consensus)
  list(consensus)
  vote(consensus)
}

function create(consensus: Group) {
  forAgent(consensus.command('create'), 'the agent that asks')
    .description('Ask the active agents to vote on an action')
    .requiredOption('--action <action>', 'the proposed action')
    .requiredOption('--contact-email <email>', 'email address of the contact that the action concerns')
    .requiredOption('--reason <reason>', 'why the action is proposed')
    .option('--timeout <minutes>', 'minutes until voting ends, at most 1440', number, 5)
    .addHelpText(
      'after',
      example(
        'molted agents consensus create --agent-name outreach-agent \\\n  --action "pause outreach" --contact-email ceo@bigcorp.com \\\n  --reason "Fatigue scores are high" --timeout 5',
      ),
    )
    .action(async ({ agentId, agentName, action, contactEmail, reason, timeout }, command) => {
      mustNameAgent(agentId ?? agentName)
      const { post } = await connect(command)
      const proposer = given({ requestingAgentId: agentId, proposerAgent: agentName })
      const body = { ...proposer, action, contactEmail, reason, timeoutMinutes: timeout }
      show(command, await post(CONSENSUS, body))
    })
}

function get(consensus: Group) {
  consensus
    .command('get')
    .description('Show a proposal, its votes and its result')
    .argument('<CONSENSUS_ID>', 'id of the proposal')
    .addHelpText('after', example('molted agents consensus get b4c8e7a2-3f19-4d5e-a621-9c1d8f3e7b0a'))
    .action(async (id, _, command) => {
      const { get } = await connect(command)
      show(command, await get(`${CONSENSUS}/${part(id)}`))
    })
}

function list(consensus: Group) {
  listing(consensus, 'list')
    .description('List proposals, newest first')
    .addOption(
      new Option('--status <status>', 'only proposals in this state').choices([
        'pending',
        'approved',
        'rejected',
        'expired',
      ] as const),
    )
    .addHelpText('after', example('molted agents consensus list --status pending'))
    .action(async (query, command) => {
      const { get } = await connect(command)
      const columns = ['id', 'status', 'action', 'contactEmail', 'timeoutAt']
      show(command, await get(CONSENSUS, query), columns)
    })
}

function vote(consensus: Group) {
  consensus
    .command('vote')
    .description('Vote on a proposal. A vote cannot be changed.')
    .argument('<CONSENSUS_ID>', 'id of the proposal')
    .requiredOption('--agent-id <id>', 'id of the agent that votes')
    .addOption(
      new Option('--vote <vote>', 'the vote').choices(['approve', 'reject'] as const).makeOptionMandatory(),
    )
    .option('--reason <reason>', 'why the agent votes this way')
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
}
