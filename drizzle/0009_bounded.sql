CREATE TABLE "settlement"."session_totals" (
	"session_id" uuid PRIMARY KEY NOT NULL,
	"account" text NOT NULL,
	"reference" text,
	"price" numeric NOT NULL,
	"deadline" timestamp with time zone NOT NULL,
	"totals" jsonb NOT NULL
);
--> statement-breakpoint
DROP INDEX "settlement"."ledger_payments_by_reference";--> statement-breakpoint
CREATE INDEX "ledger_payments_without_session" ON "settlement"."ledger_payments" USING btree ("account","reference","verdict","operation_id","sub_index") WHERE "settlement"."ledger_payments"."session_id" is null;--> statement-breakpoint
CREATE INDEX "ledger_payments_by_reference" ON "settlement"."ledger_payments" USING btree ("account","reference","operation_id","sub_index");
--> statement-breakpoint
-- Totals hold as long as nothing that they count is changed. The settle that judges payments writes their totals in the same
-- transaction; whatever else changes a payment that was judged makes the totals be computed anew.
CREATE OR REPLACE FUNCTION "settlement"."forget_totals"() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  concerned uuid;
BEGIN
  IF TG_OP <> 'INSERT' THEN
    FOR concerned IN SELECT DISTINCT session_id FROM old_rows WHERE session_id IS NOT NULL LOOP
      DELETE FROM settlement.session_totals t WHERE t.session_id = concerned;
    END LOOP;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    FOR concerned IN SELECT DISTINCT session_id FROM new_rows WHERE session_id IS NOT NULL LOOP
      DELETE FROM settlement.session_totals t
      WHERE t.session_id = concerned AND t.xmin <> pg_current_xact_id()::xid;
    END LOOP;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER "ledger_payments_inserted" AFTER INSERT ON "settlement"."ledger_payments"
REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "settlement"."forget_totals"();
--> statement-breakpoint
CREATE TRIGGER "ledger_payments_updated" AFTER UPDATE ON "settlement"."ledger_payments"
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "settlement"."forget_totals"();
--> statement-breakpoint
CREATE TRIGGER "ledger_payments_deleted" AFTER DELETE ON "settlement"."ledger_payments"
REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION "settlement"."forget_totals"();
