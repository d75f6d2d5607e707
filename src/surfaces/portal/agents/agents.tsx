import { Hono } from 'hono'
import { activePeriods } from '../../../core/accounts/agents/active-periods.ts'
import type { Agent } from '../../../core/accounts/agents/agent.ts'
import { listAgents } from '../../../core/accounts/agents/agents.ts'
import { isActive } from '../../../core/accounts/agents/heartbeat.ts'
import { ACTIVE_FOR_MS } from '../../../core/policy/live-lease.ts'
import type { Portal } from '../context.ts'
import { SpellsChart } from '../parts/charts.tsx'
import { asked, Listing, PAGE, pageById, paged } from '../parts/list.tsx'
import { Facts } from '../parts/table.tsx'
import { Badge, Id, Time } from '../parts/text.tsx'
import { page } from '../shell.tsx'

/** The most spells that fit into 24 hours: each ends with a silence of more than `ACTIVE_FOR_MS`. */
const SPELLS_OF_A_DAY = Math.ceil(86_400_000 / ACTIVE_FOR_MS) + 1

/** The agents, whether they are alive, and when each was alive. */
export const agents = new Hono<Portal>()

agents.get('/agents', async (c) => {
  const found = await pageById(c, (part) => listAgents(c.var.ctx, { isActive: null, ...part }))
  return await page(
    c,
    'Agents',
    <>
      <p class="lead">An agent is alive while its last heartbeat is at most five minutes old.</p>
      <div id="agents" data-live="lease">
        <Listing
          c={c}
          of={found}
          caption="Agents"
          head={['Name', 'Role', 'State', 'Last heartbeat', 'Registered']}
          row={(agent) => [
            <a href={`/portal/agents/${agent.id}`}>{agent.name}</a>,
            agent.role,
            <Badge state={agent.status} />,
            <>
              <Alive isAlive={isActive(agent, c.get('now'))} /> <Time at={agent.lastHeartbeatAt} />
            </>,
            <Time at={agent.registeredAt} />,
          ]}
        >
          No agent has registered yet.
        </Listing>
      </div>
    </>,
  )
})

agents.get('/agents/:agentId', async (c) => {
  const before = Number(asked(c, 'before'))
  const isFirst = !(before > 0)
  const { agent, periods } = await activePeriods(c.var.ctx, c.req.param('agentId'), {
    before: isFirst ? null : new Date(Math.min(before, 8.64e12)),
    limit: isFirst ? SPELLS_OF_A_DAY : PAGE + 1,
  })
  const found = paged(periods, ({ beganAt }) => String(beganAt.getTime()))
  const now = c.get('now')
  return await page(
    c,
    agent.name,
    <>
      <p class="lead">
        <Badge state={agent.status} /> <Alive isAlive={isActive(agent, now)} /> {agent.role}
      </p>
      <Details agent={agent} />
      {isFirst ? (
        <div class="card">
          <SpellsChart spells={periods} now={now} goesOnForMs={ACTIVE_FOR_MS} />
        </div>
      ) : null}
      <h2>When it was alive</h2>
      <p>
        The last 14 days. A period ends when no heartbeat comes for more than five minutes. The leases of the
        agent end then, too.
      </p>
      <Listing
        c={c}
        of={found}
        caption="Periods in which the agent was alive"
        head={['From', 'To', 'Heartbeats', 'Duration']}
        row={({ beganAt, lastAt, beats }) => [
          <Time at={beganAt} />,
          <Time at={lastAt} />,
          beats,
          durationOf(lastAt.getTime() - beganAt.getTime()),
        ]}
      >
        It has sent no heartbeat in the last 14 days.
      </Listing>
    </>,
  )
})

function Details({ agent }: { agent: Agent }) {
  return (
    <Facts
      facts={[
        ['Last heartbeat', <Time at={agent.lastHeartbeatAt} />],
        ['Registered', <Time at={agent.registeredAt} />],
        ['Description', agent.description],
        ['Id', <Id>{agent.id}</Id>],
      ]}
    />
  )
}

const Alive = ({ isAlive }: { isAlive: boolean }) => (
  <Badge state={isAlive ? 'alive' : 'silent'} tone={isAlive ? 'good' : ''} />
)

function durationOf(ms: number): string {
  const minutes = Math.round(ms / 60_000)
  if (minutes < 1) return 'less than a minute'
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
