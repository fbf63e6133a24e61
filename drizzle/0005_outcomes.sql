ALTER TABLE "webhook_deliveries" ADD COLUMN IF NOT EXISTS "redeliveries" integer;--> statement-breakpoint
ALTER TABLE "settlement"."endpoint_state" ADD COLUMN IF NOT EXISTS "decisions" integer DEFAULT 0 NOT NULL;
