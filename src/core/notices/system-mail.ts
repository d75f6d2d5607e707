import { type Env, settings } from '../../env.ts'
import { mailboxes, tenants } from '../../schema/accounts.ts'
import { isReceivedHere } from '../accounts/personal-address.ts'
import { database } from '../ground/ctx.ts'
import { SYSTEM } from '../ground/system.ts'
import type { Refusal } from '../policy/rules.ts'
import { requestSends } from '../sending/request.ts'

/** Why no letter goes to an address of ours: an agent would read it. */
const RECEIVED_HERE: Refusal = {
  reason: 'received_here',
  detail: 'this service receives the mail of this address, so it cannot prove who a person is',
}

/**
 * Sends a letter of the service itself like any other send: with a trace, retries and suppressions. It uses no agent's
 * windows. Of several letters with the same key only the first is sent. It always leaves by a carrier, and no letter goes to an
 * address whose mail we receive. Returns why it was refused, or null.
 */
export async function sendSystemMail(
  at: { env: Env; now: Date },
  letter: { to: string; subject: string; text: string; replyTo?: string; key?: string },
): Promise<Refusal | null> {
  if (await isReceivedHere(at.env, letter.to)) return RECEIVED_HERE
  await openSystemSender(at)
  const { tenantId, mailboxId } = SYSTEM
  const credential = { actor: { kind: 'system' as const, name: 'mail' }, tenantId }
  const door = { ...at, name: 'system' as const, credential, tenantId: null, agent: null }
  const { to, subject, text, replyTo, key = null } = letter
  const [result] = await requestSends(door, [
    {
      to: [{ kind: 'to', email: to }],
      mailboxId,
      template: null,
      dedupeKey: key,
      payload: { subject, text },
      headers: { 'Auto-Submitted': 'auto-generated' },
      ...(replyTo === undefined ? {} : { replyTo }),
    },
  ])
  if (result?.status === 'queued' || result?.status === 'duplicate') return null
  const refusal = result?.status === 'blocked' ? result.verdict?.refusal : null
  if (refusal) return refusal
  throw new Error(`a letter of the service's own became ${result?.status}`)
}

/** Strangers may give addresses that bounce, so the reputation of this mailbox is reset before each letter. */
async function openSystemSender({ env, now }: { env: Env; now: Date }): Promise<void> {
  const { tenantId, mailboxId, localPart } = SYSTEM
  const address = `${localPart}@${settings(env).mailDomain}`
  const db = database(env)
  await db.batch([
    db
      .insert(tenants)
      .values({
        id: tenantId,
        name: 'Moltpost',
        plan: 'enterprise',
        level: 'trusted',
        defaultMailboxId: mailboxId,
        createdAt: now,
      })
      .onConflictDoNothing(),
    db
      .insert(mailboxes)
      .values({
        tenantId,
        id: mailboxId,
        address,
        contact: address,
        displayName: 'Moltpost',
        cooldownMs: 0,
        reputation: 1_000,
        createdAt: now,
        updatedAt: now,
      })
      .onConflictDoUpdate({ target: [mailboxes.tenantId, mailboxes.id], set: { reputation: 1_000 } }),
  ])
}
