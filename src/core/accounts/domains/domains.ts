import { and, count, desc, eq, lt, or, sql } from 'drizzle-orm'
import { agents, aliases, domains, mailboxes, tenants } from '../../../schema/accounts.ts'
import { parseAddress } from '../../ground/address.ts'
import { agentOfKey, type Ctx, mustBeAllowed, prepared } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { newId, newToken } from '../../ground/ids.ts'
import { statement } from '../../ground/sql.ts'
import { audited } from '../../journal/audit.ts'
import { domainOf, isPersons, isReceived } from '../../policy/received.ts'
import { takeAddress } from '../given-addresses.ts'
import { claimedOwner } from '../people.ts'
import { oursIn } from './check.ts'
import { newDkimKey } from './dkim-key.ts'
import { domainName } from './name.ts'
import type { Domain } from './records.ts'

type Alias = { agentId: string | null; mailboxId: string; address: string }

/** A domain with the addresses that mailboxes have in it. */
export type DomainWithAliases = Domain & { aliases: Alias[] }

/** Each domain has a DKIM key, which takes most of a second to make. */
const DOMAINS_AT_MOST = 50

/**
 * Adds a domain to the tenant, with a DKIM key of its own. Other tenants may add the same domain. The check of its DNS
 * records decides who owns it. So nobody can keep the owner out by adding the domain first.
 */
export async function addDomain(
  ctx: Ctx,
  { domain: asked, mode }: { domain: string; mode: Domain['mode'] },
): Promise<DomainWithAliases> {
  mustBeAllowed(ctx, 'manage')
  await claimedOwner(ctx)
  const domain = domainName(ctx.env, asked)
  if (mode === 'managed' && oursIn(ctx.env).nameservers.length === 0) {
    const message = 'Managed domains need NAMESERVERS, which are not configured here. Use the mode "byoc".'
    throw new Fault('not_configured', message, { field: 'mode' })
  }
  const known = await ctx.db
    .select({ domain: domains.domain })
    .from(domains)
    .where(eq(domains.tenantId, ctx.tenantId))
  if (known.some((each) => each.domain === domain)) throw alreadyAdded(domain)
  if (known.length >= DOMAINS_AT_MOST) {
    throw new Fault('conflict', `A tenant has at most ${DOMAINS_AT_MOST} domains. Delete one first.`)
  }
  const id = newId('dom', ctx.now)
  const token = newToken()
  const key = await newDkimKey(ctx.env, { tenantId: ctx.tenantId, domainId: id })
  const [[added]] = await ctx.db.batch([
    ctx.db
      .insert(domains)
      .values({
        tenantId: ctx.tenantId,
        id,
        domain,
        mode,
        token,
        selector: `mp${token.slice(0, 8)}`,
        addedBy: agentOfKey(ctx),
        ...key,
        createdAt: ctx.now,
      })
      .onConflictDoNothing()
      .returning(),
    ...audited(ctx, [{ action: 'domain.added', target: id, detail: { domain, mode } }]),
  ])
  if (!added) throw alreadyAdded(domain)
  return { ...added, aliases: [] }
}

/** The domains that the actor may see, newest first, and how many there are: an agent's own, or all of the tenant. `before` is the last id of the previous page. */
export async function listDomains(
  ctx: Ctx,
  { before, limit }: { before: string | null; limit: number },
): Promise<{ domains: DomainWithAliases[]; total: number; hasMore: boolean }> {
  mustBeAllowed(ctx, 'read')
  await claimedOwner(ctx)
  const isOwn = isVisible(ctx)
  const [[counted], page] = await ctx.db.batch([
    ctx.db.select({ total: count() }).from(domains).where(isOwn),
    ctx.db
      .select()
      .from(domains)
      .where(and(isOwn, before === null ? undefined : lt(domains.id, before)))
      .orderBy(desc(domains.id))
      .limit(limit + 1),
  ])
  const shown = page.slice(0, limit)
  const addresses = Map.groupBy(await aliasesIn(ctx, null), ({ domainId }) => domainId)
  return {
    domains: shown.map((domain) => ({ ...domain, aliases: addresses.get(domain.id) ?? [] })),
    total: counted?.total ?? 0,
    hasMore: page.length > limit,
  }
}

/** One domain of the tenant. */
export async function getDomain(ctx: Ctx, id: string): Promise<DomainWithAliases> {
  mustBeAllowed(ctx, 'read')
  await claimedOwner(ctx)
  return await withAliases(ctx, await ownDomain(ctx, id))
}

/** Deletes a domain. The addresses in it are deleted at once, and nothing more is sent from them. */
export async function deleteDomain(ctx: Ctx, id: string): Promise<void> {
  mustBeAllowed(ctx, 'manage')
  await claimedOwner(ctx)
  await ownDomain(ctx, id)
  await mustBeNobodyElses(ctx, id)
  const isIt = and(isVisible(ctx), eq(domains.id, id))
  const [, deleted] = await ctx.db.batch([
    ctx.db.delete(aliases).where(and(eq(aliases.tenantId, ctx.tenantId), eq(aliases.domainId, id))),
    ctx.db.delete(domains).where(isIt).returning({ id: domains.id }),
    ...audited(ctx, [{ action: 'domain.deleted', target: id }]),
  ])
  if (deleted.length === 0) throw noSuchDomain()
}

/**
 * Gives the mailbox of an agent an address in a verified domain, with the same local part. From then on the mailbox sends from
 * that address and receives mail at it. Attaching again makes it the newest address, from which the mailbox sends.
 */
export async function attachDomain(ctx: Ctx, id: string, agentId: string): Promise<DomainWithAliases> {
  mustBeAllowed(ctx, 'manage')
  await claimedOwner(ctx)
  const domain = await ownDomain(ctx, id)
  const mailbox = await mailboxOf(ctx, agentId)
  if (ctx.actor.kind === 'key' && ctx.actor.agentId !== null && ctx.actor.agentId !== agentId) {
    throw new Fault('agent_mismatch', 'This key belongs to another agent.', { field: 'agent_id' })
  }
  if (domain.status !== 'verified') throw notVerified(domain)
  const wanted = `${mailbox.address.slice(0, mailbox.address.lastIndexOf('@'))}@${domain.domain}`
  const address = parseAddress(wanted)
  if (address === null) throw new Fault('conflict', `${wanted} would be too long for an address.`)
  const { email, contact } = address
  if (!(await takeAddress(ctx, ctx.tenantId, contact))) {
    const message = `${contact} belonged to another account before, so nobody else can have it. Attach an agent with another address.`
    throw new Fault('conflict', message, { field: 'agent_id' })
  }
  const actor = ctx.actor.kind === 'human' ? ctx.actor.ownerId : null
  const [added] = await ctx.env.DB.batch([
    ADD_ALIAS.bind(ctx.env, {
      tenantId: ctx.tenantId,
      id,
      mailboxId: mailbox.id,
      email,
      contact,
      ownerId: actor,
      now: ctx.now.getTime(),
    }),
    ...audited(ctx, [{ action: 'domain.attached', target: id, detail: { agentId, address: email } }]).map(
      (query) => prepared(ctx.env, query),
    ),
    SET_AGENT.bind(ctx.env, { tenantId: ctx.tenantId, id, agentId, contact }),
  ])
  if (added?.meta.changes === 0) throw await whyNotAttached(ctx, domain, contact)
  return await withAliases(ctx, { ...domain, agentId })
}

/**
 * SQL: no person of the tenant has their address in the domain `d`, or one of them is asking who is an owner and has another
 * way to sign in. With the domain, the account may come to receive the mail of everybody in it.
 */
const HAS_WORD = `(
  NOT EXISTS (SELECT 1 FROM owners p WHERE p.tenant_id = d.tenant_id AND ${domainOf('p.contact')} = d.domain)
  OR EXISTS (
    SELECT 1 FROM owners p JOIN second_addresses s ON s.tenant_id = p.tenant_id AND s.owner_id = p.id
    WHERE p.tenant_id = d.tenant_id AND p.id = :ownerId AND p.role = 'owner' AND p.verified_at IS NOT NULL
      AND ${domainOf('p.contact')} = d.domain AND s.verified_at IS NOT NULL AND ${domainOf('s.contact')} <> d.domain
      AND NOT ${isReceived('s.contact')}))`

const ADD_ALIAS = statement(`
  INSERT INTO aliases (tenant_id, mailbox_id, domain_id, address, contact, created_at)
  SELECT d.tenant_id, :mailboxId, d.id, :email, :contact, :now FROM domains d
  WHERE d.tenant_id = :tenantId AND d.id = :id AND d.status = 'verified' AND ${HAS_WORD} AND NOT ${isPersons(':contact')}
  ON CONFLICT (tenant_id, mailbox_id, domain_id) DO UPDATE SET created_at = excluded.created_at`)

const SET_AGENT = statement(`
  UPDATE domains SET agent_id = :agentId WHERE tenant_id = :tenantId AND id = :id AND EXISTS (
    SELECT 1 FROM aliases x WHERE x.tenant_id = :tenantId AND x.domain_id = :id AND x.contact = :contact)`)

/** Whether the address is a person's, and whether a person of the tenant has an address in the domain. */
const PEOPLE = statement<{ is_persons: number; has_people: number }>(`
  SELECT ${isPersons(':contact')} AS is_persons, EXISTS (
    SELECT 1 FROM owners p WHERE p.tenant_id = :tenantId AND ${domainOf('p.contact')} = :domain) AS has_people`)

async function whyNotAttached(ctx: Ctx, domain: Domain, contact: string): Promise<Fault> {
  const { tenantId } = ctx
  const found = await PEOPLE.first(ctx.env, { tenantId, contact, domain: domain.domain })
  // Otherwise an agent would get the person's mail, and with it the links that prove who the person is.
  if (found?.is_persons === 1)
    return new Fault('conflict', `${contact} is the address of a person, so it cannot be an agent's.`)
  if (found?.has_people !== 1) return notVerified(domain)
  const message = `A person of this account has their address in ${domain.domain}. Only they can attach it, as an owner who is signed in to the portal and has another confirmed address to sign in with (portal, People).`
  return new Fault('human_decision_required', message, { field: 'id', kind: 'domain', id: domain.id })
}

/** A domain of the tenant, or with an agent's key of the agent: added by it, or attached to it. Throws `not_found`. */
export async function ownDomain(ctx: Ctx, id: string): Promise<Domain> {
  const [domain] = await ctx.db
    .select()
    .from(domains)
    .where(and(isVisible(ctx), eq(domains.id, id)))
  if (!domain) throw noSuchDomain()
  return domain
}

export async function withAliases(ctx: Ctx, domain: Domain): Promise<DomainWithAliases> {
  return { ...domain, aliases: await aliasesIn(ctx, domain.id) }
}

function isVisible(ctx: Ctx) {
  const own = agentOfKey(ctx)
  const isOfTenant = eq(domains.tenantId, ctx.tenantId)
  if (own === null) return isOfTenant
  const isAttached = sql`EXISTS (SELECT 1 FROM ${aliases}
    JOIN ${mailboxes} ON ${mailboxes.tenantId} = ${aliases.tenantId} AND ${mailboxes.id} = ${aliases.mailboxId}
    WHERE ${aliases.tenantId} = ${domains.tenantId} AND ${aliases.domainId} = ${domains.id}
      AND ${mailboxes.agentId} = ${own})`
  return and(isOfTenant, or(eq(domains.agentId, own), eq(domains.addedBy, own), isAttached))
}

/** Throws `conflict` if the actor is an agent's key and other agents have addresses in the domain. */
async function mustBeNobodyElses(ctx: Ctx, id: string): Promise<void> {
  const own = agentOfKey(ctx)
  if (own === null) return
  const [other] = await ctx.db
    .select({ id: aliases.mailboxId })
    .from(aliases)
    .innerJoin(mailboxes, and(eq(mailboxes.tenantId, aliases.tenantId), eq(mailboxes.id, aliases.mailboxId)))
    .where(
      and(
        eq(aliases.tenantId, ctx.tenantId),
        eq(aliases.domainId, id),
        sql`${mailboxes.agentId} IS NOT ${own}`,
      ),
    )
    .limit(1)
  if (!other) return
  const message =
    'Other mailboxes have addresses in this domain. A person or a key of the whole tenant can delete it.'
  throw new Fault('conflict', message, { field: 'id' })
}

async function aliasesIn(ctx: Ctx, domainId: string | null) {
  const { db, tenantId } = ctx
  const own = agentOfKey(ctx)
  return await db
    .select({
      domainId: aliases.domainId,
      mailboxId: aliases.mailboxId,
      address: aliases.address,
      agentId: mailboxes.agentId,
    })
    .from(aliases)
    .innerJoin(mailboxes, and(eq(mailboxes.tenantId, aliases.tenantId), eq(mailboxes.id, aliases.mailboxId)))
    .where(
      and(
        eq(aliases.tenantId, tenantId),
        domainId === null ? undefined : eq(aliases.domainId, domainId),
        own === null ? undefined : eq(mailboxes.agentId, own),
      ),
    )
    .orderBy(aliases.createdAt, aliases.mailboxId)
}

/** The mailbox of an agent: the tenant's default mailbox if it is the agent's, else the agent's oldest. */
async function mailboxOf({ db, tenantId }: Ctx, agentId: string) {
  const [[agent], [mailbox]] = await db.batch([
    db
      .select({ id: agents.id })
      .from(agents)
      .where(and(eq(agents.tenantId, tenantId), eq(agents.id, agentId))),
    db
      .select({ id: mailboxes.id, address: mailboxes.address })
      .from(mailboxes)
      .innerJoin(tenants, eq(tenants.id, mailboxes.tenantId))
      .where(and(eq(mailboxes.tenantId, tenantId), eq(mailboxes.agentId, agentId)))
      .orderBy(desc(eq(mailboxes.id, tenants.defaultMailboxId)), mailboxes.id)
      .limit(1),
  ])
  if (!agent) throw new Fault('agent_not_found', 'No such agent.', { field: 'agent_id' })
  if (!mailbox) throw new Fault('conflict', 'This agent has no mailbox.', { field: 'agent_id' })
  return mailbox
}

const noSuchDomain = () => new Fault('not_found', 'No such domain.', { field: 'id' })

const alreadyAdded = (domain: string) =>
  new Fault('conflict', `${domain} has been added already.`, { field: 'domain' })

const notVerified = ({ domain, status }: Domain) =>
  new Fault('conflict', `${domain} is ${status}: verify it first.`, { field: 'id' })
