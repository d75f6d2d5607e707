import { and, count, desc, eq, lt } from 'drizzle-orm'
import { agents, aliases, domains, mailboxes, owners, tenants } from '../../../schema/accounts.ts'
import { parseAddress } from '../../ground/address.ts'
import { type Ctx, mustBeAllowed, prepared } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { newId, newToken } from '../../ground/ids.ts'
import { audited } from '../../journal/audit.ts'
import { claimedOwner } from '../owner.ts'
import { oursIn } from './check.ts'
import { newDkimKey } from './dkim-key.ts'
import { domainName } from './name.ts'
import type { Domain } from './records.ts'

export type Alias = { agentId: string | null; mailboxId: string; address: string }

/** A domain with the addresses that mailboxes have in it. */
export type DomainWithAliases = Domain & { aliases: Alias[] }

/** A key takes a good part of a second to make, and is kept. */
const DOMAINS_AT_MOST = 50

/**
 * Claims a domain for the tenant, with a key of its own. Others may have claimed it as well: which of them it belongs to is
 * seen when its records are checked, so that nobody can keep its owner out by being first.
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

/** The tenant's domains, newest first, and how many there are. `before` is the last id of the page before. */
export async function listDomains(
  ctx: Ctx,
  { before, limit }: { before: string | null; limit: number },
): Promise<{ domains: DomainWithAliases[]; total: number; hasMore: boolean }> {
  mustBeAllowed(ctx, 'read')
  await claimedOwner(ctx)
  const isOwn = eq(domains.tenantId, ctx.tenantId)
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

/** Gives a domain up: the addresses in it are gone at once, and nothing more leaves from them. */
export async function deleteDomain(ctx: Ctx, id: string): Promise<void> {
  mustBeAllowed(ctx, 'manage')
  await claimedOwner(ctx)
  const isIt = and(eq(domains.tenantId, ctx.tenantId), eq(domains.id, id))
  const [, deleted] = await ctx.db.batch([
    ctx.db.delete(aliases).where(and(eq(aliases.tenantId, ctx.tenantId), eq(aliases.domainId, id))),
    ctx.db.delete(domains).where(isIt).returning({ id: domains.id }),
    ...audited(ctx, [{ action: 'domain.deleted', target: id }]),
  ])
  if (deleted.length === 0) throw noSuchDomain()
}

/**
 * Gives the mailbox of an agent its local part in a verified domain. From then on it writes from there, and mail to that
 * address is its own. Attaching again makes this address the one it writes from.
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
  const [person] = await ctx.db
    .select({ id: owners.id })
    .from(owners)
    .where(eq(owners.contact, contact))
    .limit(1)
  // Mail of a person would come into the mailbox of an agent, and with it what proves that person.
  if (person) throw new Fault('conflict', `${contact} is the address of an owner, and cannot be an agent's.`)
  const [changed] = await ctx.env.DB.batch([
    ctx.env.DB.prepare(TAKE).bind(ctx.tenantId, id, agentId),
    ctx.env.DB.prepare(GIVE_ADDRESS).bind(ctx.tenantId, id, mailbox.id, email, contact, ctx.now.getTime()),
    ...audited(ctx, [{ action: 'domain.attached', target: id, detail: { agentId, address: email } }]).map(
      (query) => prepared(ctx.env, query),
    ),
  ])
  if (changed?.meta.changes === 0) throw notVerified(domain)
  return await withAliases(ctx, { ...domain, agentId })
}

const TAKE = `UPDATE domains SET agent_id = ?3 WHERE tenant_id = ?1 AND id = ?2 AND status = 'verified'`

const GIVE_ADDRESS = `
  INSERT INTO aliases (tenant_id, mailbox_id, domain_id, address, contact, created_at)
  SELECT d.tenant_id, ?3, d.id, ?4, ?5, ?6 FROM domains d
  WHERE d.tenant_id = ?1 AND d.id = ?2 AND d.status = 'verified'
  ON CONFLICT (tenant_id, mailbox_id, domain_id) DO UPDATE SET created_at = excluded.created_at`

/** The caller's own row, or 404. */
export async function ownDomain(ctx: Ctx, id: string): Promise<Domain> {
  const [domain] = await ctx.db
    .select()
    .from(domains)
    .where(and(eq(domains.tenantId, ctx.tenantId), eq(domains.id, id)))
  if (!domain) throw noSuchDomain()
  return domain
}

export async function withAliases(ctx: Ctx, domain: Domain): Promise<DomainWithAliases> {
  return { ...domain, aliases: await aliasesIn(ctx, domain.id) }
}

async function aliasesIn({ db, tenantId }: Ctx, domainId: string | null) {
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
      and(eq(aliases.tenantId, tenantId), domainId === null ? undefined : eq(aliases.domainId, domainId)),
    )
    .orderBy(aliases.createdAt, aliases.mailboxId)
}

/** The mailbox that an agent calls its own: the tenant's default one comes first, then the oldest. */
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
