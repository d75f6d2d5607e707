import type { Env } from '../../env.ts'
import { tellFailure } from '../ground/log.ts'
import type { Due } from '../journal/event-types.ts'
import { indexMessages } from '../mail/search/indexing.ts'
import { noticeTrouble } from '../notices/trouble.ts'
import { autoReplyTo } from './auto-reply.ts'

/**
 * What follows from an event before it is published: a message becomes searchable, a mailbox with an automatic reply answers,
 * and owners get notices of trouble. Running it again changes nothing. A failure is logged and does not delay webhooks.
 */
export async function followUp(env: Env, now: Date, tenantId: string, events: Due[]): Promise<void> {
  const moved = (...types: Due['type'][]) =>
    events.flatMap(({ type, mailboxId, refs: { messageId } }) =>
      types.includes(type) && mailboxId && messageId ? [{ messageId, mailboxId }] : [],
    )
  const attempts = await Promise.allSettled([
    indexMessages(env, now, tenantId, moved('message.received', 'message.sent')),
    autoReplyTo(env, now, tenantId, moved('message.received')),
    noticeTrouble(env, now, tenantId, events),
  ])
  for (const attempt of attempts) {
    if (attempt.status === 'fulfilled') continue
    tellFailure('follow_up_failed', attempt.reason, { tenantId })
  }
}
