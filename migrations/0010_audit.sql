CREATE TABLE `audit_details` (
	`tenant_id` text NOT NULL,
	`entry_id` text NOT NULL,
	`salt` text NOT NULL,
	`detail` text NOT NULL,
	PRIMARY KEY(`tenant_id`, `entry_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `audit_entries` (
	`tenant_id` text NOT NULL,
	`seq` integer NOT NULL,
	`id` text NOT NULL,
	`at` integer NOT NULL,
	`actor` text NOT NULL,
	`action` text NOT NULL,
	`target` text,
	`commitment` text NOT NULL,
	`prev_hash` text,
	`hash` text,
	PRIMARY KEY(`tenant_id`, `seq`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `audit_entries_unlinked` ON `audit_entries` (`tenant_id`) WHERE hash IS NULL;--> statement-breakpoint
CREATE TABLE `audit_heads` (
	`tenant_id` text PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL,
	`hash` text NOT NULL,
	`at` integer NOT NULL,
	`key_id` text,
	`signature` text
) WITHOUT ROWID;--> statement-breakpoint
CREATE TRIGGER `audit_entries_refuse_change` BEFORE UPDATE OF `tenant_id`, `seq`, `id`, `at`, `actor`, `action`, `target`, `commitment` ON `audit_entries`
BEGIN
	SELECT RAISE(ABORT, 'an audit entry is append-only');
END;
--> statement-breakpoint
CREATE TRIGGER `audit_entries_refuse_relink` BEFORE UPDATE OF `prev_hash`, `hash` ON `audit_entries`
WHEN OLD.hash IS NOT NULL
BEGIN
	SELECT RAISE(ABORT, 'an audit entry is linked once');
END;
--> statement-breakpoint
CREATE TRIGGER `audit_entries_refuse_delete` BEFORE DELETE ON `audit_entries`
BEGIN
	SELECT RAISE(ABORT, 'an audit entry is append-only');
END;
--> statement-breakpoint
CREATE TRIGGER `audit_details_refuse_update` BEFORE UPDATE ON `audit_details`
BEGIN
	SELECT RAISE(ABORT, 'an audit detail is append-only');
END;
--> statement-breakpoint
CREATE TRIGGER `audit_details_refuse_delete` BEFORE DELETE ON `audit_details`
WHEN NOT EXISTS (SELECT 1 FROM erasures WHERE tenant_id = OLD.tenant_id)
BEGIN
	SELECT RAISE(ABORT, 'an audit detail is append-only');
END;
