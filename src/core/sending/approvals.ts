import { and, desc, eq, like, lt, sql } from 'drizzle-orm'
import { approvals, type SendInput, sends } from '../../schema/sending.ts'
import { lineOf } from '../accounts/descent.ts'
import { dlpPolicyOf } from '../accounts/dlp-policy.ts'
import { actorName, type Ctx, mailboxesToShow, mustBeAllowed, reaches } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { newId } from '../ground/ids.ts'
import { fragment } from '../ground/sql.ts'
import { audited } from '../journal/audit.ts'
import { ringOutbox } from '../journal/bells.ts'
import { emit } from '../journal/events.ts'
import { type Rendered, readRendered } from '../letters/rendered.ts'
import { POLICY_VERSION } from '../policy/judge.ts'
import { awaitsPerson } from '../policy/open.ts'
import { contentRefusal } from '../policy/rules.ts'
import { isToStay, screenLetter } from '../reading/dlp/content.ts'
import { attendSends } from './attend.ts'
import { approvalEvents, closeRefused, expireApprovals } from './expiry.ts'
import { APPROVAL_MS } from './settle.ts'

export type Approval = typeof approvals.$inferSelect
type Send = typeof sends.$inferSelect
export type ApprovalStatus = Approval['status']

const DECIDED_ALREADY = 'Somebody else decided this approval first. Read it again.'

/** The approvals of the tenant that the actor may read, newest first, with the send each is for. */
export async function listApprovals(
  ctx: Ctx,
  {
    status,
    mailboxId,
    before,
    limit,
  }: {
    status?: ApprovalStatus | undefined
    mailboxId?: string | undefined
    before?: string | undefined
    limit: number
  },
) {
  const shown = mailboxesToShow(ctx, mailboxId)
  return await ctx.db
    .select({ approval: approvals, send: sends })
    .from(approvals)
    .innerJoin(sends, and(eq(sends.tenantId, approvals.tenantId), eq(sends.id, approvals.sendId)))
    .where(
      and(
        eq(approvals.tenantId, ctx.tenantId),
        status && eq(approvals.status, status),
        shown
          ? sql`${approvals.mailboxId} IN (SELECT value FROM json_each(${JSON.stringify(shown)}))`
          : undefined,
        before ? lt(approvals.id, before) : undefined,
      ),
    )
    .orderBy(desc(approvals.id))
    .limit(limit)
}

/** How many approvals wait for a person, counted up to 100. */
export async function countPending(ctx: Ctx): Promise<number> {
  mustBeAllowed(ctx, 'read')
  const waiting = await ctx.db
    .select({ id: approvals.id })
    .from(approvals)
    .where(
      and(
        eq(approvals.tenantId, ctx.tenantId),
        fragment(awaitsPerson('approvals'), { now: ctx.now.getTime() }),
      ),
    )
    .limit(100)
  return waiting.length
}

/** One approval with its send and, once they exist, the bytes it is bound to. */
export async function getApproval(ctx: Ctx, id: string) {
  const [row] = await ctx.db
    .select({ approval: approvals, send: sends })
    .from(approvals)
    .innerJoin(sends, and(eq(sends.tenantId, approvals.tenantId), eq(sends.id, approvals.sendId)))
    .where(withId(ctx, id))
  if (!row || !reaches(ctx, row.approval.mailboxId)) throw new Fault('not_found', 'No such approval.')
  mustBeAllowed(ctx, 'read', row.approval.mailboxId)
  const rendered: Rendered | null = await readRendered(ctx.env, row.send.renderedKey)
  return { ...row, rendered }
}

/**
 * Decides a held send, once. The approval covers exactly the rendered bytes, their recipients and the policy that held the
 * send. After an approval, the rules judge the send again before it leaves. Throws `not_rendered` before the bytes
 * exist, `approval_stale` if the caller saw other bytes, `already_decided` for a second decision.
 */
export async function decideApproval(
  ctx: Ctx,
  id: string,
  decision: { approve: boolean; reason: string | null; sha256: string | null },
) {
  const { approval, send } = await getApproval(ctx, id)
  mustBeAllowed(ctx, 'approve', approval.mailboxId)
  await mustNotBeRequester(ctx, send)
  if (approval.status !== 'pending') {
    throw new Fault('already_decided', `This approval is already ${approval.status}.`, {
      status: approval.status,
    })
  }
  if (approval.expiresAt <= ctx.now) {
    await expireApprovals(ctx.env, ctx.now, ctx.tenantId, [send.id])
    throw new Fault('already_decided', 'This approval has expired.', { status: 'expired' })
  }
  if (decision.approve && approval.sha256 === null) {
    throw new Fault('not_rendered', 'The message is still being rendered. Read it first, then approve it.')
  }
  if (decision.approve && decision.sha256 !== null && decision.sha256 !== approval.sha256) {
    throw new Fault(
      'approval_stale',
      'The message is not the one with this sha256. Read it again, then decide.',
      {
        sha256: approval.sha256,
      },
    )
  }
  const status = decision.approve ? 'approved' : 'rejected'
  const isPending = and(
    withId(ctx, id),
    eq(approvals.status, 'pending'),
    approval.sha256 === null ? undefined : eq(approvals.sha256, approval.sha256),
  )
  const [emitted, decided] = await ctx.db.batch([
    emit(ctx.db, ctx.now, approvalEvents('approval.decided', isPending)),
    ctx.db
      .update(approvals)
      .set({ status, decidedAt: ctx.now, decidedBy: actorName(ctx.actor), decisionReason: decision.reason })
      .where(isPending)
      .returning({ id: approvals.id }),
    ...audited(ctx, [
      {
        action: decision.approve ? 'approval.approved' : 'approval.rejected',
        target: id,
        detail: { sendId: send.id, sha256: approval.sha256, reason: decision.reason },
      },
    ]),
    closeRefused(ctx.db, ctx.now, ctx.tenantId, [send.id]),
  ])
  if (emitted.meta.changes > 0) await ringOutbox(ctx.env, [ctx.tenantId])
  if (decided.length === 0) throw new Fault('already_decided', DECIDED_ALREADY)
  if (decision.approve) await attendSends(ctx.env, ctx.now, ctx.tenantId, [send.id])
  return await getApproval(ctx, id)
}

/**
 * Replaces the content of a held message. The old approval is superseded. The new bytes need a new approval, whose id is
 * returned.
 */
export async function editHeld(
  ctx: Ctx,
  id: string,
  content: { subject: string; html: string | null; text: string | null },
): Promise<string> {
  const { approval, send } = await getApproval(ctx, id)
  mustBeAllowed(ctx, 'approve', approval.mailboxId)
  await mustNotBeOf(ctx, send, [])
  if (approval.status !== 'pending' || approval.expiresAt <= ctx.now) {
    throw new Fault('already_decided', `This approval is already ${approval.status}.`, {
      status: approval.status,
    })
  }
  const newApprovalId = newId('apq', ctx.now)
  const inline = await screenedEdit(ctx, content)
  const input = { ...(send.input ?? emptyInput()), inline, payload: {} }
  const [superseded] = await ctx.db.batch([
    supersede(ctx, id),
    ...audited(ctx, [
      { action: 'approval.edited', target: id, detail: { sendId: send.id, approvalId: newApprovalId } },
    ]),
    replaceContent(ctx, approval, input, newApprovalId),
    openApproval(ctx, approval, newApprovalId),
    emit(ctx.db, ctx.now, approvalEvents('approval.pending', withId(ctx, newApprovalId))),
  ])
  if (superseded.length === 0) throw new Fault('already_decided', DECIDED_ALREADY)
  await ctx.env.RENDER.send({ tenantId: ctx.tenantId, sendId: send.id })
  await ringOutbox(ctx.env, [ctx.tenantId])
  return newApprovalId
}

const withId = (ctx: Ctx, id: string) => and(eq(approvals.tenantId, ctx.tenantId), eq(approvals.id, id))

function supersede(ctx: Ctx, id: string) {
  return ctx.db
    .update(approvals)
    .set({
      status: 'superseded',
      decidedAt: ctx.now,
      decidedBy: actorName(ctx.actor),
      decisionReason: 'edited',
    })
    .where(and(withId(ctx, id), eq(approvals.status, 'pending')))
    .returning({ id: approvals.id })
}

/** Gives a held send new content under a new approval, if the old approval is still its own. It is rendered anew. */
function replaceContent(ctx: Ctx, old: Approval, input: SendInput, newApprovalId: string) {
  return ctx.db
    .update(sends)
    .set({
      input,
      inputKey: null,
      approvalId: newApprovalId,
      renderedKey: null,
      renderedSha256: null,
      lockUntil: null,
      nextAt: ctx.now,
      updatedAt: ctx.now,
    })
    .where(
      and(
        eq(sends.tenantId, ctx.tenantId),
        eq(sends.id, old.sendId),
        eq(sends.state, 'pending_approval'),
        eq(sends.approvalId, old.id),
      ),
    )
}

/** Opens the new approval of an edited send, if `replaceContent` in the same batch has changed the send. */
function openApproval(ctx: Ctx, { sendId, holdReason }: Approval, id: string) {
  const now = ctx.now.getTime()
  return ctx.db.insert(approvals).select(sql`
    SELECT s.tenant_id, s.approval_id, s.id, s.mailbox_id, 'pending', ${holdReason}, ${POLICY_VERSION},
      NULL, ${now + APPROVAL_MS}, ${now}, NULL, NULL, NULL, NULL, NULL
    FROM sends s WHERE s.tenant_id = ${ctx.tenantId} AND s.id = ${sendId} AND s.approval_id = ${id}`)
}

/** The edited content without what DLP strikes out. Throws `invalid` if DLP refuses it: DLP applies to people, too. */
async function screenedEdit<Letter extends Parameters<typeof screenLetter>[2]>(ctx: Ctx, content: Letter) {
  const policy = await dlpPolicyOf(ctx)
  const { facts, clean } = screenLetter(ctx.tenantId, policy, content)
  const refusal = contentRefusal(facts)
  if (refusal) {
    throw new Fault('invalid', `Not changed: ${refusal.detail}.`, {
      reason: refusal.reason,
      rule: refusal.dlpRule,
    })
  }
  return isToStay(facts) ? content : clean
}

/** Throws for a key that asked for the send or edited it, as `mustNotBeOf` does. */
async function mustNotBeRequester(ctx: Ctx, send: Send) {
  if (ctx.actor.kind === 'key') await mustNotBeOf(ctx, send, await editorsOf(ctx, send.id))
}

/**
 * Throws for a key that asked for the send, and for one of the same line as what asked for it or edited it: a key that made
 * it, was made by it, or has the same maker. People decide themselves.
 */
async function mustNotBeOf(ctx: Ctx, send: Send, editors: string[]) {
  const { actor } = ctx
  if (actor.kind !== 'key') return
  const involved = [...(send.keyId === null ? [] : [send.keyId]), ...new Set(editors)]
  const [own, ...lines] = await Promise.all([actor.keyId, ...involved].map((id) => lineOf(ctx, id)))
  const isOfLine = lines.some((line) => line.length > 0 && line.at(-1) === own?.at(-1))
  if (isOfLine || (actor.agentId !== null && actor.agentId === send.agentId)) {
    throw new Fault(
      'human_decision_required',
      'A key cannot approve what it asked for or edited, nor what a key of its own line did: its maker, or what it made. A person must decide.',
    )
  }
}

/** The keys that have edited the content of a held send. */
async function editorsOf(ctx: Ctx, sendId: string): Promise<string[]> {
  const rows = await ctx.db
    .select({ by: approvals.decidedBy })
    .from(approvals)
    .where(
      and(
        eq(approvals.tenantId, ctx.tenantId),
        eq(approvals.sendId, sendId),
        eq(approvals.status, 'superseded'),
        like(approvals.decidedBy, 'key:%'),
      ),
    )
  return rows.flatMap(({ by }) => by?.slice('key:'.length) ?? [])
}

function emptyInput() {
  return { payload: {}, inline: null, sendReason: null, replyTo: null, campaignId: null, headers: {} }
}
