-- When a person decided is the database's to say, whatever a statement claims; and it is said once.
CREATE OR REPLACE FUNCTION "settlement"."decided_now"() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN NEW.resolved_at := coalesce(OLD.resolved_at, now()); RETURN NEW; END $$;
--> statement-breakpoint
CREATE TRIGGER "attention_decided_now" BEFORE UPDATE ON "settlement"."attention"
FOR EACH ROW WHEN (NEW.resolved_at IS NOT NULL AND NEW.resolved_at IS DISTINCT FROM OLD.resolved_at) EXECUTE FUNCTION "settlement"."decided_now"();
--> statement-breakpoint
CREATE TRIGGER "ledger_payments_decided_now" BEFORE UPDATE ON "settlement"."ledger_payments"
FOR EACH ROW WHEN (NEW.resolved_at IS NOT NULL AND NEW.resolved_at IS DISTINCT FROM OLD.resolved_at) EXECUTE FUNCTION "settlement"."decided_now"();
--> statement-breakpoint
CREATE TRIGGER "parked_records_decided_now" BEFORE UPDATE ON "settlement"."parked_records"
FOR EACH ROW WHEN (NEW.resolved_at IS NOT NULL AND NEW.resolved_at IS DISTINCT FROM OLD.resolved_at) EXECUTE FUNCTION "settlement"."decided_now"();
