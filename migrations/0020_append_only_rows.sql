-- A row that takes another's place is deleted without a word, so the triggers that refuse to delete never hear of it.
-- Traces have no such trigger: it would cost a list of sends a sixth of its time, and no statement of ours replaces rows.
CREATE TRIGGER `audit_entries_refuse_replace` BEFORE INSERT ON `audit_entries`
WHEN EXISTS (SELECT 1 FROM audit_entries WHERE tenant_id = NEW.tenant_id AND seq = NEW.seq)
BEGIN
	SELECT RAISE(ABORT, 'an audit entry is append-only');
END;
--> statement-breakpoint
CREATE TRIGGER `audit_details_refuse_replace` BEFORE INSERT ON `audit_details`
WHEN EXISTS (SELECT 1 FROM audit_details WHERE tenant_id = NEW.tenant_id AND entry_id = NEW.entry_id)
BEGIN
	SELECT RAISE(ABORT, 'an audit detail is append-only');
END;
