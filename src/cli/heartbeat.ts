import { setTimeout as sleep } from 'node:timers/promises'
import { type Api, connect } from './client.ts'
import { readCredentials, writeCredentials } from './credentials.ts'
import { Failure, misuse } from './failure.ts'
import { given, isObject, type Json, number, textAt } from './json.ts'
import { isForReading, show } from './output.ts'
import { example, type Group } from './root.ts'

/** An agent counts as active for 5 minutes after a heartbeat. */
const BEAT_EVERY_SECONDS = 60

export function heartbeat(agents: Group) {
  agents
    .command('heartbeat')
    .description('Tell the API that an agent is running. An agent needs a heartbeat every 5 minutes.')
    .option(
      '--agent-id <id>',
      'id of the agent (default: that of the key, else the one registered last from here, else the only one)',
    )
    .option('--agent-name <name>', 'name of the agent, instead of its id')
    .option('--watch', 'keep sending heartbeats until interrupted')
    .option('--every <seconds>', 'with --watch: seconds between heartbeats', number, BEAT_EVERY_SECONDS)
    .addHelpText('after', example('molted agents heartbeat', 'molted agents heartbeat --watch'))
    .action(async ({ agentId, agentName, watch, every }, command) => {
      if (every < 0.1 || every > 3600) throw misuse('--every must be 0.1 to 3600 seconds')
      const api = await connect(command)
      const agent = (agentId ?? agentName) ? given({ agentId, agentName }) : { agentId: await ownAgent(api) }
      const beat = () => api.post('/v1/agent/coordination/heartbeat', agent, { mayRepeat: true })
      if (!watch) return show(command, await beat())
      await keepBeating(beat, every * 1000, (answer) => {
        const line = isForReading(command) ? `${new Date().toISOString()}  heartbeat` : JSON.stringify(answer)
        process.stdout.write(`${line}\n`)
      })
    })
}

/** Makes this agent the one that `heartbeat` uses for this address and tenant when no flag names another. */
export async function rememberAgent({ address, tenantId }: Api, agentId: string) {
  const stored = await readCredentials()
  stored.agents.set(`${address} ${tenantId}`, agentId)
  await writeCredentials(stored)
}

/** The agent of the key, or else the one registered last from this machine, or else the only one of the tenant. */
async function ownAgent({ agentId, address, tenantId, get }: Api): Promise<string> {
  const { agents } = await readCredentials()
  const own = agentId ?? agents.get(`${address} ${tenantId}`)
  if (own !== undefined) return own
  const answer = await get('/v1/agent/agents', { limit: 20 })
  const known = isObject(answer) && Array.isArray(answer.items) ? answer.items : []
  const [only, ...others] = known.flatMap((agent) => textAt(agent, 'id') ?? [])
  if (only !== undefined && others.length === 0) return only
  const names = known.map((agent) => `${textAt(agent, 'agentName')} (${textAt(agent, 'id')})`).join(', ')
  throw misuse(
    `this key belongs to the tenant, not to an agent, and the tenant has ${only === undefined ? 'no agent' : `several: ${names}`}`,
    'Register one with: molted agents register --agent-name NAME\nor name it: --agent-id or --agent-name',
  )
}

/** Beats until interrupted. After a failure that may pass it beats again; any other failure ends it. */
async function keepBeating(beat: () => Promise<Json>, everyMs: number, print: (answer: Json) => void) {
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort())
  while (!interrupted.signal.aborted) {
    try {
      print(await beat())
    } catch (error) {
      if (!(error instanceof Failure) || /^4(?!29)\d\d /.test(error.message)) throw error
      console.error(`error: ${error.message}`)
    }
    await sleep(everyMs, null, { signal: interrupted.signal }).catch(() => null)
  }
}
