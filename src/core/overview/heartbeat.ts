import { and, eq, gt, isNull, or, sql } from 'drizzle-orm'
import { agents, type DlpMode, keys, owners, tenants } from '../../schema/accounts.ts'
import { memories, views } from '../../schema/mail.ts'
import { approvals } from '../../schema/sending.ts'
import { beat, ringForLostLeases } from '../accounts/agents/heartbeat.ts'
import { claimUrl } from '../accounts/claims/link.ts'
import { type Sender, senderOf, sendTier, windowsOf } from '../accounts/sender.ts'
import { type Ctx, mustBeAllowed, permits, prepared } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { idFloor } from '../ground/ids.ts'
import { fragment } from '../ground/sql.ts'
import { type BondRow, type BondState, bondStatement, bondStateOf } from '../payments/bonds/bond.ts'
import { claimantOf } from '../policy/claim.ts'
import { awaitsPerson } from '../policy/open.ts'
import type { Plan } from '../policy/plans.ts'
import type { Unit, WindowUse } from '../policy/windows.ts'
import { RULES_VERSION } from '../reading/dlp/rules.ts'
import { APPROVAL_MS } from '../sending/settle.ts'
import {
  type RecordRow,
  readRecord,
  recordStatement,
  type TrustTerm,
  trustScore,
  trustTerms,
} from '../signals/trust-score.ts'

/** An agent as it and its owner see it. */
export type Profile = {
  agent: Pick<typeof agents.$inferSelect, 'id' | 'name' | 'status'>
  address: string
  keyPrefix: string
  level: Sender['level']
  plan: Plan
  trustScore: number
  owner: { email: string; isVerified: boolean; xHandle: string | null } | null
}

export type Heartbeat = Profile & {
  /** The page on which a person claims the agent. Null once claimed, and without TOKEN_SECRET. */
  claimUrl: string | null
  /** The page on which the owner asks for another verification mail. Null if that is not the next step. */
  verifyUrl: string | null
  limits: { daily: number; sentToday: number; remainingToday: number; monthlyRemaining: number }
  activity: { unread: number; pendingApprovals: number; memoryKeys: number }
  dlp: { mode: DlpMode; rulesVersion: string }
  bond: BondState
  network: { score: number; level: 'newcomer' }
  actions: Action[]
}

type Action = { priority: 'high' | 'medium' | 'low'; action: string; description: string }

/** The heartbeat announces the next hold of a bond this long before it, in ms. */
const REAUTH_NEAR_MS = 86_400_000

/** The caller's agent, or the agent that a tenant-wide key names. The call counts as a heartbeat of that agent. */
export async function getProfile(ctx: Ctx, named: string | null): Promise<Profile> {
  return (await look(ctx, named)).profile
}

/** An agent's trust score with its terms. */
export async function getTrust(
  ctx: Ctx,
  named: string | null,
): Promise<{ score: number; terms: TrustTerm[] }> {
  const { profile, record } = await look(ctx, named)
  return { score: profile.trustScore, terms: trustTerms(record) }
}

/** The digest for an agent that calls from time to time: its standing, what it may still send, and what waits for it. */
export async function getHeartbeat(ctx: Ctx, named: string | null): Promise<Heartbeat> {
  const { profile, account, createdAt, activity, dlpMode, bond } = await look(ctx, named)
  const { owner } = profile
  const [windows, link] = await Promise.all([
    windowsOf(ctx, account),
    owner?.isVerified ? null : claimUrl(ctx, { id: ctx.tenantId, createdAt }),
  ])
  const beating = {
    ...profile,
    claimUrl: owner ? null : link,
    // Not the mailed link: with that, the agent could verify its own owner.
    verifyUrl: owner ? link : null,
    limits: limitsOf(account, windows),
    activity,
    dlp: { mode: dlpMode, rulesVersion: RULES_VERSION },
    bond,
    network: { score: 0, level: 'newcomer' as const },
  }
  return { ...beating, actions: actionsFor(beating, account.mailbox.sentCount, ctx.now) }
}

async function look(ctx: Ctx, named: string | null) {
  const account = await senderOf(ctx, named)
  const { mailbox, level, plan } = account
  mustBeAllowed(ctx, 'read', mailbox.id)
  const { agentId } = mailbox
  if (agentId === null) throw new Fault('agent_required', 'This mailbox belongs to no agent.')
  const beats = speaksFor(ctx, mailbox.id) ? beat(ctx, agentId) : []
  const answers = await ctx.env.DB.batch([
    ...[...beats, factsQuery(ctx, agentId, mailbox.id)].map((query) => prepared(ctx.env, query)),
    recordStatement(ctx, { tenantId: ctx.tenantId, agentId, mailboxId: mailbox.id }),
    bondStatement(ctx.env, ctx.tenantId),
  ])
  const [lost] = answers
  if (lost && beats.length > 0) await ringForLostLeases(ctx, [lost])
  const [facts] = (answers.at(-3)?.results ?? []) as FactsRow[]
  const [recorded] = (answers.at(-2)?.results ?? []) as RecordRow[]
  const [bond] = (answers.at(-1)?.results ?? []) as BondRow[]
  if (!facts || !recorded) throw new Fault('agent_not_found', 'No such agent.')
  const record = readRecord(recorded, ctx.now)
  const { name, status, owner_email: email, x_handle: xHandle } = facts
  const profile: Profile = {
    agent: { id: agentId, name, status },
    address: mailbox.address,
    keyPrefix: facts.key_prefix ?? '',
    level,
    plan,
    trustScore: trustScore(record),
    owner: email === null ? null : { email, isVerified: record.isVerified, xHandle },
  }
  const { unread, pending: pendingApprovals, memory_keys: memoryKeys } = facts
  const createdAt = new Date(facts.created_at)
  const activity = { unread, pendingApprovals, memoryKeys }
  return { profile, record, account, createdAt, dlpMode: facts.dlp_mode, activity, bond: bondStateOf(bond) }
}

type FactsRow = {
  name: string
  status: Profile['agent']['status']
  created_at: number
  owner_email: string | null
  x_handle: string | null
  key_prefix: string | null
  unread: number
  pending: number
  memory_keys: number
  dlp_mode: DlpMode
}

function factsQuery({ db, tenantId, actor, now }: Ctx, agentId: string, mailboxId: string) {
  const count = sql<number>`count(*)`
  const unread = db
    .select({ count })
    .from(views)
    .where(
      and(
        eq(views.tenantId, tenantId),
        eq(views.mailboxId, mailboxId),
        sql`${views.folder} = 'inbox'`,
        isNull(views.readAt),
        isNull(views.deletedAt),
      ),
    )
  // An approval is open for a day, so older ones cannot be pending.
  const pending = db
    .select({ count })
    .from(approvals)
    .where(
      and(
        eq(approvals.tenantId, tenantId),
        sql`${approvals.id} >= ${idFloor('apq', new Date(now.getTime() - APPROVAL_MS))}`,
        eq(approvals.mailboxId, mailboxId),
        fragment(awaitsPerson('approvals'), { now: now.getTime() }),
      ),
    )
  const remembered = db
    .select({ count })
    .from(memories)
    .where(
      and(
        eq(memories.tenantId, tenantId),
        eq(memories.agentId, agentId),
        or(isNull(memories.expiresAt), gt(memories.expiresAt, now)),
      ),
    )
  return db
    .select({
      name: agents.name,
      status: agents.status,
      created_at: sql`${tenants.createdAt}`.as('created_at'),
      owner_email: sql`${owners.email}`.as('owner_email'),
      x_handle: owners.xHandle,
      key_prefix: sql`${keys.prefix}`.as('key_prefix'),
      unread: sql`${unread}`.as('unread'),
      pending: sql`${pending}`.as('pending'),
      memory_keys: sql`${remembered}`.as('memory_keys'),
      dlp_mode: sql`${tenants.dlpMode}`.as('dlp_mode'),
    })
    .from(agents)
    .innerJoin(tenants, eq(tenants.id, agents.tenantId))
    .leftJoin(
      owners,
      and(eq(owners.tenantId, agents.tenantId), eq(owners.id, fragment(claimantOf('agents.tenant_id')))),
    )
    .leftJoin(
      keys,
      and(eq(keys.tenantId, agents.tenantId), eq(keys.id, actor.kind === 'key' ? actor.keyId : '')),
    )
    .where(and(eq(agents.tenantId, tenantId), eq(agents.id, agentId)))
    .limit(1)
}

/** Whether the caller acts as the agent. A call with a key that may only read is no heartbeat. */
function speaksFor({ actor }: Ctx, mailboxId: string): boolean {
  if (actor.kind !== 'key') return false
  const scope = actor.scopes?.find((each) => each.mailboxId === mailboxId)
  return permits(actor.scopes === null ? actor.permissions : (scope?.permissions ?? []), 'send')
}

/** The tighter of the mailbox's and the plan's windows. A provisional sender may send nothing: all are 0. */
function limitsOf(account: Sender, windows: WindowUse[]): Heartbeat['limits'] {
  if (sendTier(account) === 'provisional')
    return { daily: 0, sentToday: 0, remainingToday: 0, monthlyRemaining: 0 }
  const left = ({ limit, used }: WindowUse) => Math.max(0, limit - used)
  const tightest = (unit: Unit) =>
    windows.filter((window) => window.unit === unit).sort((a, b) => left(a) - left(b))[0]
  const [day, month] = [tightest('day'), tightest('month')]
  return {
    daily: day?.limit ?? 0,
    sentToday: day?.used ?? 0,
    remainingToday: day ? left(day) : 0,
    monthlyRemaining: month ? left(month) : 0,
  }
}

type Beating = Omit<Heartbeat, 'actions'>
type Rule = Action & { isDue: (beating: Beating, sentCount: number, now: Date) => boolean }

/** In the order of priority. */
const ACTIONS: Rule[] = [
  {
    priority: 'high',
    action: 'claim_agent',
    description: 'No person has claimed you yet: give claim_url to your owner. Until then you cannot send.',
    isDue: ({ owner }) => owner === null,
  },
  {
    priority: 'high',
    action: 'check_inbox',
    description: 'There are unread messages in your inbox.',
    isDue: ({ activity }) => activity.unread > 0,
  },
  {
    priority: 'high',
    action: 'review_approvals',
    description: 'Messages of yours wait for a person to approve them: ask your owner.',
    isDue: ({ activity }) => activity.pendingApprovals > 0,
  },
  {
    priority: 'high',
    action: 'reauth_bond',
    description: 'The bond is renewed within a day: ask your owner to check that the card has enough funds.',
    isDue: ({ bond }, _, now) =>
      bond.status === 'posted' &&
      bond.nextReauthAt !== null &&
      bond.nextReauthAt.getTime() - now.getTime() <= REAUTH_NEAR_MS,
  },
  {
    priority: 'medium',
    action: 'verify_email',
    description:
      'Your owner has not verified the email address yet: the mail can be sent again from verify_url.',
    isDue: ({ owner }) => owner !== null && !owner.isVerified,
  },
  {
    priority: 'medium',
    action: 'upgrade_plan',
    description: '10% or less of today’s sends are left. A larger plan allows more.',
    isDue: ({ limits, plan }) =>
      plan !== 'enterprise' && limits.daily > 0 && limits.remainingToday * 10 <= limits.daily,
  },
  {
    priority: 'medium',
    action: 'introduce_yourself',
    description: 'You have not sent anything yet: write to your owner, or to another agent.',
    isDue: (_, sentCount) => sentCount === 0,
  },
  {
    priority: 'low',
    action: 'start_networking',
    description: 'No other agent has joined through you yet: tell other agents your address.',
    isDue: ({ network }) => network.score === 0,
  },
]

function actionsFor(beating: Beating, sentCount: number, now: Date): Action[] {
  return ACTIONS.filter(({ isDue }) => isDue(beating, sentCount, now)).map(
    ({ isDue: _, ...action }) => action,
  )
}
