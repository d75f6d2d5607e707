CREATE TABLE `counts` (
	`kind` text NOT NULL,
	`state` text NOT NULL,
	`reason` text NOT NULL,
	`count` integer NOT NULL,
	PRIMARY KEY(`kind`, `state`, `reason`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `dead_letters_open` ON `dead_letters` (`created_at`) WHERE replayed_at IS NULL;--> statement-breakpoint
CREATE INDEX `sends_unknown` ON `sends` (`updated_at`) WHERE state = 'unknown';
--> statement-breakpoint
CREATE TRIGGER `sends_counted` AFTER UPDATE OF `state` ON `sends`
WHEN NEW.state <> OLD.state AND NEW.state IN ('blocked', 'scheduled', 'pending_approval', 'accepted', 'delivered', 'bounced',
	'complained', 'failed', 'unknown', 'cancelled', 'rejected')
BEGIN
	INSERT INTO counts (kind, state, reason, count)
	VALUES ('send', NEW.state, CASE
		WHEN NEW.reason IS NULL OR NEW.state NOT IN ('blocked', 'failed', 'unknown') THEN ''
		WHEN NEW.state = 'blocked' OR NEW.reason IN ('dead_letter', 'no_carrier', 'render_failed', 'template_render_failed',
			'never_judged', 'interrupted', 'ambiguous') THEN NEW.reason
		ELSE 'carrier' END, 1)
	ON CONFLICT (kind, state, reason) DO UPDATE SET count = count + 1;
END;
--> statement-breakpoint
CREATE TRIGGER `arrivals_received` AFTER INSERT ON `arrivals`
BEGIN
	INSERT INTO counts (kind, state, reason, count) VALUES ('inbound', 'received', '', 1)
	ON CONFLICT (kind, state, reason) DO UPDATE SET count = count + 1;
END;
--> statement-breakpoint
CREATE TRIGGER `arrivals_counted` AFTER UPDATE OF `state` ON `arrivals`
WHEN NEW.state <> OLD.state AND NEW.state IN ('stored', 'failed')
BEGIN
	INSERT INTO counts (kind, state, reason, count) VALUES ('inbound', NEW.state, '', 1)
	ON CONFLICT (kind, state, reason) DO UPDATE SET count = count + 1;
END;
