import { and, eq, sql } from 'drizzle-orm'
import { settings } from '../../../env.ts'
import { approvals, type SendInput, sends } from '../../../schema/sending.ts'
import { prepared } from '../../ground/ctx.ts'
import { ringOutbox } from '../../journal/bells.ts'
import { sendEventStatement } from '../../journal/event-rows.ts'
import { appendTrace } from '../../journal/traces.ts'
import type { Rendered } from '../../letters/rendered.ts'
import { refund } from '../../limits/reservations.ts'
import { bodyKeyOf, keepBody } from '../../mail/body.ts'
import { letterOf } from '../../mail/letter.ts'
import { messageIdOf, sentStatements } from '../../mail/store.ts'
import { RING_AGAIN_MS } from '../../sending/settle.ts'
import { isLocked, type Locked } from '../lock.ts'
import type { Composed, Refused } from './compose.ts'

/** Records the rendered message, stored under `key`. Returns whether the send may leave now; a held one may not. */
export async function recordRendered(
  locked: Locked,
  key: string,
  { rendered, humanizer, input, domainId }: Composed,
  now: Date,
): Promise<boolean> {
  const { env, db, send, hold } = locked
  const ringAgainAt = now.getTime() + RING_AGAIN_MS
  const statements = [
    db
      .update(sends)
      .set({
        state: sql`iif(${sends.state} = 'rendering', 'ready', ${sends.state})`,
        renderedKey: key,
        renderedSha256: rendered.sha256,
        messageId: rendered.messageId,
        domainId,
        locks: 0,
        lockUntil: null,
        nextAt: sql`iif(${sends.state} = 'rendering', ${ringAgainAt},
          (SELECT p.expires_at FROM approvals p
           WHERE p.tenant_id = ${sends.tenantId} AND p.id = ${sends.approvalId}))`,
        updatedAt: now,
      })
      .where(isLocked(locked))
      .returning({ state: sends.state }),
    appendTrace(db, hold, 'render', now, {
      sha256: rendered.sha256,
      messageId: rendered.messageId,
      ...(humanizer ? { humanizer } : {}),
      ...(input.droppedFields ? { droppedFields: input.droppedFields } : {}),
    }),
    db.update(approvals).set({ sha256: rendered.sha256, noticeAt: now }).where(isPendingApproval(send)),
  ].map((query) => prepared(env, query))
  // A message that was written whole is in Sent already, unless the humanizer changed it.
  const isInSent = input.isComposed && humanizer === null
  const sent = isInSent ? [] : await sentCopy(locked, input, rendered, now)
  const [changed] = await env.DB.batch<{ state: string }>([...statements, ...sent])
  return changed?.results[0]?.state === 'ready'
}

async function sentCopy(
  { env, send }: Locked,
  input: SendInput,
  { subject, text, html, from }: Rendered,
  now: Date,
): Promise<D1PreparedStatement[]> {
  const letter = letterOf(
    {
      sendId: send.id,
      tenantId: send.tenantId,
      mailboxId: send.mailboxId,
      sender: { address: from.email, displayName: from.name },
      contacts: send.recipients.map((recipient) => ({ ...recipient, here: false })),
      input: { ...input, inline: { subject, text, html } },
      isLarge: false,
      mailDomain: settings(env).mailDomain,
    },
    now,
  )
  const written = input.inline?.text === null ? { text: null, html } : { text, html }
  const body = await keepBody(env, bodyKeyOf(send.tenantId, messageIdOf(send.id)), written)
  return sentStatements(env, [{ ...letter, ...body }], now, null)
}

/** Records that there is no message: the send fails, or is blocked if a rule refused the content. */
export async function recordFailure(locked: Locked, { refusal, reason }: Refused, now: Date): Promise<void> {
  const { env, db, send, hold } = locked
  const statements = [
    db
      .update(sends)
      .set({
        state: reason === undefined ? 'failed' : 'blocked',
        reason: reason ?? 'render_failed',
        detail: refusal,
        // Content that must not leave is not kept either.
        ...(reason === undefined ? {} : { input: null, inputKey: null }),
        burnedKey: null,
        nextAt: null,
        lockUntil: null,
        updatedAt: now,
      })
      .where(isLocked(locked)),
    appendTrace(db, hold, 'render', now, { refused: refusal }),
    db
      .update(approvals)
      .set({ status: 'superseded', decidedAt: now, decidedBy: 'system:render' })
      .where(isPendingApproval(send)),
  ].map((query) => prepared(env, query))
  await env.DB.batch([
    ...statements,
    sendEventStatement(env, hold, 'message.failed', ['failed', 'blocked'], now),
  ])
  await refund({ env, now }, send.tenantId, [send.id])
  if (reason !== undefined && send.inputKey !== null) await env.MAIL.delete(send.inputKey)
  await ringOutbox(env, [send.tenantId])
}

function isPendingApproval({ tenantId, approvalId }: Locked['send']) {
  return and(
    eq(approvals.tenantId, tenantId),
    eq(approvals.id, approvalId ?? ''),
    eq(approvals.status, 'pending'),
  )
}
