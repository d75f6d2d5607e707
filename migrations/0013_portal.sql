CREATE TABLE `approval_tokens` (
	`token_hash` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`approval_id` text NOT NULL,
	`owner_id` text NOT NULL,
	`door` text NOT NULL,
	`sha256` text NOT NULL,
	`expires_at` integer NOT NULL,
	`used_at` integer
);
--> statement-breakpoint
CREATE INDEX `approval_tokens_by_age` ON `approval_tokens` (`expires_at`);--> statement-breakpoint
CREATE TABLE `sessions` (
	`token_hash` text PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`contact` text NOT NULL,
	`tenant_id` text,
	`browser` text,
	`created_at` integer NOT NULL,
	`seen_at` integer NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `sessions_by_contact` ON `sessions` (`contact`);--> statement-breakpoint
CREATE INDEX `sessions_by_age` ON `sessions` (`expires_at`);--> statement-breakpoint
CREATE TABLE `sign_ins` (
	`token_hash` text PRIMARY KEY NOT NULL,
	`contact` text NOT NULL,
	`expires_at` integer NOT NULL,
	`used_at` integer
);
--> statement-breakpoint
CREATE INDEX `sign_ins_by_age` ON `sign_ins` (`expires_at`);--> statement-breakpoint
ALTER TABLE `approvals` ADD `notice_at` integer;--> statement-breakpoint
ALTER TABLE `approvals` ADD `noticed_at` integer;--> statement-breakpoint
CREATE INDEX `approvals_pending` ON `approvals` (`tenant_id`) WHERE status = 'pending';--> statement-breakpoint
CREATE INDEX `approvals_to_notice` ON `approvals` (`notice_at`) WHERE notice_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `approvals_noticed` ON `approvals` (`tenant_id`,`noticed_at`) WHERE noticed_at IS NOT NULL;--> statement-breakpoint
ALTER TABLE `owners` ADD `role` text DEFAULT 'owner' NOT NULL;--> statement-breakpoint
ALTER TABLE `owners` ADD `invited_at` integer;--> statement-breakpoint
CREATE UNIQUE INDEX `owners_by_contact` ON `owners` (`contact`,`tenant_id`);