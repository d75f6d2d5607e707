CREATE TABLE `agent_spells` (
	`tenant_id` text NOT NULL,
	`agent_id` text NOT NULL,
	`began_at` integer NOT NULL,
	`last_at` integer NOT NULL,
	`beats` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `agent_id`, `began_at`)
);
--> statement-breakpoint
CREATE TRIGGER `agent_spells_fenced` BEFORE INSERT ON `agent_spells`
WHEN EXISTS (SELECT 1 FROM erasures WHERE tenant_id = NEW.tenant_id)
BEGIN
	SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
CREATE TRIGGER `agents_begun` AFTER INSERT ON `agents`
BEGIN
	INSERT INTO agent_spells (tenant_id, agent_id, began_at, last_at, beats)
	VALUES (NEW.tenant_id, NEW.id, NEW.last_heartbeat_at, NEW.last_heartbeat_at, 1)
	ON CONFLICT DO NOTHING;
END;
--> statement-breakpoint
CREATE TRIGGER `agents_beaten` AFTER UPDATE OF `last_heartbeat_at` ON `agents`
WHEN NEW.last_heartbeat_at > OLD.last_heartbeat_at
BEGIN
	INSERT INTO agent_spells (tenant_id, agent_id, began_at, last_at, beats)
	SELECT NEW.tenant_id, NEW.id, coalesce((
		SELECT began_at FROM (
			SELECT began_at, last_at FROM agent_spells
			WHERE tenant_id = NEW.tenant_id AND agent_id = NEW.id ORDER BY began_at DESC LIMIT 1
		) WHERE last_at >= NEW.last_heartbeat_at - 300000
	), NEW.last_heartbeat_at), NEW.last_heartbeat_at, 1
	WHERE true
	ON CONFLICT (tenant_id, agent_id, began_at) DO UPDATE SET last_at = excluded.last_at, beats = beats + 1;
	DELETE FROM agent_spells
	WHERE tenant_id = NEW.tenant_id AND agent_id = NEW.id AND began_at < NEW.last_heartbeat_at - 1209600000
		AND last_at < NEW.last_heartbeat_at - 1209600000;
END;
