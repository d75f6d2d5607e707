CREATE TABLE `auto_replies` (
	`tenant_id` text NOT NULL,
	`mailbox_id` text NOT NULL,
	`contact` text NOT NULL,
	`replied_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `mailbox_id`, `contact`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `events` (
	`tenant_id` text NOT NULL,
	`seq` integer NOT NULL,
	`id` text NOT NULL,
	`type` text NOT NULL,
	`mailbox_id` text,
	`agent_id` text,
	`refs` text NOT NULL,
	`payload` text,
	`next_at` integer,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `seq`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `events_by_id` ON `events` (`tenant_id`,`id`);--> statement-breakpoint
CREATE INDEX `events_due` ON `events` (`next_at`) WHERE next_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `events_by_age` ON `events` (`created_at`);--> statement-breakpoint
CREATE TABLE `memories` (
	`tenant_id` text NOT NULL,
	`agent_id` text NOT NULL,
	`key` text NOT NULL,
	`value` text NOT NULL,
	`kind` text,
	`importance` integer DEFAULT 0 NOT NULL,
	`expires_at` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `agent_id`, `key`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `memories_by_expiry` ON `memories` (`expires_at`) WHERE expires_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `search_entries` (
	`tenant_id` text NOT NULL,
	`kind` text NOT NULL,
	`ref_id` text NOT NULL,
	`scope` text NOT NULL,
	`row` integer NOT NULL,
	`vector` text NOT NULL,
	`model` text,
	`model_vector` text,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `kind`, `scope`, `ref_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `search_entries_by_row` ON `search_entries` (`row`);--> statement-breakpoint
CREATE INDEX `search_entries_by_time` ON `search_entries` (`tenant_id`,`kind`,`scope`,`created_at`);--> statement-breakpoint
CREATE TABLE `verifications` (
	`token_hash` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`owner_id` text NOT NULL,
	`expires_at` integer NOT NULL,
	`used_at` integer
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `webhook_attempts` (
	`tenant_id` text NOT NULL,
	`delivery_id` text NOT NULL,
	`attempt` integer NOT NULL,
	`at` integer NOT NULL,
	`duration_ms` integer NOT NULL,
	`status_code` integer,
	`error` text,
	`request` text NOT NULL,
	`response` text,
	PRIMARY KEY(`tenant_id`, `delivery_id`, `attempt`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `webhook_deliveries` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`webhook_id` text NOT NULL,
	`event_id` text NOT NULL,
	`event_type` text NOT NULL,
	`state` text NOT NULL,
	`attempts` integer DEFAULT 0 NOT NULL,
	`status_code` integer,
	`error` text,
	`next_at` integer,
	`lock_token` text,
	`lock_until` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `webhook_deliveries_by_event` ON `webhook_deliveries` (`tenant_id`,`webhook_id`,`event_id`);--> statement-breakpoint
CREATE INDEX `webhook_deliveries_by_webhook` ON `webhook_deliveries` (`tenant_id`,`webhook_id`,`id`);--> statement-breakpoint
CREATE INDEX `webhook_deliveries_due` ON `webhook_deliveries` (`next_at`) WHERE next_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `webhooks` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`agent_id` text,
	`url` text NOT NULL,
	`event_types` text NOT NULL,
	`description` text,
	`is_active` integer DEFAULT true NOT NULL,
	`disabled_reason` text,
	`secret` text NOT NULL,
	`previous_secret` text,
	`previous_until` integer,
	`failing_since` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
ALTER TABLE `mailboxes` ADD `auto_reply` text;--> statement-breakpoint
ALTER TABLE `owners` ADD `x_handle` text;--> statement-breakpoint
CREATE VIRTUAL TABLE `search_fts` USING fts5(title, body, names, content = '', contentless_delete = 1, tokenize = 'ascii');--> statement-breakpoint
CREATE TRIGGER `search_entries_forgotten` AFTER DELETE ON `search_entries` BEGIN
	DELETE FROM search_fts WHERE rowid = OLD.`row`;
END;
