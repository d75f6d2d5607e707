import { Hono } from 'hono'
import { agentNames } from '../../../core/accounts/agents/agents.ts'
import { listConsensus } from '../../../core/coordination/consensus.ts'
import { listLeases } from '../../../core/coordination/leases/list.ts'
import { releaseLease } from '../../../core/coordination/leases/release.ts'
import { type Ctx, may } from '../../../core/ground/ctx.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'
import { ButtonForm } from '../parts/forms.tsx'
import { asked, Listing, PAGE, type Paged, paged, pageOf } from '../parts/list.tsx'
import { Badge, ContactLink, Time } from '../parts/text.tsx'
import { page } from '../shell.tsx'

type Lease = Awaited<ReturnType<typeof listLeases>>[number]

/** The contacts that agents hold a lease on, and the requests that agents vote on. */
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
      <h2>Leases</h2>
      <p>While an agent holds a lease on a contact, no other agent writes to that contact.</p>
      <Leases c={c} leases={leases} nameOf={nameOf} />
      <h2>Votes</h2>
      <p>Actions that agents decide together.</p>
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
        No agent has proposed a vote yet.
      </Listing>
    </div>,
  )
})

function Leases({
  c,
  leases,
  nameOf,
}: {
  c: PortalContext
  leases: Paged<Lease>
  nameOf: (id: string) => string
}) {
  return (
    <Listing
      c={c}
      of={leases}
      caption="Leases"
      head={['Contact', 'Agent', 'Intent', 'Until', '']}
      row={(lease) => [
        <ContactLink email={lease.contactEmail} />,
        <a href={`/portal/agents/${lease.agentId}`}>{nameOf(lease.agentId)}</a>,
        lease.intent,
        <Time at={lease.expiresAt} />,
        may(c.var.ctx, 'send') ? (
          <ButtonForm
            c={c}
            action={`/portal/coordination/leases/${lease.id}/release`}
            class="small"
            confirm={`Release the lease on ${lease.contactEmail}? Another agent may then write to this contact.`}
            about={`the lease on ${lease.contactEmail}`}
          >
            Release
          </ButtonForm>
        ) : null,
      ]}
    >
      No agent holds a lease.
    </Listing>
  )
}

coordination.post('/coordination/leases/:leaseId/release', async (c) => {
  const isReleased = await releaseLease(c.var.ctx, c.req.param('leaseId'))
  const said = isReleased ? 'The lease is released.' : 'The lease had already ended.'
  return done(c, '/portal/coordination', said)
})

/** Gives the name of each of these agents by its id; an unknown id is its own name. */
export async function namesOf(ctx: Ctx, ids: string[]) {
  const names = await agentNames(ctx, ids)
  return (id: string) => names.get(id) ?? id
}

function cursorOf(given: string | undefined) {
  const [, at, id] = /^(\d{1,13})_([\w-]+)$/.exec(given ?? '') ?? []
  return at === undefined || id === undefined ? null : { createdAt: new Date(Number(at)), id }
}
