import { Fault } from '../ground/fault.ts'
import { statement } from '../ground/sql.ts'

// Every statement of this room that looks up `views` by message, thread or sender names its index: left to choose, SQLite
// takes the primary key and reads the whole mailbox.

/** SQL: the view in the row `view` is of a message in the inbox that was neither read nor deleted. */
export const isUnread = (view: string) =>
  `(${view}.folder = 'inbox' AND ${view}.read_at IS NULL AND ${view}.deleted_at IS NULL)`

/** SQL: how many messages in the inbox of `:mailboxId` are unread. */
export const UNREAD_COUNT = `(SELECT count(*) FROM views u
  WHERE u.tenant_id = :tenantId AND u.mailbox_id = :mailboxId AND ${isUnread('u')})`

/**
 * SQL: the mailbox has the message of the view in the row `view` in its inbox, too. It wrote the message to itself, and a list
 * of both folders shows only the view in the inbox.
 */
export const isAlsoInInbox = (view: string) => `EXISTS (
  SELECT 1 FROM views i WHERE i.tenant_id = ${view}.tenant_id AND i.message_id = ${view}.message_id
    AND i.mailbox_id = ${view}.mailbox_id AND i.folder = 'inbox')`

type Existence = { is_own: number; is_any: number }

/** Whether `:mailboxId` has or had the message `:id`, and whether any mailbox of the tenant has or had it. */
export const messageExists = statement<Existence>(
  `SELECT EXISTS (SELECT 1 FROM views v INDEXED BY views_by_message
       WHERE v.tenant_id = :tenantId AND v.message_id = :id AND v.mailbox_id = :mailboxId) AS is_own,
     EXISTS (SELECT 1 FROM messages m WHERE m.tenant_id = :tenantId AND m.id = :id) AS is_any`,
)

/** Whether `:mailboxId` has or had messages of the thread `:id`, and whether any mailbox of the tenant has. */
export const threadExists = statement<Existence>(
  `SELECT EXISTS (SELECT 1 FROM views v
       WHERE v.thread_id = :id AND v.tenant_id = :tenantId AND v.mailbox_id = :mailboxId) AS is_own,
     EXISTS (SELECT 1 FROM views v WHERE v.thread_id = :id AND v.tenant_id = :tenantId) AS is_any`,
)

/**
 * The fault for a message or thread that the mailbox does not see: `not_a_participant` if other mailboxes of the tenant have it,
 * `not_found` if none has it or the mailbox deleted it.
 */
export function missing([existence]: Existence[], what: 'message' | 'thread'): Fault {
  return existence?.is_any === 1 && existence.is_own === 0
    ? new Fault('not_a_participant', `You are not a participant in this ${what}.`)
    : new Fault('not_found', `${what === 'message' ? 'Message' : 'Thread'} not found.`)
}
