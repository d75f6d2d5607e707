import { Hono } from 'hono'
import { type Agent, agentNames, isActive, listAgents } from '../../../core/accounts/agents/agents.ts'
import { type Consensus, getConsensus, listConsensus, voteOn } from '../../../core/coordination/consensus.ts'
import { listLeases, releaseLease } from '../../../core/coordination/leases/acquire.ts'
import { type Ctx, may, mustBeAllowed } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import { posted } from '../forms/posted.ts'
import {
  asked,
  Badge,
  Empty,
  Field,
  Form,
  Listing,
  PAGE,
  paged,
  pageOf,
  Table,
  Time,
} from '../parts/parts.tsx'
import { done, type Portal, type PortalContext } from '../session.ts'
import { page } from '../shell.tsx'

/** Agents that are offered to vote for. */
const ALIVE_AT_MOST = 200

/** Whom agents hold, and what they decide together: who voted what, when and why. */
export const coordination = new Hono<Portal>()

coordination.get('/coordination', async (c) => {
  const { ctx } = c.var
  const [leases, requests] = await Promise.all([
    pageOf(
      c,
      (part) => listLeases(ctx, part),
      ({ contact }) => contact,
      { by: 'leases', further: 'Next page' },
    ),
    listConsensus(ctx, { status: null, before: cursorOf(asked(c, 'before')), limit: PAGE + 1 }),
  ])
  const found = paged(requests, ({ createdAt, id }) => `${createdAt.getTime()}_${id}`)
  const nameOf = await namesOf(ctx, [
    ...leases.shown.map(({ agentId }) => agentId),
    ...found.shown.map(({ requestingAgentId }) => requestingAgentId),
  ])
  return await page(
    c,
    'Leases and votes',
    <div id="coordination" data-live="lease consensus">
      <h2>Contacts that an agent holds</h2>
      <Listing
        c={c}
        of={leases}
        caption="Leases"
        head={['Contact', 'Agent', 'For', 'Until', '']}
        row={(lease) => [
          <a href={`/portal/contacts?email=${encodeURIComponent(lease.contactEmail)}`}>
            {lease.contactEmail}
          </a>,
          <a href={`/portal/agents/${lease.agentId}`}>{nameOf(lease.agentId)}</a>,
          lease.intent,
          <Time at={lease.expiresAt} />,
          may(ctx, 'send') ? (
            <Form c={c} action={`/portal/coordination/leases/${lease.id}/release`}>
              <button
                class="small"
                type="submit"
                data-confirm={`Let go of ${lease.contactEmail}? Another agent may write to it then.`}
              >
                Let go <span class="visually-hidden">of {lease.contactEmail}</span>
              </button>
            </Form>
          ) : null,
        ]}
      >
        No contact is held.
      </Listing>
      <h2>What agents decide together</h2>
      <Listing
        c={c}
        of={found}
        caption="Votes"
        head={['Action', 'Contact', 'Why', 'Proposed by', 'State', 'Until']}
        row={(request) => [
          <a href={`/portal/coordination/votes/${request.id}`}>{request.action}</a>,
          request.contactEmail,
          request.reason,
          nameOf(request.requestingAgentId),
          <Badge state={request.status} />,
          <Time at={request.timeoutAt} />,
        ]}
      >
        Nothing has been put to the vote.
      </Listing>
    </div>,
  )
})

coordination.post('/coordination/leases/:leaseId/release', async (c) => {
  const isReleased = await releaseLease(c.var.ctx, c.req.param('leaseId'))
  return done(c, '/portal/coordination', isReleased ? 'The contact is free.' : 'It was free already.')
})

coordination.get('/coordination/votes/:consensusId', async (c) => {
  return await requestPage(c, c.req.param('consensusId'))
})

coordination.post('/coordination/votes/:consensusId', async (c) => {
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
    again: () => requestPage(c, id),
    mended: ['invalid', 'agent_not_found', 'already_voted', 'consensus_closed', 'agent_inactive'],
  })
})

async function requestPage(c: PortalContext, id: string) {
  const { ctx } = c.var
  const [request, alive] = await Promise.all([
    getConsensus(ctx, id),
    listAgents(ctx, { isActive: true, limit: ALIVE_AT_MOST }),
  ])
  const voted = request.votes.map(({ agentId }) => agentId)
  const nameOf = await namesOf(ctx, [request.requestingAgentId, ...voted])
  const mayVote = alive.filter((agent) => isActive(agent, c.get('now')) && !voted.includes(agent.id))
  return await page(
    c,
    request.action,
    <>
      <div id="votes" data-live="consensus">
        <p class="lead">
          <Badge state={request.status} /> {count(request, 'approve')} for, {count(request, 'reject')} against
        </p>
        <dl class="facts">
          <dt>Contact</dt>
          <dd>
            <a href={`/portal/contacts?email=${encodeURIComponent(request.contactEmail)}`}>
              {request.contactEmail}
            </a>
          </dd>
          <dt>Why</dt>
          <dd>{request.reason}</dd>
          <dt>Proposed by</dt>
          <dd>
            <a href={`/portal/agents/${request.requestingAgentId}`}>{nameOf(request.requestingAgentId)}</a>,
            on <Time at={request.createdAt} />
          </dd>
          <dt>{request.decidedAt ? 'Decided' : 'Open until'}</dt>
          <dd>
            <Time at={request.decidedAt ?? request.timeoutAt} />
          </dd>
        </dl>
        <h2>Votes</h2>
        {request.votes.length === 0 ? (
          <Empty>Nobody has voted yet.</Empty>
        ) : (
          <Table
            caption="Votes"
            head={['Agent', 'Vote', 'Why', 'When']}
            rows={request.votes.map(({ agentId, vote, reason, at }) => [
              <a href={`/portal/agents/${agentId}`}>{nameOf(agentId)}</a>,
              <Badge
                state={vote === 'approve' ? 'for' : 'against'}
                tone={vote === 'approve' ? 'good' : 'bad'}
              />,
              reason ?? '',
              <Time at={new Date(at)} />,
            ])}
          />
        )}
      </div>
      {request.status === 'pending' ? (
        <VoteForm c={c} id={id} agents={mayVote} isAll={alive.length < ALIVE_AT_MOST} />
      ) : null}
    </>,
  )
}

/** An owner may cast the vote of an agent that is alive and has not voted; there is no other way to end a vote. */
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
        More than half of the agents that are alive decide. Undecided, the request ends at its time. A vote
        that is cast stays.
      </p>
      <Field
        c={c}
        label="Agent"
        name="agent"
        options={agents.map((agent): [string, string] => [agent.id, agent.name])}
        {...(isAll
          ? {}
          : { hint: `Of the ${ALIVE_AT_MOST} newest that are alive. Others vote over the API.` })}
      />
      <Field c={c} label="Why" name="reason" attributes={{ maxlength: 500 }} />
      <div class="actions">
        <button class="primary" type="submit" name="vote" value="approve" data-key="a">
          For
        </button>
        <button class="danger" type="submit" name="vote" value="reject" data-key="r">
          Against
        </button>
      </div>
    </Form>
  )
}

const count = ({ votes }: Consensus, of: 'approve' | 'reject') =>
  votes.filter(({ vote }) => vote === of).length

async function namesOf(ctx: Ctx, ids: string[]) {
  const names = await agentNames(ctx, ids)
  return (id: string) => names.get(id) ?? id
}

function cursorOf(given: string | undefined) {
  const [, at, id] = /^(\d{1,13})_([\w-]+)$/.exec(given ?? '') ?? []
  return at === undefined || id === undefined ? null : { createdAt: new Date(Number(at)), id }
}
