CREATE TABLE `agents` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`name` text NOT NULL,
	`role` text DEFAULT 'general' NOT NULL,
	`description` text,
	`status` text NOT NULL,
	`last_heartbeat_at` integer NOT NULL,
	`registered_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `agents_by_name` ON `agents` (`tenant_id`,`name`);--> statement-breakpoint
CREATE TABLE `approvals` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`send_id` text NOT NULL,
	`mailbox_id` text NOT NULL,
	`status` text NOT NULL,
	`hold_reason` text NOT NULL,
	`policy_version` integer NOT NULL,
	`sha256` text,
	`expires_at` integer NOT NULL,
	`created_at` integer NOT NULL,
	`decided_at` integer,
	`decided_by` text,
	`decision_reason` text,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `approvals_by_send` ON `approvals` (`tenant_id`,`send_id`);--> statement-breakpoint
CREATE TABLE `captured_mail` (
	`send_id` text NOT NULL,
	`recipient` text NOT NULL,
	`message_id` text NOT NULL,
	`envelope_from` text NOT NULL,
	`subject` text NOT NULL,
	`text` text,
	`html` text,
	`raw` text NOT NULL,
	`captured_at` integer NOT NULL,
	PRIMARY KEY(`send_id`, `recipient`)
);
--> statement-breakpoint
CREATE INDEX `captured_mail_by_time` ON `captured_mail` (`captured_at`);--> statement-breakpoint
CREATE TABLE `claims` (
	`token_hash` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`expires_at` integer NOT NULL,
	`used_at` integer
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `consents` (
	`tenant_id` text NOT NULL,
	`contact` text NOT NULL,
	`id` text NOT NULL,
	`email` text NOT NULL,
	`basis` text NOT NULL,
	`source` text,
	`jurisdiction` text,
	`granted_at` integer NOT NULL,
	`revoked_at` integer,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `contact`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `dead_letters` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`queue` text NOT NULL,
	`ref_id` text NOT NULL,
	`reason` text NOT NULL,
	`body` text,
	`created_at` integer NOT NULL,
	`replayed_at` integer,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `erasures` (
	`tenant_id` text PRIMARY KEY NOT NULL,
	`started_at` integer NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `idempotency` (
	`tenant_id` text NOT NULL,
	`route` text NOT NULL,
	`key` text NOT NULL,
	`body_hash` text NOT NULL,
	`status` integer,
	`body` text,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `route`, `key`)
);
--> statement-breakpoint
CREATE INDEX `idempotency_by_age` ON `idempotency` (`created_at`);--> statement-breakpoint
CREATE TABLE `keys` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`hash` text NOT NULL,
	`prefix` text NOT NULL,
	`label` text,
	`agent_id` text,
	`permissions` text NOT NULL,
	`scopes` text,
	`created_at` integer NOT NULL,
	`expires_at` integer,
	`revoked_at` integer
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `keys_by_hash` ON `keys` (`hash`);--> statement-breakpoint
CREATE INDEX `keys_by_tenant` ON `keys` (`tenant_id`,`id`);--> statement-breakpoint
CREATE TABLE `leases` (
	`tenant_id` text NOT NULL,
	`contact` text NOT NULL,
	`id` text NOT NULL,
	`agent_id` text NOT NULL,
	`contact_email` text NOT NULL,
	`intent` text NOT NULL,
	`epoch` integer NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`ended_at` integer,
	PRIMARY KEY(`tenant_id`, `contact`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `mailboxes` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`agent_id` text,
	`address` text NOT NULL,
	`contact` text NOT NULL,
	`display_name` text,
	`status` text DEFAULT 'active' NOT NULL,
	`autonomy` text DEFAULT 'auto' NOT NULL,
	`cooldown_ms` integer,
	`hourly_limit` integer,
	`daily_limit` integer,
	`monthly_limit` integer,
	`require_consent` integer DEFAULT false NOT NULL,
	`fatigue_limit` integer,
	`fatigue_days` integer DEFAULT 7 NOT NULL,
	`risk_budget` integer,
	`carriers` text,
	`on_unknown` text DEFAULT 'hold' NOT NULL,
	`reputation` integer DEFAULT 800 NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `mailboxes_by_contact` ON `mailboxes` (`contact`);--> statement-breakpoint
CREATE TABLE `messages` (
	`tenant_id` text NOT NULL,
	`mailbox_id` text NOT NULL,
	`delivery_id` text NOT NULL,
	`message_id` text NOT NULL,
	`from_address` text NOT NULL,
	`subject` text NOT NULL,
	`raw_key` text NOT NULL,
	`received_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `mailbox_id`, `delivery_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `owners` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`email` text NOT NULL,
	`contact` text NOT NULL,
	`name` text,
	`claimed_at` integer,
	`verified_at` integer,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `send_recipients` (
	`tenant_id` text NOT NULL,
	`contact` text NOT NULL,
	`send_id` text NOT NULL,
	`mailbox_id` text NOT NULL,
	`agent_id` text,
	`email` text NOT NULL,
	`state` text NOT NULL,
	`detail` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `contact`, `send_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `send_recipients_signals` ON `send_recipients` (`tenant_id`,`mailbox_id`,`updated_at`) WHERE state IN ('bounced', 'complained');--> statement-breakpoint
CREATE INDEX `send_recipients_in_flight` ON `send_recipients` (`tenant_id`,`contact`) WHERE state = 'in_flight';--> statement-breakpoint
CREATE TABLE `sends` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`batch_id` text,
	`door` text NOT NULL,
	`mailbox_id` text NOT NULL,
	`agent_id` text,
	`key_id` text,
	`state` text NOT NULL,
	`reason` text,
	`detail` text,
	`dedupe_key` text,
	`burned_key` text,
	`burned_until` integer,
	`body_hash` text NOT NULL,
	`template` text,
	`recipients` text NOT NULL,
	`input` text,
	`input_key` text,
	`approval_id` text,
	`settle_token` text,
	`scheduled_at` integer,
	`next_at` integer,
	`lock_token` text,
	`lock_until` integer,
	`locks` integer DEFAULT 0 NOT NULL,
	`rendered_key` text,
	`rendered_sha256` text,
	`message_id` text,
	`carrier` text,
	`carrier_message_id` text,
	`attempt` integer DEFAULT 0 NOT NULL,
	`ambiguous_at` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `sends_by_burned_key` ON `sends` (`tenant_id`,`burned_key`) WHERE burned_key IS NOT NULL;--> statement-breakpoint
CREATE INDEX `sends_due` ON `sends` (`next_at`) WHERE next_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `suppressions` (
	`tenant_id` text NOT NULL,
	`contact` text NOT NULL,
	`scope` text NOT NULL,
	`campaign_id` text DEFAULT '' NOT NULL,
	`id` text NOT NULL,
	`email` text NOT NULL,
	`reason_code` text NOT NULL,
	`source` text,
	`expires_at` integer,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `contact`, `scope`, `campaign_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `suppressions_by_id` ON `suppressions` (`tenant_id`,`id`);--> statement-breakpoint
CREATE TABLE `template_versions` (
	`tenant_id` text NOT NULL,
	`template_id` text NOT NULL,
	`version` integer NOT NULL,
	`subject` text NOT NULL,
	`html` text,
	`text` text,
	`variables` text NOT NULL,
	`status` text NOT NULL,
	`created_at` integer NOT NULL,
	`published_at` integer,
	PRIMARY KEY(`tenant_id`, `template_id`, `version`)
);
--> statement-breakpoint
CREATE TABLE `templates` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`slug` text NOT NULL,
	`name` text NOT NULL,
	`type` text NOT NULL,
	`approval_required` integer DEFAULT false NOT NULL,
	`published_version` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `templates_by_slug` ON `templates` (`tenant_id`,`slug`);--> statement-breakpoint
CREATE TABLE `tenants` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`plan` text DEFAULT 'free' NOT NULL,
	`status` text DEFAULT 'active' NOT NULL,
	`level` text DEFAULT 'sandbox' NOT NULL,
	`default_mailbox_id` text,
	`dedupe_window_ms` integer DEFAULT 2592000000 NOT NULL,
	`cooldown_ms` integer DEFAULT 600000 NOT NULL,
	`require_consent_for_marketing` integer DEFAULT false NOT NULL,
	`physical_address` text,
	`created_at` integer NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `traces` (
	`tenant_id` text NOT NULL,
	`send_id` text NOT NULL,
	`seq` integer NOT NULL,
	`kind` text NOT NULL,
	`at` integer NOT NULL,
	`body` text NOT NULL,
	PRIMARY KEY(`tenant_id`, `send_id`, `seq`)
) WITHOUT ROWID;
