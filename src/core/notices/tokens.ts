import { and, eq, gt, inArray, isNotNull, isNull, lte } from 'drizzle-orm'
import type { Env } from '../../env.ts'
import { owners } from '../../schema/accounts.ts'
import { approvalTokens } from '../../schema/notices.ts'
import { approvals } from '../../schema/sending.ts'
import { type Ctx, database, newCtx } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { sha256 } from '../ground/hash.ts'
import { decideApproval, getApproval } from '../sending/approvals.ts'
import { hiddenIn } from './shown.ts'

type At = { env: Env; now: Date }
type Door = (typeof approvalTokens.$inferSelect)['door']

/** What a token lets one person decide: one approval, for the rendered bytes that the notice showed. */
type Entitlement = {
  ctx: Ctx
  approvalId: string
  sha256: string
  owner: { email: string; contact: string }
  /** False once the token has been used or has expired. */
  isOpen: boolean
}

const TOKEN: Record<Door, RegExp> = { link: /^[A-Za-z0-9_-]{43}$/, answer: /^[0-9a-f]{32}$/ }

/** What a token lets its person decide, or null if it is unknown or the person may no longer decide. Changes nothing. */
export async function readToken({ env, now }: At, door: Door, token: string): Promise<Entitlement | null> {
  if (!TOKEN[door].test(token)) return null
  const [row] = await database(env)
    .select({ token: approvalTokens, owner: owners })
    .from(approvalTokens)
    .innerJoin(
      owners,
      and(
        eq(owners.tenantId, approvalTokens.tenantId),
        eq(owners.id, approvalTokens.ownerId),
        isNotNull(owners.verifiedAt),
        inArray(owners.role, ['owner', 'approver']),
      ),
    )
    .where(and(eq(approvalTokens.tokenHash, await sha256(token)), eq(approvalTokens.door, door)))
  if (!row) return null
  const { tenantId, approvalId, usedAt, expiresAt, sha256: hash } = row.token
  const { id: ownerId, role, email, contact } = row.owner
  return {
    ctx: newCtx(env, now, tenantId, { kind: 'human', ownerId, role }),
    approvalId,
    sha256: hash,
    owner: { email, contact },
    isOpen: usedAt === null && expiresAt > now,
  }
}

/**
 * Decides an approval once, as the person who was mailed this token. An answer by mail approves only what the letter showed
 * whole. Throws `not_found` for an unknown token, `expired` for a used or expired one, `conflict` for an answer that cannot
 * approve, and what `decideApproval` throws.
 */
export async function decideByToken(
  at: At,
  door: Door,
  token: string,
  decision: { approve: boolean; reason: string | null },
): Promise<Entitlement> {
  const entitled = await readToken(at, door, token)
  if (!entitled) throw new Fault('not_found', 'This link is not valid.')
  if (door === 'answer' && decision.approve) await mustBeShownWhole(entitled)
  const [used] = await database(at.env)
    .update(approvalTokens)
    .set({ usedAt: at.now })
    .where(
      and(
        eq(approvalTokens.tokenHash, await sha256(token)),
        isNull(approvalTokens.usedAt),
        gt(approvalTokens.expiresAt, at.now),
      ),
    )
    .returning({ approvalId: approvalTokens.approvalId })
  if (!used) throw new Fault('expired', 'This link has been used or has expired.')
  await decideApproval(entitled.ctx, entitled.approvalId, { ...decision, sha256: entitled.sha256 })
  return entitled
}

/** The letter is judged by the bytes that it was about. If the message has changed since, the approval is stale. */
async function mustBeShownWhole({ ctx, approvalId, sha256: shown }: Entitlement): Promise<void> {
  const { rendered } = await getApproval(ctx, approvalId)
  if (rendered?.sha256 !== shown) {
    throw new Fault('approval_stale', 'The message is no longer the one that the letter showed.')
  }
  const hidden = hiddenIn(rendered)
  if (hidden === null) return
  throw new Fault(
    'conflict',
    `The letter did not show the whole message: ${hidden}. Open its link to read the message and to approve it.`,
  )
}

/** The mailbox of the approval that an answer's token is for, or null if there is no such token. */
export async function mailboxOf(env: Env, token: string) {
  const [row] = await database(env)
    .select({ tenantId: approvals.tenantId, mailboxId: approvals.mailboxId })
    .from(approvalTokens)
    .innerJoin(
      approvals,
      and(eq(approvals.tenantId, approvalTokens.tenantId), eq(approvals.id, approvalTokens.approvalId)),
    )
    .where(and(eq(approvalTokens.tokenHash, await sha256(token)), eq(approvalTokens.door, 'answer')))
  return row ?? null
}

/** How long an expired token is kept, in ms, so that its link can say that it has expired. */
const KNOWN_MS = 7 * 86_400_000

/** Deletes tokens that expired long ago. */
export async function forgetTokens(env: Env, now: Date): Promise<void> {
  await database(env)
    .delete(approvalTokens)
    .where(lte(approvalTokens.expiresAt, new Date(now.getTime() - KNOWN_MS)))
}
