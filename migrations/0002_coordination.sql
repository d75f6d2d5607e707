CREATE TABLE `consensus_requests` (
	`tenant_id` text NOT NULL,
	`id` text NOT NULL,
	`requesting_agent_id` text NOT NULL,
	`action` text NOT NULL,
	`contact` text NOT NULL,
	`contact_email` text NOT NULL,
	`reason` text NOT NULL,
	`status` text NOT NULL,
	`timeout_at` integer NOT NULL,
	`created_at` integer NOT NULL,
	`decided_at` integer,
	PRIMARY KEY(`tenant_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `consensus_requests_by_time` ON `consensus_requests` (`tenant_id`,`created_at`);--> statement-breakpoint
CREATE TABLE `consensus_votes` (
	`tenant_id` text NOT NULL,
	`request_id` text NOT NULL,
	`agent_id` text NOT NULL,
	`id` text NOT NULL,
	`vote` text NOT NULL,
	`reason` text,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `request_id`, `agent_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `lease_events` (
	`tenant_id` text NOT NULL,
	`contact` text NOT NULL,
	`id` text NOT NULL,
	`kind` text NOT NULL,
	`at` integer NOT NULL,
	`lease_id` text NOT NULL,
	`epoch` integer NOT NULL,
	`agent_id` text NOT NULL,
	`holder_id` text NOT NULL,
	`expires_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `contact`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `lease_events_by_lease` ON `lease_events` (`tenant_id`,`lease_id`);--> statement-breakpoint
ALTER TABLE `agents` ADD `config` text;--> statement-breakpoint
ALTER TABLE `keys` ADD `default_agent_id` text;--> statement-breakpoint
CREATE INDEX `leases_by_id` ON `leases` (`tenant_id`,`id`);--> statement-breakpoint
CREATE INDEX `leases_by_holder` ON `leases` (`tenant_id`,`agent_id`) WHERE ended_at IS NULL;