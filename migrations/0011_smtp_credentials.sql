CREATE TABLE `smtp_credentials` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`mailbox_id` text NOT NULL,
	`agent_id` text,
	`name` text,
	`hash` text NOT NULL,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`last_used_at` integer,
	`revoked_at` integer,
	PRIMARY KEY(`tenant_id`, `id`)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `smtp_credentials_by_hash` ON `smtp_credentials` (`hash`);--> statement-breakpoint
CREATE INDEX `smtp_credentials_by_mailbox` ON `smtp_credentials` (`tenant_id`,`mailbox_id`,`id`);