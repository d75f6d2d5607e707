import { agentNames, listAgents } from '../../../core/accounts/agents/agents.ts'
import { oursIn } from '../../../core/accounts/domains/check.ts'
import type { DomainWithAliases } from '../../../core/accounts/domains/domains.ts'
import { dnsRecords, nsRecords } from '../../../core/accounts/domains/records.ts'
import type { Verified } from '../../../core/accounts/domains/verify.ts'
import { may } from '../../../core/ground/ctx.ts'
import type { PortalContext } from '../context.ts'
import { Field, type Option } from '../parts/fields.tsx'
import { ButtonForm, Form } from '../parts/forms.tsx'
import { Table } from '../parts/table.tsx'
import { Badge, Empty, Time } from '../parts/text.tsx'
import { page } from '../shell.tsx'
import { LookupResult, Records, stateOf } from './records.tsx'

/** The most agents that the form offers. */
const AGENTS_AT_MOST = 200

type Of = { c: PortalContext; domain: DomainWithAliases }

/** The page of a domain; `missing` is the result of a lookup that has just been made. */
export async function domainPage(
  c: PortalContext,
  domain: DomainWithAliases,
  missing: Verified['missing'] | null,
) {
  const mayManage = may(c.var.ctx, 'manage')
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
      {missing === null ? null : <LookupResult missing={missing} />}
      <RecordsToSet c={c} domain={domain} missing={missing} />
      <h2>Addresses</h2>
      <Addresses c={c} domain={domain} />
      {mayManage && domain.status === 'verified' ? <AttachForm c={c} domain={domain} /> : null}
    </>,
  )
}

function RecordsToSet({ c, domain, missing }: Of & { missing: Verified['missing'] | null }) {
  const ours = oursIn(c.env)
  const all = dnsRecords(domain, ours)
  const isManaged = domain.mode === 'managed'
  return (
    <>
      <h2>{isManaged ? 'Name servers to delegate to' : 'Records to set'}</h2>
      <p>
        Set {isManaged ? 'these name servers' : 'each record'} at your DNS provider, then verify the domain. A
        new record can take an hour to be seen everywhere.
      </p>
      <Records
        caption="Records to set"
        records={isManaged ? nsRecords(domain, ours) : all}
        stateOf={(record) => stateOf(record, missing, domain.status === 'verified')}
      />
      {may(c.var.ctx, 'manage') ? (
        <div class="row">
          <ButtonForm c={c} action={`/portal/domains/${domain.id}/verify`} class="primary">
            Verify now
          </ButtonForm>
          <ButtonForm
            c={c}
            action={`/portal/domains/${domain.id}/delete`}
            class="danger"
            confirm={`Remove ${domain.domain}? Its addresses stop working at once.`}
          >
            Remove
          </ButtonForm>
        </div>
      ) : null}
      {isManaged ? (
        <details>
          <summary>The records that our name servers serve</summary>
          <Records caption="Records that are served" records={all} />
        </details>
      ) : null}
    </>
  )
}

async function Addresses({ c, domain: { aliases } }: Of) {
  if (aliases.length === 0) return <Empty>No agent has an address at this domain yet.</Empty>
  const names = await agentNames(
    c.var.ctx,
    aliases.flatMap(({ agentId }) => agentId ?? []),
  )
  return (
    <Table
      caption="Addresses"
      head={['Address', 'Agent', 'Mailbox']}
      rows={aliases.map(({ address, agentId, mailboxId }) => [
        address,
        agentId === null ? 'no agent' : (names.get(agentId) ?? agentId),
        <a href={`/portal/mailboxes/${mailboxId}`}>{mailboxId}</a>,
      ])}
    />
  )
}

async function AttachForm({ c, domain }: Of) {
  const agents = await listAgents(c.var.ctx, { isActive: null, limit: AGENTS_AT_MOST })
  if (agents.length === 0) return null
  const hint = 'Its mailbox keeps the part before the @.'
  return (
    <Form c={c} action={`/portal/domains/${domain.id}/attach`} class="card">
      <h2>Give an agent an address</h2>
      <Field
        c={c}
        label="Agent"
        name="agent"
        alias={['agent_id']}
        options={agents.map(({ id, name }): Option => [id, name])}
        hint={
          agents.length < AGENTS_AT_MOST
            ? hint
            : `${hint} These are the newest ${AGENTS_AT_MOST} agents; attach others through the API.`
        }
      />
      <div class="actions">
        <button type="submit">Attach</button>
      </div>
    </Form>
  )
}
