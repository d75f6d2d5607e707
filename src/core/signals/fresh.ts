/**
 * SQL, a list of relations: `fresh` holds the signals that count. The message went to the recipient, through the right
 * carrier, and no such signal counted before.
 */
export const FRESH = `
  e AS MATERIALIZED (
    SELECT min(key) AS position, value ->> 'tenantId' AS tenant_id, value ->> 'sendId' AS send_id,
      value ->> 'contact' AS contact, value ->> 'bit' AS bit, value ->> 'kind' AS kind, value ->> 'carrier' AS carrier,
      value ->> 'suppressionId' AS suppression_id, value -> 'trace' AS trace
    FROM json_each(:signals) GROUP BY 2, 3, 4, 5),
  fresh AS MATERIALIZED (
    SELECT e.*, r.mailbox_id, r.email, r.created_at FROM e
    CROSS JOIN send_recipients r ON r.tenant_id = e.tenant_id AND r.contact = e.contact AND r.send_id = e.send_id
    CROSS JOIN sends s ON s.tenant_id = e.tenant_id AND s.id = e.send_id
    WHERE (r.signals & e.bit) = 0 AND r.state <> 'void' AND r.carrier IS NOT NULL
      AND (e.carrier IS NULL OR r.carrier = e.carrier)
      AND (:token IS NULL OR s.settle_token = :token OR s.lock_token = :token))`
