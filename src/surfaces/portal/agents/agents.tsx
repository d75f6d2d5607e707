import { Hono } from 'hono'
import { aliveSpells } from '../../../core/accounts/agents/active-periods.ts'
import { isActive, listAgents } from '../../../core/accounts/agents/agents.ts'
import { ACTIVE_FOR_MS } from '../../../core/policy/live-lease.ts'
import { SpellsChart } from '../parts/charts.tsx'
import { asked, Badge, Id, Listing, PAGE, paged, pageOf, Time } from '../parts/parts.tsx'
import type { Portal } from '../session.ts'
import { page } from '../shell.tsx'

/** No more than these fit into 24 hours, since each ends by a silence of more than five minutes. */
const SPELLS_OF_A_DAY = Math.ceil(86_400_000 / ACTIVE_FOR_MS) + 1

/** The agents, whether they are alive, and when each was. */
export const agents = new Hono<Portal>()

agents.get('/agents', async (c) => {
  const found = await pageOf(
    c,
    (part) => listAgents(c.var.ctx, { isActive: null, ...part }),
    ({ id }) => id,
  )
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
          head={['Name', 'Role', 'State', 'Heartbeat', 'Registered']}
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
  const { agent, spells } = await aliveSpells(c.var.ctx, c.req.param('agentId'), {
    before: isFirst ? null : new Date(Math.min(before, 8.64e12)),
    limit: isFirst ? SPELLS_OF_A_DAY : PAGE + 1,
  })
  const found = paged(spells, ({ beganAt }) => String(beganAt.getTime()))
  const now = c.get('now')
  return await page(
    c,
    agent.name,
    <>
      <p class="lead">
        <Badge state={agent.status} /> <Alive isAlive={isActive(agent, now)} /> {agent.role}
      </p>
      <dl class="facts">
        <dt>Last heartbeat</dt>
        <dd>
          <Time at={agent.lastHeartbeatAt} />
        </dd>
        <dt>Registered</dt>
        <dd>
          <Time at={agent.registeredAt} />
        </dd>
        {agent.description ? (
          <>
            <dt>What it is</dt>
            <dd>{agent.description}</dd>
          </>
        ) : null}
        <dt>Id</dt>
        <dd>
          <Id>{agent.id}</Id>
        </dd>
      </dl>
      {isFirst ? (
        <div class="card">
          <SpellsChart spells={spells} now={now} goesOnForMs={ACTIVE_FOR_MS} />
        </div>
      ) : null}
      <h2>When it was alive</h2>
      <p>
        The last 14 days. A time ends where more than five minutes pass without a heartbeat, and with it the
        leases that the agent held.
      </p>
      <Listing
        c={c}
        of={found}
        caption="Times in which the agent was alive"
        head={['From', 'To', 'Heartbeats', 'It lasted']}
        row={({ beganAt, lastAt, beats }) => [
          <Time at={beganAt} />,
          <Time at={lastAt} />,
          beats,
          lasted(lastAt.getTime() - beganAt.getTime()),
        ]}
      >
        It has not been heard of in the last 14 days.
      </Listing>
    </>,
  )
})

const Alive = ({ isAlive }: { isAlive: boolean }) => (
  <Badge state={isAlive ? 'alive' : 'silent'} tone={isAlive ? 'good' : ''} />
)

function lasted(ms: number): string {
  const minutes = Math.round(ms / 60_000)
  if (minutes < 1) return 'a moment'
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
