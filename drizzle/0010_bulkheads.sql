ALTER TABLE "settlement"."active_sessions" ADD COLUMN "merchant_id" uuid DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL;
--> statement-breakpoint
UPDATE "settlement"."active_sessions" a SET "merchant_id" = s."merchant_id" FROM "public"."checkout_sessions" s WHERE s."id" = a."session_id";
--> statement-breakpoint
CREATE INDEX "active_sessions_wakes_of_merchant" ON "settlement"."active_sessions" USING btree ("merchant_id","wake_after") WHERE "settlement"."active_sessions"."wake_after" is not null;
--> statement-breakpoint
CREATE INDEX "set_aside_due" ON "settlement"."set_aside" USING btree ("until");
--> statement-breakpoint
-- When a worker first ran, and when an operator accepted that the network began anew, is the database's to say. The first is
-- said once: a later instant would make rows of others ours. The public network never begins anew.
CREATE OR REPLACE FUNCTION "settlement"."network_dated_now"() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  -- The owner may write what it likes, and drop this trigger.
  IF EXISTS (SELECT FROM pg_class c WHERE c.oid = TG_RELID AND pg_has_role(current_user, c.relowner, 'USAGE')) THEN
    RETURN NEW;
  END IF;
  IF NEW.adopted_at IS DISTINCT FROM OLD.adopted_at THEN
    NEW.adopted_at := coalesce(OLD.adopted_at, now());
  END IF;
  IF NEW.reset_at IS DISTINCT FROM OLD.reset_at THEN
    IF OLD.passphrase = 'Public Global Stellar Network ; September 2015' THEN
      RAISE EXCEPTION 'The public network does not begin anew.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    NEW.reset_at := now();
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER "network_dated_now" BEFORE UPDATE ON "settlement"."network"
FOR EACH ROW WHEN (NEW.adopted_at IS DISTINCT FROM OLD.adopted_at OR NEW.reset_at IS DISTINCT FROM OLD.reset_at)
EXECUTE FUNCTION "settlement"."network_dated_now"();
--> statement-breakpoint
-- A worker of an earlier version does not say whose session it enters.
CREATE OR REPLACE FUNCTION "settlement"."entered_for_merchant"() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  NEW.merchant_id := coalesce((SELECT s.merchant_id FROM public.checkout_sessions s WHERE s.id = NEW.session_id), NEW.merchant_id);
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER "active_sessions_entered" BEFORE INSERT ON "settlement"."active_sessions"
FOR EACH ROW WHEN (NEW.merchant_id = '00000000-0000-0000-0000-000000000000')
EXECUTE FUNCTION "settlement"."entered_for_merchant"();
