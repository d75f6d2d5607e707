import { Hono } from 'hono'
import { oursIn } from '../../../core/accounts/domains/check.ts'
import {
  addDomain,
  attachDomain,
  deleteDomain,
  getDomain,
  listDomains,
} from '../../../core/accounts/domains/domains.ts'
import { verifyDomain } from '../../../core/accounts/domains/verify.ts'
import { may } from '../../../core/ground/ctx.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'
import { posted } from '../forms/posted.ts'
import { Field } from '../parts/fields.tsx'
import { Form, Submit } from '../parts/forms.tsx'
import { asked, Listing, PAGE } from '../parts/list.tsx'
import { Badge, Time } from '../parts/text.tsx'
import { page } from '../shell.tsx'
import { domainPage } from './domain.tsx'

/** The tenant's own domains: adding, verifying, attaching and removing them. */
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

/** Answers with the page itself: the result of a lookup is true only at this moment. */
domains.post('/domains/:domainId/verify', async (c) => {
  const { domain, missing } = await verifyDomain(c.var.ctx, c.req.param('domainId'))
  return await domainPage(c, domain, missing)
})

domains.post('/domains/:domainId/attach', async (c) => {
  const id = c.req.param('domainId')
  return await posted(c, {
    async act({ agent = '' }) {
      await attachDomain(c.var.ctx, id, agent)
      return done(c, `/portal/domains/${id}`, 'The agent now sends from this domain.')
    },
    again: async () => await domainPage(c, await getDomain(c.var.ctx, id), null),
    mended: ['conflict', 'agent_not_found'],
  })
})

domains.post('/domains/:domainId/delete', async (c) => {
  await deleteDomain(c.var.ctx, c.req.param('domainId'))
  return done(c, '/portal/domains', 'The domain and all its addresses are removed.')
})

async function domainsPage(c: PortalContext) {
  const { domains: shown, hasMore } = await listDomains(c.var.ctx, {
    before: asked(c, 'before') ?? null,
    limit: PAGE,
  })
  return await page(
    c,
    'Domains',
    <>
      <p class="lead">Agents can send and receive mail at a domain of yours once it is verified.</p>
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
        You have not added a domain yet. Agents send from our domain.
      </Listing>
      {may(c.var.ctx, 'manage') ? <DomainForm c={c} /> : null}
    </>,
  )
}

function DomainForm({ c }: { c: PortalContext }) {
  const isManagedOffered = oursIn(c.env).nameservers.length > 0
  return (
    <Form c={c} action="/portal/domains" class="card">
      <h2>Add a domain</h2>
      <Field
        c={c}
        label="Domain"
        name="domain"
        hint="Such as agents.example.com. It need not be the domain of your own mail."
        attributes={{ required: true, maxlength: 300, autocapitalize: 'off', spellcheck: 'false' }}
      />
      {isManagedOffered ? (
        <Field
          c={c}
          label="Who sets its records"
          name="mode"
          value="byoc"
          options={[
            ['byoc', 'I set them at my DNS provider'],
            ['managed', 'I delegate the domain to your name servers'],
          ]}
        />
      ) : null}
      <Submit>Add the domain</Submit>
    </Form>
  )
}
