CREATE TABLE `canaries` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`label` text,
	`probe` integer NOT NULL,
	`length` integer NOT NULL,
	`hash` text NOT NULL,
	`trips` integer DEFAULT 0 NOT NULL,
	`tripped_at` integer,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `canaries_by_hash` ON `canaries` (`tenant_id`,`hash`);--> statement-breakpoint
ALTER TABLE `tenants` ADD `dlp_mode` text DEFAULT 'monitor' NOT NULL;--> statement-breakpoint
ALTER TABLE `tenants` ADD `dlp_disabled` text DEFAULT '[]' NOT NULL;