import { Hono } from 'hono'
import { isActive, listAgents } from '../../core/agents.ts'
import { listConsensus } from '../../core/consensus.ts'
import { may } from '../../core/ctx.ts'
import { listLeases, releaseLease } from '../../core/leases.ts'
import { asked, Badge, Empty, Form, PAGE, Pager, paged, Table, Time } from './parts.tsx'
import { done, type Portal } from './session.ts'
import { page } from './shell.tsx'

/** The agents, whether they are alive, whom they hold and what they vote on. */
export const agents = new Hono<Portal>()

agents.get('/agents', async (c) => {
  const { shown, next } = paged(
    await listAgents(c.var.ctx, { isActive: null, before: asked(c, 'before'), limit: PAGE + 1 }),
    ({ id }) => id,
  )
  return await page(
    c,
    'Agents',
    <>
      <p class="lead">An agent is alive while its last heartbeat is at most five minutes old.</p>
      <div id="agents" data-live="5">
        {shown.length === 0 ? (
          <Empty>No agent has registered yet.</Empty>
        ) : (
          <Table
            caption="Agents"
            head={['Name', 'Role', 'State', 'Heartbeat', 'Registered']}
            rows={shown.map((agent) => [
              <strong>{agent.name}</strong>,
              agent.role,
              <Badge state={agent.status} />,
              <>
                <Badge
                  state={isActive(agent, c.get('now')) ? 'alive' : 'silent'}
                  tone={isActive(agent, c.get('now')) ? 'good' : ''}
                />{' '}
                <Time at={agent.lastHeartbeatAt} />
              </>,
              <Time at={agent.registeredAt} />,
            ])}
          />
        )}
      </div>
      <Pager c={c} next={next} />
    </>,
  )
})

agents.get('/coordination', async (c) => {
  const { ctx } = c.var
  const [leases, votes, everybody] = await Promise.all([
    listLeases(ctx, { limit: PAGE }),
    listConsensus(ctx, { status: null, before: null, limit: PAGE }),
    listAgents(ctx, { isActive: null, limit: 200 }),
  ])
  const nameOf = (id: string) => everybody.find((agent) => agent.id === id)?.name ?? id
  return await page(
    c,
    'Leases and votes',
    <div id="live" data-live="5">
      <h2>Contacts that an agent holds</h2>
      {leases.length === 0 ? (
        <Empty>No contact is held.</Empty>
      ) : (
        <Table
          caption="Leases"
          head={['Contact', 'Agent', 'For', 'Until', '']}
          rows={leases.map((lease) => [
            <a href={`/portal/contacts?email=${encodeURIComponent(lease.contactEmail)}`}>
              {lease.contactEmail}
            </a>,
            nameOf(lease.agentId),
            lease.intent,
            <Time at={lease.expiresAt} />,
            may(ctx, 'send') ? (
              <Form c={c} action={`/portal/coordination/leases/${lease.id}/release`}>
                <button class="small" type="submit" data-confirm="Let go of this contact?">
                  Let go <span class="visually-hidden">of {lease.contactEmail}</span>
                </button>
              </Form>
            ) : null,
          ])}
        />
      )}
      <h2>What agents decide together</h2>
      {votes.length === 0 ? (
        <Empty>Nothing has been put to the vote.</Empty>
      ) : (
        <Table
          caption="Votes"
          head={['Action', 'Contact', 'Why', 'Proposed by', 'State', 'Until']}
          rows={votes.map((vote) => [
            vote.action,
            vote.contactEmail,
            vote.reason,
            nameOf(vote.requestingAgentId),
            <Badge state={vote.status} />,
            <Time at={vote.timeoutAt} />,
          ])}
        />
      )}
    </div>,
  )
})

agents.post('/coordination/leases/:leaseId/release', async (c) => {
  const isReleased = await releaseLease(c.var.ctx, c.req.param('leaseId'))
  return done(c, '/portal/coordination', isReleased ? 'The contact is free.' : 'It was free already.')
})
