ALTER TABLE `webhook_deliveries` ADD `is_waiting` integer DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX `webhook_deliveries_waiting` ON `webhook_deliveries` (`tenant_id`,`webhook_id`,`id`) WHERE is_waiting = 1;--> statement-breakpoint
ALTER TABLE `webhooks` ADD `release_at` integer;--> statement-breakpoint
CREATE INDEX `webhooks_held_up` ON `webhooks` (`release_at`) WHERE release_at IS NOT NULL;
--> statement-breakpoint
CREATE TRIGGER `webhook_deliveries_begin_waiting` AFTER INSERT ON `webhook_deliveries`
WHEN NEW.is_waiting = 1
BEGIN
	UPDATE webhooks SET release_at = NEW.created_at + 60000
	WHERE tenant_id = NEW.tenant_id AND id = NEW.webhook_id AND release_at IS NULL;
END;
--> statement-breakpoint
-- It was due until now, or has just been revived.
CREATE TRIGGER `webhook_deliveries_wait` AFTER UPDATE OF `is_waiting` ON `webhook_deliveries`
WHEN NEW.is_waiting = 1
BEGIN
	UPDATE webhooks SET release_at = coalesce(OLD.next_at, NEW.updated_at) + 60000
	WHERE tenant_id = NEW.tenant_id AND id = NEW.webhook_id AND release_at IS NULL;
END;
