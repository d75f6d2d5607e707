CREATE TABLE `billing_events` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`type` text NOT NULL,
	`received_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
);
--> statement-breakpoint
CREATE TABLE `bonds` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`provider` text NOT NULL,
	`tier` text NOT NULL,
	`amount_usd_cents` integer NOT NULL,
	`status` text NOT NULL,
	`customer_id` text NOT NULL,
	`setup_id` text,
	`payment_method_id` text,
	`hold_id` text,
	`holds` integer DEFAULT 0 NOT NULL,
	`closing` text,
	`reason` text,
	`next_reauth_at` integer,
	`next_at` integer,
	`lock_token` text,
	`lock_until` integer,
	`posted_at` integer,
	`ended_at` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `bonds_live` ON `bonds` (`tenant_id`) WHERE status IN ('pending', 'posted');--> statement-breakpoint
CREATE INDEX `bonds_by_id` ON `bonds` (`id`);--> statement-breakpoint
CREATE INDEX `bonds_due` ON `bonds` (`next_at`) WHERE next_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `checkouts` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`plan` text NOT NULL,
	`completed_at` integer,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `id`)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `checkouts_by_id` ON `checkouts` (`id`);--> statement-breakpoint
CREATE TABLE `subscriptions` (
	`tenant_id` text PRIMARY KEY NOT NULL,
	`provider` text NOT NULL,
	`customer_id` text NOT NULL,
	`subscription_id` text,
	`plan` text NOT NULL,
	`status` text NOT NULL,
	`current_period_end` integer,
	`cancel_at_period_end` integer DEFAULT false NOT NULL,
	`version` integer DEFAULT 0 NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `subscriptions_by_customer` ON `subscriptions` (`customer_id`);