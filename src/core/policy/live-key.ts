import { isReached } from './reach.ts'

/** SQL: the agent that the row belongs to, if any, is not banned. */
const agentIsNotBanned = (row: string) => `NOT EXISTS (SELECT 1 FROM agents banned
  WHERE banned.tenant_id = ${row}.tenant_id AND banned.id = ${row}.agent_id AND banned.status = 'banned')`

/** SQL: the key in the row `key` may be used at `:now`: it is neither revoked nor expired, and its agent is not banned. */
export const isLiveKey = (key: string) => `(${key}.revoked_at IS NULL
  AND (${key}.expires_at IS NULL OR ${key}.expires_at > :now)
  AND ${agentIsNotBanned(key)})`

/** SQL: the permissions in `list` allow `permission`. Both are SQL. `manage` includes `read` and `send`. */
export const includes = (list: string, permission: string) => `EXISTS (SELECT 1 FROM json_each(${list}) held
  WHERE held.value = ${permission} OR (held.value = 'manage' AND ${permission} IN ('read', 'send')))`

/** SQL: the key in the row `key` has a permission for the whole tenant. */
const keyMayEverywhere = (key: string, permission: string) =>
  `(${key}.scopes IS NULL AND ${includes(`${key}.permissions`, permission)})`

/** SQL: the key in the row `key` has a permission for the mailbox with this id. All three are SQL. */
export const keyMay = (key: string, permission: string, mailboxId: string) =>
  `(${keyMayEverywhere(key, permission)} OR EXISTS (
    SELECT 1 FROM json_each(${key}.scopes) scope WHERE scope.value ->> 'mailboxId' = ${mailboxId}
      AND ${includes(`scope.value -> 'permissions'`, permission)}))`

/** SQL: no key made the row, or the key `maker` that did may be used at `:now`, and `may` holds for it. */
const makerAllows = (row: string, may: string) => `(${row}.maker_key_id IS NULL OR EXISTS (
  SELECT 1 FROM keys maker WHERE maker.id = ${row}.maker_key_id AND maker.tenant_id = ${row}.tenant_id
    AND ${isLiveKey('maker')} AND ${may}))`

const all = (...conditions: string[]) => `(${conditions.join(' AND ')})`

/**
 * SQL: the SMTP credential in the row `credential` may be used at `:now`. One that a key made works only while that key may
 * send from the mailbox.
 */
export const isLiveCredential = (credential: string) =>
  all(
    `${credential}.revoked_at IS NULL`,
    makerAllows(credential, keyMay('maker', `'send'`, `${credential}.mailbox_id`)),
  )

/**
 * SQL: the webhook in the row `webhook` gets events at `:now`. One that a key made does only while that key may read, and one
 * of an agent only while that agent is not banned.
 */
export const isLiveWebhook = (webhook: string) =>
  all(
    `${webhook}.is_active = 1`,
    agentIsNotBanned(webhook),
    makerAllows(webhook, keyMayEverywhere('maker', `'read'`)),
  )

/**
 * SQL: the key or SMTP credential that asked for the send in the row `send` may still send from its mailbox at `:now`. Sends
 * of people and of the service itself name neither.
 */
export const requesterMaySend = (send: string) => `(${send}.key_id IS NULL
  OR EXISTS (SELECT 1 FROM keys asked WHERE asked.id = ${send}.key_id AND asked.tenant_id = ${send}.tenant_id
    AND ${isLiveKey('asked')} AND ${keyMay('asked', `'send'`, `${send}.mailbox_id`)}
    AND (asked.agent_id IS NULL OR EXISTS (SELECT 1 FROM mailboxes box
      WHERE box.tenant_id = ${send}.tenant_id AND box.id = ${send}.mailbox_id AND ${isReached('box', 'asked')})))
  OR EXISTS (SELECT 1 FROM smtp_credentials asked WHERE asked.tenant_id = ${send}.tenant_id AND asked.id = ${send}.key_id
    AND asked.mailbox_id = ${send}.mailbox_id AND ${isLiveCredential('asked')}
    AND EXISTS (SELECT 1 FROM mailboxes box WHERE box.tenant_id = ${send}.tenant_id AND box.id = ${send}.mailbox_id
      AND box.agent_id IS asked.agent_id)))`

/** SQL: when the key that asked for the send in the row `send` expires, or that made its SMTP credential; NULL if never. */
export const requesterExpiresAt = (send: string) => `(SELECT asked.expires_at FROM keys asked
  WHERE asked.tenant_id = ${send}.tenant_id AND asked.id = coalesce((SELECT c.maker_key_id FROM smtp_credentials c
    WHERE c.tenant_id = ${send}.tenant_id AND c.id = ${send}.key_id), ${send}.key_id))`
