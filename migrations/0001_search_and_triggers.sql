-- Full-text search. The index keeps no text. A deleted entry takes its row of the index with it.
CREATE VIRTUAL TABLE `search_fts` USING fts5(title, body, names, content = '', contentless_delete = 1, tokenize = 'ascii');
--> statement-breakpoint
CREATE TRIGGER `search_entries_forgotten` AFTER DELETE ON `search_entries` BEGIN DELETE FROM search_fts WHERE rowid = OLD.`row`; END;
--> statement-breakpoint
-- Traces are append-only. Only the erasure of their tenant may delete them. No trigger refuses to replace a trace:
-- it would make a list of sends a sixth slower, and no statement of the product replaces rows.
CREATE TRIGGER `traces_refuse_update` BEFORE UPDATE ON `traces` BEGIN SELECT RAISE(ABORT, 'a trace is append-only'); END;
--> statement-breakpoint
CREATE TRIGGER `traces_refuse_delete` BEFORE DELETE ON `traces` WHEN NOT EXISTS (SELECT 1 FROM erasures WHERE tenant_id = OLD.tenant_id) BEGIN SELECT RAISE(ABORT, 'a trace is append-only'); END;
--> statement-breakpoint
-- The audit log is append-only. An entry is linked once. Only the erasure of their tenant may delete details.
CREATE TRIGGER `audit_entries_refuse_change` BEFORE UPDATE OF `tenant_id`, `seq`, `id`, `at`, `actor`, `action`, `target`, `commitment` ON `audit_entries` BEGIN SELECT RAISE(ABORT, 'an audit entry is append-only'); END;
--> statement-breakpoint
CREATE TRIGGER `audit_entries_refuse_relink` BEFORE UPDATE OF `prev_hash`, `hash` ON `audit_entries` WHEN OLD.hash IS NOT NULL BEGIN SELECT RAISE(ABORT, 'an audit entry is linked once'); END;
--> statement-breakpoint
CREATE TRIGGER `audit_entries_refuse_delete` BEFORE DELETE ON `audit_entries` BEGIN SELECT RAISE(ABORT, 'an audit entry is append-only'); END;
--> statement-breakpoint
CREATE TRIGGER `audit_details_refuse_update` BEFORE UPDATE ON `audit_details` BEGIN SELECT RAISE(ABORT, 'an audit detail is append-only'); END;
--> statement-breakpoint
CREATE TRIGGER `audit_details_refuse_delete` BEFORE DELETE ON `audit_details` WHEN NOT EXISTS (SELECT 1 FROM erasures WHERE tenant_id = OLD.tenant_id) BEGIN SELECT RAISE(ABORT, 'an audit detail is append-only'); END;
--> statement-breakpoint
-- REPLACE deletes the old row without firing DELETE triggers, so these refuse the INSERT.
CREATE TRIGGER `audit_entries_refuse_replace` BEFORE INSERT ON `audit_entries` WHEN EXISTS (SELECT 1 FROM audit_entries WHERE tenant_id = NEW.tenant_id AND seq = NEW.seq) BEGIN SELECT RAISE(ABORT, 'an audit entry is append-only'); END;
--> statement-breakpoint
CREATE TRIGGER `audit_details_refuse_replace` BEFORE INSERT ON `audit_details` WHEN EXISTS (SELECT 1 FROM audit_details WHERE tenant_id = NEW.tenant_id AND entry_id = NEW.entry_id) BEGIN SELECT RAISE(ABORT, 'an audit detail is append-only'); END;
--> statement-breakpoint
-- Sanctions. A mailbox that falls below the reputation of 500 or is frozen, and an agent that is suspended or banned, put
-- their tenant in review, whichever statement changed them. The service's own sender is exempt. One subject counts once.
CREATE TRIGGER `mailboxes_suspended` AFTER UPDATE OF `reputation` ON `mailboxes` WHEN NEW.reputation < 500 AND OLD.reputation >= 500 AND NEW.tenant_id <> 'tenant_system' BEGIN INSERT INTO sanctions (tenant_id, id, holder, kind, subject, name, reason, weight, at) SELECT NEW.tenant_id, 'san_' || lower(hex(randomblob(16))), NEW.tenant_id, 'mailbox_suspended', NEW.id, NEW.address, NULL, 1, CAST(unixepoch('subsec') * 1000 AS INTEGER) WHERE NOT EXISTS (SELECT 1 FROM sanctions x WHERE x.holder = NEW.tenant_id AND x.subject = NEW.id AND x.cleared_at IS NULL); END;
--> statement-breakpoint
CREATE TRIGGER `mailboxes_frozen` AFTER UPDATE OF `frozen_at` ON `mailboxes` WHEN NEW.frozen_at IS NOT NULL AND OLD.frozen_at IS NULL AND NEW.tenant_id <> 'tenant_system' BEGIN INSERT INTO sanctions (tenant_id, id, holder, kind, subject, name, reason, weight, at) SELECT NEW.tenant_id, 'san_' || lower(hex(randomblob(16))), NEW.tenant_id, 'mailbox_frozen', NEW.id, NEW.address, NEW.frozen_reason, 1, CAST(unixepoch('subsec') * 1000 AS INTEGER) WHERE NOT EXISTS (SELECT 1 FROM sanctions x WHERE x.holder = NEW.tenant_id AND x.subject = NEW.id AND x.cleared_at IS NULL); END;
--> statement-breakpoint
CREATE TRIGGER `agents_stopped` AFTER UPDATE OF `status` ON `agents` WHEN NEW.status IN ('suspended', 'banned') AND OLD.status NOT IN ('suspended', 'banned') BEGIN INSERT INTO sanctions (tenant_id, id, holder, kind, subject, name, reason, weight, at) SELECT NEW.tenant_id, 'san_' || lower(hex(randomblob(16))), NEW.tenant_id, 'agent_stopped', NEW.id, NEW.name, NULL, 1, CAST(unixepoch('subsec') * 1000 AS INTEGER) WHERE NOT EXISTS (SELECT 1 FROM sanctions x WHERE x.holder = NEW.tenant_id AND x.subject = NEW.id AND x.cleared_at IS NULL); END;
--> statement-breakpoint
-- A sanction of a tenant is held by the person who claimed it, too, from the proof of their address on.
CREATE TRIGGER `sanctions_follow` AFTER INSERT ON `sanctions` WHEN NEW.holder = NEW.tenant_id BEGIN INSERT INTO sanctions (tenant_id, id, holder, kind, subject, name, reason, weight, at) SELECT NEW.tenant_id, NEW.id, o.contact, NEW.kind, NEW.subject, NEW.name, NEW.reason, NEW.weight, NEW.at FROM owners o WHERE o.tenant_id = NEW.tenant_id AND o.claimed_at IS NOT NULL AND o.verified_at IS NOT NULL ON CONFLICT DO NOTHING; END;
--> statement-breakpoint
CREATE TRIGGER `owners_proved` AFTER UPDATE OF `verified_at` ON `owners` WHEN NEW.verified_at IS NOT NULL AND OLD.verified_at IS NULL AND NEW.claimed_at IS NOT NULL BEGIN INSERT INTO sanctions (tenant_id, id, holder, kind, subject, name, reason, weight, at) SELECT x.tenant_id, x.id, NEW.contact, x.kind, x.subject, x.name, x.reason, x.weight, x.at FROM sanctions x WHERE x.holder = NEW.tenant_id AND x.cleared_at IS NULL ON CONFLICT DO NOTHING; END;
--> statement-breakpoint
-- Spells of agents. A heartbeat within 5 minutes of the last one extends the spell, a later one begins a new spell.
-- Spells that ended more than 14 days ago are deleted.
CREATE TRIGGER `agents_begun` AFTER INSERT ON `agents` BEGIN INSERT INTO agent_spells (tenant_id, agent_id, began_at, last_at, beats) VALUES (NEW.tenant_id, NEW.id, NEW.last_heartbeat_at, NEW.last_heartbeat_at, 1) ON CONFLICT DO NOTHING; END;
--> statement-breakpoint
CREATE TRIGGER `agents_beaten` AFTER UPDATE OF `last_heartbeat_at` ON `agents` WHEN NEW.last_heartbeat_at > OLD.last_heartbeat_at BEGIN INSERT INTO agent_spells (tenant_id, agent_id, began_at, last_at, beats) SELECT NEW.tenant_id, NEW.id, coalesce((SELECT began_at FROM (SELECT began_at, last_at FROM agent_spells WHERE tenant_id = NEW.tenant_id AND agent_id = NEW.id ORDER BY began_at DESC LIMIT 1) WHERE last_at >= NEW.last_heartbeat_at - 300000), NEW.last_heartbeat_at), NEW.last_heartbeat_at, 1 WHERE true ON CONFLICT (tenant_id, agent_id, began_at) DO UPDATE SET last_at = excluded.last_at, beats = beats + 1; DELETE FROM agent_spells WHERE tenant_id = NEW.tenant_id AND agent_id = NEW.id AND began_at < NEW.last_heartbeat_at - 1209600000 AND last_at < NEW.last_heartbeat_at - 1209600000; END;
--> statement-breakpoint
-- Counters for the metrics, of all tenants together.
CREATE TRIGGER `sends_counted` AFTER UPDATE OF `state` ON `sends` WHEN NEW.state <> OLD.state AND NEW.state IN ('blocked', 'scheduled', 'pending_approval', 'accepted', 'delivered', 'bounced', 'complained', 'failed', 'unknown', 'cancelled', 'rejected') BEGIN INSERT INTO counts (kind, state, reason, count) VALUES ('send', NEW.state, CASE WHEN NEW.reason IS NULL OR NEW.state NOT IN ('blocked', 'failed', 'unknown') THEN '' WHEN NEW.state = 'blocked' OR NEW.reason IN ('dead_letter', 'no_carrier', 'render_failed', 'template_render_failed', 'never_judged', 'interrupted', 'ambiguous') THEN NEW.reason ELSE 'carrier' END, 1) ON CONFLICT (kind, state, reason) DO UPDATE SET count = count + 1; END;
--> statement-breakpoint
CREATE TRIGGER `arrivals_received` AFTER INSERT ON `arrivals` BEGIN INSERT INTO counts (kind, state, reason, count) VALUES ('inbound', 'received', '', 1) ON CONFLICT (kind, state, reason) DO UPDATE SET count = count + 1; END;
--> statement-breakpoint
CREATE TRIGGER `arrivals_counted` AFTER UPDATE OF `state` ON `arrivals` WHEN NEW.state <> OLD.state AND NEW.state IN ('stored', 'failed') BEGIN INSERT INTO counts (kind, state, reason, count) VALUES ('inbound', NEW.state, '', 1) ON CONFLICT (kind, state, reason) DO UPDATE SET count = count + 1; END;
--> statement-breakpoint
-- A webhook is due for release one minute after the first of its deliveries has begun to wait. The second trigger is for
-- deliveries that were due until now or have just been revived.
CREATE TRIGGER `webhook_deliveries_begin_waiting` AFTER INSERT ON `webhook_deliveries` WHEN NEW.is_waiting = 1 BEGIN UPDATE webhooks SET release_at = NEW.created_at + 60000 WHERE tenant_id = NEW.tenant_id AND id = NEW.webhook_id AND release_at IS NULL; END;
--> statement-breakpoint
CREATE TRIGGER `webhook_deliveries_wait` AFTER UPDATE OF `is_waiting` ON `webhook_deliveries` WHEN NEW.is_waiting = 1 BEGIN UPDATE webhooks SET release_at = coalesce(OLD.next_at, NEW.updated_at) + 60000 WHERE tenant_id = NEW.tenant_id AND id = NEW.webhook_id AND release_at IS NULL; END;
--> statement-breakpoint
CREATE TRIGGER `keys_versioned` AFTER UPDATE OF `hash`, `permissions`, `scopes`, `expires_at`, `revoked_at` ON `keys` WHEN NEW.hash IS NOT OLD.hash OR NEW.permissions IS NOT OLD.permissions OR NEW.scopes IS NOT OLD.scopes OR NEW.expires_at IS NOT OLD.expires_at OR NEW.revoked_at IS NOT OLD.revoked_at BEGIN UPDATE keys SET version = version + 1 WHERE id = NEW.id; END;
--> statement-breakpoint
CREATE TRIGGER `agent_spells_fenced` BEFORE INSERT ON `agent_spells` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `agents_fenced` BEFORE INSERT ON `agents` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `aliases_fenced` BEFORE INSERT ON `aliases` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `canaries_fenced` BEFORE INSERT ON `canaries` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `claims_fenced` BEFORE INSERT ON `claims` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `domains_fenced` BEFORE INSERT ON `domains` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `keys_fenced` BEFORE INSERT ON `keys` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `mailboxes_fenced` BEFORE INSERT ON `mailboxes` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `owners_fenced` BEFORE INSERT ON `owners` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `second_addresses_fenced` BEFORE INSERT ON `second_addresses` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `sessions_fenced` BEFORE INSERT ON `sessions` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `smtp_credentials_fenced` BEFORE INSERT ON `smtp_credentials` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `tenants_fenced` BEFORE INSERT ON `tenants` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `verifications_fenced` BEFORE INSERT ON `verifications` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `arrivals_fenced` BEFORE INSERT ON `arrivals` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `auto_replies_fenced` BEFORE INSERT ON `auto_replies` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `consents_fenced` BEFORE INSERT ON `consents` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `suppressions_fenced` BEFORE INSERT ON `suppressions` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `consensus_requests_fenced` BEFORE INSERT ON `consensus_requests` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `consensus_votes_fenced` BEFORE INSERT ON `consensus_votes` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `lease_events_fenced` BEFORE INSERT ON `lease_events` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `leases_fenced` BEFORE INSERT ON `leases` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `dead_letters_fenced` BEFORE INSERT ON `dead_letters` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `archives_fenced` BEFORE INSERT ON `archives` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `idempotency_fenced` BEFORE INSERT ON `idempotency` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `audit_details_fenced` BEFORE INSERT ON `audit_details` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `events_fenced` BEFORE INSERT ON `events` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `traces_fenced` BEFORE INSERT ON `traces` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `template_versions_fenced` BEFORE INSERT ON `template_versions` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `templates_fenced` BEFORE INSERT ON `templates` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `memories_fenced` BEFORE INSERT ON `memories` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `messages_fenced` BEFORE INSERT ON `messages` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `search_entries_fenced` BEFORE INSERT ON `search_entries` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `threads_fenced` BEFORE INSERT ON `threads` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `views_fenced` BEFORE INSERT ON `views` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `approval_tokens_fenced` BEFORE INSERT ON `approval_tokens` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `billing_events_fenced` BEFORE INSERT ON `billing_events` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `checkouts_fenced` BEFORE INSERT ON `checkouts` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `webhook_attempts_fenced` BEFORE INSERT ON `webhook_attempts` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `webhook_deliveries_fenced` BEFORE INSERT ON `webhook_deliveries` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `webhooks_fenced` BEFORE INSERT ON `webhooks` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `approvals_fenced` BEFORE INSERT ON `approvals` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `raises_fenced` BEFORE INSERT ON `raises` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `send_recipients_fenced` BEFORE INSERT ON `send_recipients` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `sends_fenced` BEFORE INSERT ON `sends` WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id) BEGIN SELECT RAISE(IGNORE); END;
