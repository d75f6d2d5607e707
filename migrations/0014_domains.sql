CREATE TABLE `aliases` (
	`tenant_id` text NOT NULL,
	`mailbox_id` text NOT NULL,
	`domain_id` text NOT NULL,
	`address` text NOT NULL,
	`contact` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `mailbox_id`, `domain_id`)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `aliases_by_contact` ON `aliases` (`contact`);--> statement-breakpoint
CREATE INDEX `aliases_by_domain` ON `aliases` (`tenant_id`,`domain_id`);--> statement-breakpoint
CREATE TABLE `domains` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`domain` text NOT NULL,
	`mode` text NOT NULL,
	`status` text DEFAULT 'pending' NOT NULL,
	`token` text NOT NULL,
	`selector` text NOT NULL,
	`public_key` text NOT NULL,
	`sealed_key` text NOT NULL,
	`agent_id` text,
	`misses` integer DEFAULT 0 NOT NULL,
	`verified_at` integer,
	`checked_at` integer,
	`next_at` integer,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `domains_by_name` ON `domains` (`tenant_id`,`domain`);--> statement-breakpoint
CREATE UNIQUE INDEX `domains_verified` ON `domains` (`domain`) WHERE status = 'verified';--> statement-breakpoint
CREATE INDEX `domains_due` ON `domains` (`next_at`) WHERE next_at IS NOT NULL;--> statement-breakpoint
ALTER TABLE `sends` ADD `domain_id` text;--> statement-breakpoint
CREATE INDEX `agents_by_id` ON `agents` (`id`);