import { Hono } from 'hono'
import type { Agent } from '../../../core/accounts/agents/agent.ts'
import { listAgents } from '../../../core/accounts/agents/agents.ts'
import { isActive } from '../../../core/accounts/agents/heartbeat.ts'
import { type Consensus, getConsensus, voteOn } from '../../../core/coordination/consensus.ts'
import { may, mustBeAllowed } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'
import { posted } from '../forms/posted.ts'
import { Field, type Option } from '../parts/fields.tsx'
import { Form, YesOrNo } from '../parts/forms.tsx'
import { Facts, Table } from '../parts/table.tsx'
import { Badge, ContactLink, Empty, Time } from '../parts/text.tsx'
import { page } from '../shell.tsx'
import { namesOf } from './coordination.tsx'

/** The most agents that the form offers. */
const AGENTS_AT_MOST = 200

/** One vote: who voted what, when and why, and the form by which an owner votes for an agent. */
export const votes = new Hono<Portal>()

votes.get('/coordination/votes/:consensusId', async (c) => await votePage(c, c.req.param('consensusId')))

votes.post('/coordination/votes/:consensusId', async (c) => {
  mustBeAllowed(c.var.ctx, 'send')
  const id = c.req.param('consensusId')
  return await posted(c, {
    async act({ agent = '', vote, reason }) {
      if (vote !== 'approve' && vote !== 'reject')
        throw new Fault('invalid', 'Choose for or against.', { field: 'vote' })
      const given = reason?.trim().slice(0, 500) || null
      await voteOn(c.var.ctx, id, {
        agent: { id: agent, name: null },
        vote,
        reason: given === null ? 'Cast by a person.' : `${given} (cast by a person)`,
      })
      return done(c, `/portal/coordination/votes/${id}`, 'The vote is cast.')
    },
    again: () => votePage(c, id),
    mended: ['invalid', 'agent_not_found', 'already_voted', 'consensus_closed', 'agent_inactive', 'no_vote'],
  })
})

async function votePage(c: PortalContext, id: string) {
  const { ctx } = c.var
  const [request, alive] = await Promise.all([
    getConsensus(ctx, id),
    listAgents(ctx, { isActive: true, limit: AGENTS_AT_MOST }),
  ])
  const voted = request.votes.map(({ agentId }) => agentId)
  const nameOf = await namesOf(ctx, [request.requestingAgentId, ...voted])
  const canVote = alive.filter((agent) => isActive(agent, c.get('now')) && !voted.includes(agent.id))
  return await page(
    c,
    request.action,
    <>
      <div id="votes" data-live="consensus">
        <p class="lead">
          <Badge state={request.status} /> {count(request, 'approve')} for, {count(request, 'reject')} against
        </p>
        <Details request={request} nameOf={nameOf} />
        <h2>Votes</h2>
        <Votes request={request} nameOf={nameOf} />
      </div>
      {request.status === 'pending' ? (
        <VoteForm c={c} id={id} agents={canVote} isAll={alive.length < AGENTS_AT_MOST} />
      ) : null}
    </>,
  )
}

type Named = { request: Consensus; nameOf: (agentId: string) => string }

function Details({ request, nameOf }: Named) {
  return (
    <Facts
      facts={[
        ['Contact', <ContactLink email={request.contactEmail} />],
        ['Why', request.reason],
        [
          'Proposed by',
          <>
            <a href={`/portal/agents/${request.requestingAgentId}`}>{nameOf(request.requestingAgentId)}</a>,
            on <Time at={request.createdAt} />
          </>,
        ],
        [request.decidedAt ? 'Decided' : 'Open until', <Time at={request.decidedAt ?? request.timeoutAt} />],
      ]}
    />
  )
}

function Votes({ request, nameOf }: Named) {
  if (request.votes.length === 0) return <Empty>No agent has voted yet.</Empty>
  return (
    <Table
      caption="Votes"
      head={['Agent', 'Vote', 'Why', 'When']}
      rows={request.votes.map(({ agentId, vote, reason, at }) => [
        <a href={`/portal/agents/${agentId}`}>{nameOf(agentId)}</a>,
        <Badge state={vote === 'approve' ? 'for' : 'against'} tone={vote === 'approve' ? 'good' : 'bad'} />,
        reason ?? '',
        <Time at={new Date(at)} />,
      ])}
    />
  )
}

/** An owner may cast the vote of an agent that is alive and has not voted yet. A person cannot end a vote in another way. */
function VoteForm({
  c,
  id,
  agents,
  isAll,
}: {
  c: PortalContext
  id: string
  agents: Agent[]
  isAll: boolean
}) {
  if (!may(c.var.ctx, 'send')) return null
  if (agents.length === 0 && isAll) return <p class="note">Every agent that is alive has voted.</p>
  return (
    <Form c={c} action={`/portal/coordination/votes/${id}`} class="card">
      <h2>Vote for one of your agents</h2>
      <p>
        More than half of the agents that are alive must agree. Without a decision, the vote ends when its
        time is over. A vote cannot be changed.
      </p>
      <Field
        c={c}
        label="Agent"
        name="agent"
        options={agents.map((agent): Option => [agent.id, agent.name])}
        {...(isAll
          ? {}
          : { hint: `The ${AGENTS_AT_MOST} newest agents that are alive. Others vote through the API.` })}
      />
      <Field c={c} label="Why" name="reason" attributes={{ maxlength: 500 }} />
      <YesOrNo name="vote" yes="For" no="Against" />
    </Form>
  )
}

const count = (request: Consensus, vote: 'approve' | 'reject') =>
  request.votes.filter((each) => each.vote === vote).length
