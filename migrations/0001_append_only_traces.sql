CREATE TRIGGER traces_refuse_update BEFORE UPDATE ON traces
BEGIN
  SELECT RAISE(ABORT, 'a trace is append-only');
END;
--> statement-breakpoint
CREATE TRIGGER traces_refuse_delete BEFORE DELETE ON traces
WHEN NOT EXISTS (SELECT 1 FROM erasures WHERE tenant_id = OLD.tenant_id)
BEGIN
  SELECT RAISE(ABORT, 'a trace is append-only');
END;
