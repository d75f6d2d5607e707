CREATE TABLE `archives` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`state` text NOT NULL,
	`files` integer DEFAULT 0 NOT NULL,
	`size` integer DEFAULT 0 NOT NULL,
	`error` text,
	`locks` integer DEFAULT 0 NOT NULL,
	`lock_token` text,
	`next_at` integer,
	`created_at` integer NOT NULL,
	`completed_at` integer,
	`expires_at` integer,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `archives_due` ON `archives` (`next_at`) WHERE next_at IS NOT NULL;--> statement-breakpoint
ALTER TABLE `erasures` ADD `id` text;--> statement-breakpoint
ALTER TABLE `erasures` ADD `token_hash` text;--> statement-breakpoint
ALTER TABLE `erasures` ADD `rows_erased` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `erasures` ADD `objects_erased` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `erasures` ADD `next_at` integer;--> statement-breakpoint
ALTER TABLE `erasures` ADD `completed_at` integer;--> statement-breakpoint
CREATE UNIQUE INDEX `erasures_by_id` ON `erasures` (`id`);--> statement-breakpoint
CREATE INDEX `erasures_due` ON `erasures` (`next_at`) WHERE next_at IS NOT NULL;--> statement-breakpoint
CREATE TRIGGER `tenants_fenced` BEFORE INSERT ON `tenants`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `owners_fenced` BEFORE INSERT ON `owners`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `canaries_fenced` BEFORE INSERT ON `canaries`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `claims_fenced` BEFORE INSERT ON `claims`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `verifications_fenced` BEFORE INSERT ON `verifications`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `agents_fenced` BEFORE INSERT ON `agents`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `mailboxes_fenced` BEFORE INSERT ON `mailboxes`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `keys_fenced` BEFORE INSERT ON `keys`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `smtp_credentials_fenced` BEFORE INSERT ON `smtp_credentials`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `templates_fenced` BEFORE INSERT ON `templates`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `template_versions_fenced` BEFORE INSERT ON `template_versions`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `suppressions_fenced` BEFORE INSERT ON `suppressions`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `consents_fenced` BEFORE INSERT ON `consents`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `sends_fenced` BEFORE INSERT ON `sends`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `send_recipients_fenced` BEFORE INSERT ON `send_recipients`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `traces_fenced` BEFORE INSERT ON `traces`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `domains_fenced` BEFORE INSERT ON `domains`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `aliases_fenced` BEFORE INSERT ON `aliases`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `approvals_fenced` BEFORE INSERT ON `approvals`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `approval_tokens_fenced` BEFORE INSERT ON `approval_tokens`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `sessions_fenced` BEFORE INSERT ON `sessions`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `leases_fenced` BEFORE INSERT ON `leases`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `lease_events_fenced` BEFORE INSERT ON `lease_events`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `consensus_requests_fenced` BEFORE INSERT ON `consensus_requests`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `consensus_votes_fenced` BEFORE INSERT ON `consensus_votes`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `dead_letters_fenced` BEFORE INSERT ON `dead_letters`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `messages_fenced` BEFORE INSERT ON `messages`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `views_fenced` BEFORE INSERT ON `views`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `threads_fenced` BEFORE INSERT ON `threads`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `arrivals_fenced` BEFORE INSERT ON `arrivals`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `auto_replies_fenced` BEFORE INSERT ON `auto_replies`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `events_fenced` BEFORE INSERT ON `events`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `webhooks_fenced` BEFORE INSERT ON `webhooks`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `webhook_deliveries_fenced` BEFORE INSERT ON `webhook_deliveries`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `webhook_attempts_fenced` BEFORE INSERT ON `webhook_attempts`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `memories_fenced` BEFORE INSERT ON `memories`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `search_entries_fenced` BEFORE INSERT ON `search_entries`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `idempotency_fenced` BEFORE INSERT ON `idempotency`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `archives_fenced` BEFORE INSERT ON `archives`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `checkouts_fenced` BEFORE INSERT ON `checkouts`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `billing_events_fenced` BEFORE INSERT ON `billing_events`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `audit_details_fenced` BEFORE INSERT ON `audit_details`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
