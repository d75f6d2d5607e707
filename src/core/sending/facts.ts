import type { DlpMode } from '../../schema/accounts.ts'
import type { SendState } from '../../schema/sending.ts'
import { joinSender } from '../accounts/domains/sending-domain.ts'
import { statement } from '../ground/sql.ts'
import { isUnproved } from '../policy/claim.ts'
import type { Facts } from '../policy/facts.ts'
import { requesterExpiresAt, requesterMaySend } from '../policy/live-key.ts'
import { isLive } from '../policy/live-lease.ts'
import { provedClaimants } from '../policy/owners.ts'
import type { Plan } from '../policy/plans.ts'
import { LOOP_AT, LOOP_WITHIN_MS } from '../policy/rules.ts'
import { sharing } from '../policy/sharing.ts'
import { sanctionsOf, sanctionWeight } from '../policy/standing.ts'
import { applies, widestFirst } from '../policy/suppressed.ts'
import { AGENT_FITS, CALLER, IN_SCOPE, MAILBOX, MAY_SEND, NAMED_AGENT } from './door.ts'

/** The sends in question, with what the caller may do. Each is stored, and found by id or taken dedupe key, or not stored yet. */
const SUBJECTS = `
  item AS MATERIALIZED (
    SELECT key AS position, value ->> 'id' AS id, value ->> 'dedupeKey' AS dedupe_key,
      value ->> 'mailboxId' AS mailbox_id, value ->> 'template' AS template, value ->> 'agentId' AS agent_id,
      value ->> 'agentName' AS agent_name, value -> 'recipients' AS recipients, value ->> 'campaignId' AS campaign_id,
      value ->> 'scheduledAt' AS scheduled_at, value ->> 'wantInput' AS want_input
    FROM json_each(:items)),
  subject AS (
    SELECT i.position, i.id AS item_id, i.want_input, c.tenant_id, c.key_id, s.id AS send_id,
      m.id AS asked_mailbox_id, ${IN_SCOPE} AS in_scope, ${MAY_SEND} AS may_send, ${AGENT_FITS} AS agent_fits,
      ((i.agent_id IS NULL AND i.agent_name IS NULL) OR ${NAMED_AGENT} IS NOT NULL) AS agent_exists,
      coalesce(s.mailbox_id, m.id) AS mailbox_id,
      CASE WHEN s.id IS NULL THEN coalesce(${NAMED_AGENT}, c.agent_id) ELSE s.agent_id END AS sender_id,
      CASE WHEN s.id IS NULL THEN i.template ELSE s.template END AS template,
      CASE WHEN s.id IS NULL THEN i.recipients ELSE s.recipients END AS recipients,
      CASE WHEN s.id IS NULL THEN i.scheduled_at ELSE s.scheduled_at END AS scheduled_at,
      CASE WHEN s.id IS NULL THEN i.campaign_id ELSE s.input ->> 'campaignId' END AS campaign_id
    FROM caller c
    CROSS JOIN tenants t ON t.id = c.tenant_id
    CROSS JOIN item i
    LEFT JOIN ${MAILBOX}
    LEFT JOIN sends s ON s.tenant_id = c.tenant_id AND s.id = coalesce(
      (SELECT b.id FROM sends b WHERE b.tenant_id = c.tenant_id AND b.burned_key = i.dedupe_key), i.id))`

const CONTACTS = `(
  SELECT json_group_array(json_object(
    'contact', r.value ->> 'contact', 'email', r.value ->> 'email', 'kind', r.value ->> 'kind',
    'suppression', json((
      SELECT json_object('scope', x.scope, 'reasonCode', x.reason_code, 'campaignId', x.campaign_id)
      FROM suppressions x
      WHERE x.tenant_id = u.tenant_id AND x.contact = r.value ->> 'contact'
        AND ${applies('x', 'u.campaign_id, u.template')}
      ORDER BY ${widestFirst('x')} LIMIT 1)),
    'consent', coalesce((
      SELECT iif(k.revoked_at IS NOT NULL AND k.revoked_at <= :now, 'revoked', 'granted') FROM consents k
      WHERE k.tenant_id = u.tenant_id AND k.contact = r.value ->> 'contact' AND k.granted_at <= :now), 'none'),
    'lease', json((
      SELECT json_object('agentId', l.agent_id, 'agentName', a.name, 'expiresAt', l.expires_at)
      FROM leases l JOIN agents a ON a.tenant_id = l.tenant_id AND a.id = l.agent_id
      WHERE l.tenant_id = u.tenant_id AND l.contact = r.value ->> 'contact' AND ${isLive('l')})),
    'recent', json(CASE WHEN m.fatigue_limit IS NOT NULL THEN (
      SELECT json_object('count', count(*), 'oldest', min(p.created_at)) FROM send_recipients p
      WHERE p.tenant_id = u.tenant_id AND p.contact = r.value ->> 'contact' AND p.send_id <> u.item_id
        AND p.created_at > :now - m.fatigue_days * 86400000 AND p.state <> 'void') END),
    'known', m.autonomy = 'first_contact' AND EXISTS (
      SELECT 1 FROM send_recipients p
      WHERE p.tenant_id = u.tenant_id AND p.contact = r.value ->> 'contact' AND p.mailbox_id = u.mailbox_id
        AND p.state IN ('accepted', 'delivered')),
    'reader', coalesce((SELECT b.tenant_id FROM mailboxes b WHERE b.contact = r.value ->> 'contact'),
      (SELECT b.tenant_id FROM aliases b WHERE b.contact = r.value ->> 'contact')),
    'exchange', json((
      SELECT json_object('answeredAt', v.at / 1000, 'sent', (
        SELECT count(*) FROM send_recipients p
        WHERE p.tenant_id = u.tenant_id AND p.contact = r.value ->> 'contact' AND p.mailbox_id = u.mailbox_id
          AND p.send_id <> u.item_id AND p.created_at > :now - ${LOOP_WITHIN_MS} AND p.state <> 'void'))
      FROM views v INDEXED BY views_by_sender
      WHERE v.tenant_id = u.tenant_id AND v.from_contact = r.value ->> 'contact' AND v.mailbox_id = u.mailbox_id
        AND v.folder = 'inbox' AND v.at > (:now - ${LOOP_WITHIN_MS}) * 1000
      ORDER BY v.at DESC LIMIT 1 OFFSET ${LOOP_AT - 1}))))
  FROM json_each(u.recipients) r)`

/** One row for each send in question: the facts that differ between sends. */
export const FACTS = statement<FactsRow>(`
  WITH ${CALLER}, ${SUBJECTS}
  SELECT u.tenant_id, u.asked_mailbox_id, u.in_scope, u.may_send, u.agent_fits, u.agent_exists, u.mailbox_id,
    u.template, u.scheduled_at, u.campaign_id, u.sender_id, g.status AS agent_status, s.content,
    coalesce(s.input ->> 'humanize', g.config ->> 'humanizer_enabled', m.humanizer_enabled, 0) AS humanized,
    s.id AS send_id, s.state, s.body_hash, s.key_id AS send_key_id, s.approval_id, s.rendered_sha256, s.input_key,
    CASE WHEN u.want_input OR (s.state = 'judging' AND s.id <> u.item_id) THEN s.input END AS stored_input,
    CASE WHEN u.want_input OR (s.state = 'judging' AND s.id <> u.item_id) THEN s.recipients END AS stored_recipients,
    s.id IS NULL OR ${requesterMaySend('s')} AS requester_may_send,
    CASE WHEN s.id IS NULL THEN (SELECT k.expires_at FROM keys k WHERE k.id = u.key_id)
      ELSE ${requesterExpiresAt('s')} END AS requester_expires_at,
    EXISTS (SELECT 1 FROM approvals p WHERE p.tenant_id = u.tenant_id AND p.id = s.approval_id
      AND p.status = 'approved' AND p.sha256 = s.rendered_sha256) AS approved,
    ${CONTACTS} AS contacts
  FROM subject u
  LEFT JOIN sends s ON s.tenant_id = u.tenant_id AND s.id = u.send_id
  LEFT JOIN mailboxes m ON m.tenant_id = u.tenant_id AND m.id = u.mailbox_id
  LEFT JOIN agents g ON g.tenant_id = u.tenant_id AND g.id = u.sender_id
  ORDER BY u.position`)

/** One row for each pair of mailbox and template: the facts that its sends share. */
export const SETTINGS = statement<SettingsRow>(`
  WITH ${CALLER}, ${SUBJECTS}
  SELECT x.mailbox_id, coalesce(m.shares_with, m.id) AS window_id, x.template, t.status AS tenant_status, t.level, t.plan, t.cooldown_ms AS tenant_cooldown_ms,
    t.require_consent_for_marketing, t.physical_address, coalesce(al.address, m.address) AS address, dm.id AS domain_id, dm.domain,
    dm.status AS domain_status, m.display_name, m.status AS mailbox_status,
    m.frozen_reason, m.frozen_at IS NOT NULL AS frozen, m.autonomy, m.reputation, m.cooldown_ms, m.hourly_limit,
    m.daily_limit, m.monthly_limit, m.require_consent, m.fatigue_limit, m.fatigue_days, m.risk_budget,
    CASE WHEN m.risk_budget IS NOT NULL THEN (
      SELECT count(DISTINCT p.contact) FROM send_recipients p INDEXED BY send_recipients_signals
        WHERE p.tenant_id = m.tenant_id AND p.mailbox_id IN ${sharing('m')}
        AND p.updated_at > :now - 86400000 AND p.state IN ('bounced', 'complained')) END AS risk_signals,
    (${provedClaimants('t.id')} LIMIT 1) AS owner_contact, ${isUnproved('t.id')} AS is_unproved,
    ${sanctionWeight('t.id')} AS sanction_weight, (SELECT json_object('kind', x.kind, 'reason', x.reason, 'at', x.at,
      'name', iif(x.tenant_id = t.id, x.name, NULL)) FROM ${sanctionsOf('t.id')} x ORDER BY x.at DESC LIMIT 1) AS sanction,
    t.dlp_mode, t.dlp_disabled, (SELECT json_group_array(json_object('id', k.id, 'probe', k.probe,
      'length', k.length, 'hash', k.hash)) FROM canaries k WHERE k.tenant_id = t.id) AS canaries,
    p.id AS template_id, p.type AS template_type, v.version, v.subject, v.html, v.text
  FROM (SELECT DISTINCT tenant_id, mailbox_id, template FROM subject) x
  CROSS JOIN tenants t ON t.id = x.tenant_id
  CROSS JOIN mailboxes m ON m.tenant_id = x.tenant_id AND m.id = x.mailbox_id
  ${joinSender('m')}
  LEFT JOIN templates p ON p.tenant_id = x.tenant_id AND (p.slug = x.template OR p.id = x.template)
  LEFT JOIN template_versions v
    ON v.tenant_id = p.tenant_id AND v.template_id = p.id AND v.version = p.published_version`)

export type FactsRow = {
  tenant_id: string
  asked_mailbox_id: string | null
  in_scope: number
  may_send: number
  agent_fits: number
  agent_exists: number
  mailbox_id: string | null
  template: string | null
  scheduled_at: number | null
  campaign_id: string | null
  sender_id: string | null
  agent_status: string | null
  content: string | null
  humanized: number
  send_id: string | null
  state: SendState
  body_hash: string
  send_key_id: string | null
  approval_id: string | null
  rendered_sha256: string | null
  input_key: string | null
  stored_input: string | null
  stored_recipients: string | null
  requester_may_send: number
  requester_expires_at: number | null
  approved: number
  contacts: string
}

export type SettingsRow = {
  mailbox_id: string
  window_id: string
  template: string | null
  tenant_status: Facts['tenant']['status']
  level: Facts['tenant']['level']
  plan: Plan
  tenant_cooldown_ms: number
  require_consent_for_marketing: number
  physical_address: string | null
  address: string
  /** The attached domain that it writes from. */
  domain_id: string | null
  domain: string | null
  domain_status: 'pending' | 'verified' | 'failed' | null
  display_name: string | null
  frozen: number
  frozen_reason: string | null
  mailbox_status: Facts['mailbox']['status']
  autonomy: Facts['mailbox']['autonomy']
  reputation: number
  cooldown_ms: number | null
  hourly_limit: number | null
  daily_limit: number | null
  monthly_limit: number | null
  require_consent: number
  fatigue_limit: number | null
  fatigue_days: number
  risk_budget: number | null
  risk_signals: number | null
  owner_contact: string | null
  is_unproved: number
  sanction_weight: number
  sanction: string | null
  dlp_mode: DlpMode
  dlp_disabled: string
  canaries: string
  template_id: string | null
  template_type: 'marketing' | 'transactional'
  version: number | null
  subject: string
  html: string | null
  text: string | null
}
