CREATE TABLE "settlement"."network_reading" (
	"id" smallint PRIMARY KEY NOT NULL,
	"through_ledger" bigint NOT NULL,
	"through_time" timestamp with time zone NOT NULL,
	"read_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "network_reading_is_one_row" CHECK ("settlement"."network_reading"."id" = 1)
);
--> statement-breakpoint
ALTER TABLE "settlement"."network" ADD COLUMN "checkpoint_ledger" bigint;--> statement-breakpoint
ALTER TABLE "settlement"."network" ADD COLUMN "checkpoint_hash" text;--> statement-breakpoint
ALTER TABLE "settlement"."watched_accounts" ADD COLUMN "network_from" bigint;