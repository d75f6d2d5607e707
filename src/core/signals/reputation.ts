import { statement } from '../ground/sql.ts'
import { hasProvedOwner, readerOf, tenantsOfOwner } from '../policy/owners.ts'
import { domainOf } from '../policy/received.ts'
import { FRESH } from './fresh.ts'
import { SIGNALS, type SignalKind } from './kinds.ts'

/** Changes of reputation in thousandths, as the contract publishes them. */
const DELTAS: [SignalKind, number][] = [
  ['delivered', 1],
  ['hard_bounce', -50],
  ['complaint', -100],
  ['shared_complaint', -100],
]
/** What has changed a reputation does not change it again within this time, in ms. */
const ONCE_WITHIN_MS = 30 * 86_400_000
/** So many authenticated correspondents who complain of a mailbox that they wrote to count within that time. */
const PROVOKED_AT_MOST = 2

/**
 * How a signal has changed the reputation is remembered with it in `send_recipients.signals`, in higher bits: it counted, the
 * recipient had written first, and that mail was authenticated.
 */
const [COUNTED, PROVOKED, AUTHENTIC] = [8, 16, 24]

const { delivered, hard_bounce: hard, complaint, shared_complaint: shared } = SIGNALS

/** Mail providers that give addresses to everybody: two addresses there are two people. */
const PUBLIC_PROVIDERS = [
  'gmail.com googlemail.com outlook.com hotmail.com live.com msn.com yahoo.com ymail.com',
  'icloud.com me.com mac.com aol.com gmx.net gmx.de gmx.com web.de t-online.de',
  'proton.me protonmail.com mail.ru yandex.ru qq.com 163.com 126.com orange.fr libero.it',
].flatMap((line) => line.split(' '))

/**
 * SQL: 0 if the recipient of the fresh signal `f` had not written to the mailbox in the 30 days before the send. Otherwise the
 * recipient may have provoked it: 2 if one of those mails was authenticated, and 1 if none was.
 */
const provocation = `CASE WHEN f.bit IN (${hard}, ${complaint}, ${shared}) THEN coalesce((
  SELECT max(iif(m.authentication ->> 'isFromAuthenticated' = 1, 2, 1)) FROM views v INDEXED BY views_by_sender
  CROSS JOIN messages m ON m.tenant_id = v.tenant_id AND m.id = v.message_id
  WHERE v.tenant_id = f.tenant_id AND v.from_contact = f.contact AND v.mailbox_id = f.mailbox_id AND v.folder = 'inbox'
    AND v.at BETWEEN (f.created_at - ${ONCE_WITHIN_MS}) * 1000 AND f.created_at * 1000), 0) ELSE 0 END`

/** SQL: a signal of the same kind, with this mark, that changed the mailbox's reputation in the last 30 days. */
const countedFor = (mark: number) => `FROM send_recipients p INDEXED BY send_recipients_signals
  WHERE p.tenant_id = w.tenant_id AND p.mailbox_id = w.mailbox_id AND p.updated_at > :now - ${ONCE_WITHIN_MS}
    AND p.state IN ('bounced', 'complained') AND (p.signals & (w.bit << ${mark})) <> 0`

/**
 * SQL, a list of relations: `counting` holds the fresh signals that change a reputation. Nothing counts within one owner. A
 * contact counts once in 30 days for each kind of signal, and a pair of owners raises a reputation once. A
 * stranger who writes to a mailbox can provoke mail, from forged addresses as well: then one hard bounce counts in all, one complaint of a domain,
 * and two complaints of authenticated correspondents.
 */
const COUNTING = `
  weighed AS MATERIALIZED (
    SELECT f.*, CASE f.bit ${DELTAS.map(([kind, delta]) => `WHEN ${SIGNALS[kind]} THEN ${delta}`).join(' ')} ELSE 0 END AS delta,
      ${readerOf('f.contact')} AS reader, ${domainOf('f.contact')} AS domain, ${provocation} AS provoked
    FROM fresh f),
  ranked AS MATERIALIZED (
    SELECT w.*, row_number() OVER (PARTITION BY w.tenant_id, w.contact, w.bit ORDER BY w.position) AS nth,
      row_number() OVER (PARTITION BY w.tenant_id, w.mailbox_id, w.bit, w.provoked > 0 ORDER BY w.position) AS nth_provoked,
      row_number() OVER (PARTITION BY w.tenant_id, w.mailbox_id, w.bit, w.domain, w.provoked > 0 ORDER BY w.position) AS nth_of_domain,
      row_number() OVER (PARTITION BY w.tenant_id, w.mailbox_id, w.bit, w.provoked ORDER BY w.position) AS nth_alike
    FROM weighed w),
  counting AS MATERIALIZED (
    SELECT w.* FROM ranked w
    WHERE w.delta <> 0 AND w.nth = 1
      AND NOT EXISTS (SELECT 1 FROM owners o WHERE o.tenant_id = w.tenant_id AND o.contact = w.contact)
      AND NOT EXISTS (SELECT 1 FROM send_recipients p WHERE p.tenant_id = w.tenant_id AND p.contact = w.contact
        AND (p.signals & (w.bit << ${COUNTED})) <> 0 AND p.updated_at > :now - ${ONCE_WITHIN_MS})
      AND CASE
        WHEN w.bit = ${delivered} THEN w.reader IS NULL OR EXISTS (SELECT 1 FROM raises x
          WHERE x.tenant_id = w.tenant_id AND x.by_tenant_id = w.reader AND x.send_id = w.send_id AND x.contact = w.contact)
        WHEN w.provoked = 0 THEN true
        WHEN w.bit = ${hard} THEN w.nth_provoked = 1 AND NOT EXISTS (SELECT 1 ${countedFor(PROVOKED)})
        ELSE (w.domain IN (${PUBLIC_PROVIDERS.map((domain) => `'${domain}'`).join(', ')})
            OR (w.nth_of_domain = 1 AND NOT EXISTS (SELECT 1 ${countedFor(PROVOKED)} AND ${domainOf('p.contact')} = w.domain)))
          AND (w.provoked = 1 OR w.nth_alike + (SELECT count(*) ${countedFor(AUTHENTIC)}) <= ${PROVOKED_AT_MOST})
        END)`

/** A pair of owners raises a reputation at most once in 30 days, in either direction and over all their tenants. */
export const RAISES = statement(`WITH ${FRESH},
  internal AS MATERIALIZED (
    SELECT f.*, ${readerOf('f.contact')} AS reader FROM fresh f WHERE f.bit = ${delivered}),
  known AS MATERIALIZED (
    SELECT i.*, (SELECT min(g.tenant_id) FROM ${tenantsOfOwner('i.reader')} g) AS owner
    FROM internal i WHERE i.reader IS NOT NULL),
  first AS MATERIALIZED (
    SELECT k.*, row_number() OVER (PARTITION BY k.tenant_id, k.owner ORDER BY k.position) AS nth FROM known k)
  INSERT INTO raises (tenant_id, by_tenant_id, send_id, contact, raised_at)
  SELECT i.tenant_id, i.reader, i.send_id, i.contact, :now FROM first i
  WHERE i.nth = 1 AND ${hasProvedOwner('i.reader')} AND i.reader NOT IN ${tenantsOfOwner('i.tenant_id')}
    AND NOT EXISTS (SELECT 1 FROM raises x WHERE x.raised_at > :now - ${ONCE_WITHIN_MS}
      AND x.tenant_id IN ${tenantsOfOwner('i.tenant_id')} AND x.by_tenant_id IN ${tenantsOfOwner('i.reader')})
    AND NOT EXISTS (SELECT 1 FROM raises x WHERE x.raised_at > :now - ${ONCE_WITHIN_MS}
      AND x.tenant_id IN ${tenantsOfOwner('i.reader')} AND x.by_tenant_id IN ${tenantsOfOwner('i.tenant_id')})
  ON CONFLICT DO UPDATE SET send_id = excluded.send_id, contact = excluded.contact, raised_at = excluded.raised_at`)

/** Changes the reputations, and counts all bounces and complaints for display. */
export const REPUTATION = statement(`WITH ${FRESH}, ${COUNTING}
  UPDATE mailboxes SET reputation = max(0, min(1000, reputation + d.delta)),
    bounced_count = bounced_count + d.bounced, complaint_count = complaint_count + d.complaints
  FROM (
    SELECT f.tenant_id, f.mailbox_id, sum(f.bit = ${hard}) AS bounced, sum(f.bit IN (${complaint}, ${shared})) AS complaints,
      coalesce((SELECT sum(c.delta) FROM counting c
        WHERE c.tenant_id = f.tenant_id AND c.mailbox_id = f.mailbox_id), 0) AS delta
    FROM fresh f GROUP BY f.tenant_id, f.mailbox_id) d
  WHERE mailboxes.tenant_id = d.tenant_id AND mailboxes.id = d.mailbox_id`)

/** A recipient's state follows its highest signal, so order and repetition make no difference. */
export const RECIPIENTS = statement(`WITH ${FRESH}, ${COUNTING}
  UPDATE send_recipients SET signals = send_recipients.signals | f.bits | f.marks, updated_at = :now, state = CASE
    WHEN (send_recipients.signals | f.bits) & ${complaint} THEN 'complained'
    WHEN (send_recipients.signals | f.bits) & ${hard} THEN 'bounced'
    WHEN (send_recipients.signals | f.bits) & ${delivered} THEN 'delivered'
    WHEN (send_recipients.signals | f.bits) & ${SIGNALS.rejected} THEN 'refused'
    ELSE send_recipients.state END
  FROM (
    SELECT n.tenant_id, n.contact, n.send_id, sum(n.bit) AS bits, coalesce((
      SELECT sum((c.bit << ${COUNTED}) + iif(c.provoked > 0, c.bit << ${PROVOKED}, 0) + iif(c.provoked > 1, c.bit << ${AUTHENTIC}, 0))
      FROM counting c WHERE c.tenant_id = n.tenant_id AND c.contact = n.contact AND c.send_id = n.send_id), 0) AS marks
    FROM fresh n GROUP BY 1, 2, 3) f
  WHERE send_recipients.tenant_id = f.tenant_id AND send_recipients.contact = f.contact
    AND send_recipients.send_id = f.send_id`)
