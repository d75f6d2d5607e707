import { Hono } from 'hono'
import { agentNames, listAgents } from '../../../core/accounts/agents/agents.ts'
import { oursIn } from '../../../core/accounts/domains/check.ts'
import {
  addDomain,
  attachDomain,
  type DomainWithAliases,
  deleteDomain,
  getDomain,
  listDomains,
} from '../../../core/accounts/domains/domains.ts'
import { dnsRecords, nsRecords } from '../../../core/accounts/domains/records.ts'
import { type Verified, verifyDomain } from '../../../core/accounts/domains/verify.ts'
import { may } from '../../../core/ground/ctx.ts'
import { posted } from '../forms/posted.ts'
import { asked, Badge, Empty, Field, Form, Listing, PAGE, Table, Time } from '../parts/parts.tsx'
import { done, type Portal, type PortalContext } from '../session.ts'
import { page } from '../shell.tsx'
import { Records, stateOf, Verdict } from './records.tsx'

/** Agents that one list to choose from holds. */
const AGENTS_AT_MOST = 200

/** Domains of one's own, the records they need, and whether these are in place. */
export const domains = new Hono<Portal>()

domains.get('/domains', domainsPage)

domains.post('/domains', async (c) => {
  return await posted(c, {
    async act(form) {
      const { id, domain } = await addDomain(c.var.ctx, {
        domain: form.domain ?? '',
        mode: form.mode === 'managed' ? 'managed' : 'byoc',
      })
      return done(c, `/portal/domains/${id}`, `${domain} is added. Set its records, then verify it.`)
    },
    again: () => domainsPage(c),
    mended: ['invalid', 'conflict', 'not_configured'],
  })
})

domains.get('/domains/:domainId', async (c) => {
  return await domainPage(c, await getDomain(c.var.ctx, c.req.param('domainId')), null)
})

/** What was found is told on the page itself: it is true of this moment. */
domains.post('/domains/:domainId/verify', async (c) => {
  const { domain, missing } = await verifyDomain(c.var.ctx, c.req.param('domainId'))
  return await domainPage(c, domain, missing)
})

domains.post('/domains/:domainId/attach', async (c) => {
  const id = c.req.param('domainId')
  return await posted(c, {
    async act({ agent = '' }) {
      await attachDomain(c.var.ctx, id, agent)
      return done(c, `/portal/domains/${id}`, 'The agent writes from this domain now.')
    },
    again: async () => await domainPage(c, await getDomain(c.var.ctx, id), null),
    mended: ['conflict', 'agent_not_found'],
  })
})

domains.post('/domains/:domainId/delete', async (c) => {
  await deleteDomain(c.var.ctx, c.req.param('domainId'))
  return done(c, '/portal/domains', 'The domain is removed, and every address in it.')
})

async function domainsPage(c: PortalContext) {
  const { domains: shown, hasMore } = await listDomains(c.var.ctx, {
    before: asked(c, 'before') ?? null,
    limit: PAGE,
  })
  const isManagedOffered = oursIn(c.env).nameservers.length > 0
  return await page(
    c,
    'Domains',
    <>
      <p class="lead">Verified, a domain is one that your agents can write from and be written to at.</p>
      <Listing
        c={c}
        of={{ shown, next: hasMore ? (shown.at(-1)?.id ?? null) : null }}
        caption="Domains"
        head={['Domain', 'State', 'Records', 'Addresses', 'Checked', 'Added']}
        row={(domain) => [
          <a href={`/portal/domains/${domain.id}`}>{domain.domain}</a>,
          <Badge state={domain.status} />,
          domain.mode === 'managed' ? 'served by us' : 'set by you',
          domain.aliases.length,
          <Time at={domain.checkedAt} />,
          <Time at={domain.createdAt} />,
        ]}
      >
        Agents write from our domain only.
      </Listing>
      {may(c.var.ctx, 'manage') ? (
        <Form c={c} action="/portal/domains" class="card">
          <h2>Add a domain</h2>
          <Field
            c={c}
            label="Domain"
            name="domain"
            hint="As in agents.example.com. It need not be the one that your own mail comes to."
            attributes={{ required: true, maxlength: 300, autocapitalize: 'off', spellcheck: 'false' }}
          />
          {isManagedOffered ? (
            <Field
              c={c}
              label="Who serves its records"
              name="mode"
              value="byoc"
              options={[
                ['byoc', 'I set them where the domain is kept'],
                ['managed', 'The domain is handed to your name servers'],
              ]}
            />
          ) : null}
          <div class="actions">
            <button class="primary" type="submit">
              Add it
            </button>
          </div>
        </Form>
      ) : null}
    </>,
  )
}

async function domainPage(c: PortalContext, domain: DomainWithAliases, missing: Verified['missing'] | null) {
  const { ctx } = c.var
  const mayManage = may(ctx, 'manage')
  const ours = oursIn(c.env)
  const all = dnsRecords(domain, ours)
  const isManaged = domain.mode === 'managed'
  const agents = mayManage ? await listAgents(ctx, { isActive: null, limit: AGENTS_AT_MOST }) : []
  const names = await agentNames(
    ctx,
    domain.aliases.flatMap(({ agentId }) => agentId ?? []),
  )
  const nameOf = (id: string | null) => (id === null ? 'no agent' : (names.get(id) ?? id))
  const isVerified = domain.status === 'verified'
  return await page(
    c,
    domain.domain,
    <>
      <p class="lead">
        <Badge state={domain.status} />{' '}
        {domain.checkedAt ? (
          <>
            looked up <Time at={domain.checkedAt} />
          </>
        ) : (
          'not looked up yet'
        )}
      </p>
      {missing === null ? null : <Verdict missing={missing} />}
      <h2>{isManaged ? 'Name servers to delegate it to' : 'Records to set'}</h2>
      <p>
        Set {isManaged ? 'these' : 'each of them'} where the domain is kept, then verify. It can take an hour
        until everybody sees a new record.
      </p>
      <Records
        caption="Records to set"
        records={isManaged ? nsRecords(domain, ours) : all}
        stateOf={(record) => stateOf(record, missing, isVerified)}
      />
      {mayManage ? (
        <div class="row">
          <Form c={c} action={`/portal/domains/${domain.id}/verify`}>
            <button class="primary" type="submit">
              Verify now
            </button>
          </Form>
          <Form c={c} action={`/portal/domains/${domain.id}/delete`}>
            <button
              class="danger"
              type="submit"
              data-confirm={`Remove ${domain.domain}? Its addresses are gone at once, and nothing more leaves from them.`}
            >
              Remove
            </button>
          </Form>
        </div>
      ) : null}
      {isManaged ? (
        <details>
          <summary>What our name servers answer for it</summary>
          <Records caption="Records that are served" records={all} stateOf={() => null} />
        </details>
      ) : null}
      <h2>Addresses</h2>
      {domain.aliases.length === 0 ? (
        <Empty>No agent writes from this domain yet.</Empty>
      ) : (
        <Table
          caption="Addresses"
          head={['Address', 'Agent', 'Mailbox']}
          rows={domain.aliases.map(({ address, agentId, mailboxId }) => [
            address,
            nameOf(agentId),
            <a href={`/portal/mailboxes/${mailboxId}`}>{mailboxId}</a>,
          ])}
        />
      )}
      {mayManage && isVerified && agents.length > 0 ? (
        <Form c={c} action={`/portal/domains/${domain.id}/attach`} class="card">
          <h2>Let an agent write from it</h2>
          <Field
            c={c}
            label="Agent"
            name="agent"
            alias={['agent_id']}
            options={agents.map(({ id, name }): [string, string] => [id, name])}
            hint={`Its mailbox keeps the part before the @.${agents.length < AGENTS_AT_MOST ? '' : ` These are the newest ${AGENTS_AT_MOST}; others are attached over the API.`}`}
          />
          <div class="actions">
            <button type="submit">Attach</button>
          </div>
        </Form>
      ) : null}
    </>,
  )
}
