import { requesterMaySend } from './live-key.ts'
import { isLive } from './live-lease.ts'
import { awaitsReview, IN_STANDING } from './standing.ts'
import { applies } from './suppressed.ts'

/**
 * SQL: the reason why an accepted send may not leave at `:now`, or NULL if it may. Facts may have changed since the verdict,
 * so internal delivery and departure to a carrier both evaluate this in the statement that commits them. All three arguments
 * are SQL: the name of the row in `sends`, a relation with the one column `contact` of the contacts that are served, and the
 * id of the attached domain that the message is written from (NULL if none).
 */
export const fence = (send: string, contacts: string, domainId: string) => `CASE
  WHEN EXISTS (
    SELECT 1 FROM ${contacts} r
    CROSS JOIN leases l ON l.tenant_id = ${send}.tenant_id AND l.contact = r.contact
    WHERE ${isLive('l')} AND l.agent_id IS NOT ${send}.agent_id) THEN 'lease_conflict'
  WHEN EXISTS (
    SELECT 1 FROM ${contacts} r
    CROSS JOIN suppressions x ON x.tenant_id = ${send}.tenant_id AND x.contact = r.contact
    WHERE ${applies('x', `${send}.template, ${send}.input ->> 'campaignId'`)}) THEN 'suppressed'
  WHEN ${domainId} IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM aliases y JOIN domains d ON d.tenant_id = y.tenant_id AND d.id = y.domain_id
    WHERE y.tenant_id = ${send}.tenant_id AND y.mailbox_id = ${send}.mailbox_id AND y.domain_id = ${domainId}
      AND d.status = 'verified') THEN 'no_verified_domain'
  WHEN NOT EXISTS (
    SELECT 1 FROM tenants t JOIN mailboxes m ON m.tenant_id = t.id AND m.id = ${send}.mailbox_id
    LEFT JOIN agents g ON g.tenant_id = t.id AND g.id = ${send}.agent_id
    WHERE t.id = ${send}.tenant_id AND ${IN_STANDING}) THEN 'standing'
  WHEN ${awaitsReview(send, contacts)} THEN 'in_review'
  WHEN NOT ${requesterMaySend(send)} THEN 'requester_not_allowed'
  END`
