CREATE TABLE "settlement"."returned_payments" (
	"tx_hash" text NOT NULL,
	"op_index" integer NOT NULL,
	"sub_index" integer NOT NULL,
	"return_tx_hash" text NOT NULL,
	"return_op_index" integer NOT NULL,
	"return_sub_index" integer NOT NULL,
	"amount" numeric(19, 7) NOT NULL,
	"returned_to" text NOT NULL,
	"proven_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "returned_payments_tx_hash_op_index_sub_index_pk" PRIMARY KEY("tx_hash","op_index","sub_index"),
	CONSTRAINT "return_proves_one_payment" UNIQUE("return_tx_hash","return_op_index","return_sub_index"),
	CONSTRAINT "returned_amount_is_positive" CHECK ("settlement"."returned_payments"."amount" > 0)
);
--> statement-breakpoint
CREATE TABLE "settlement"."operator_journal" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "settlement"."operator_journal_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	"actor" text NOT NULL,
	"action" text NOT NULL,
	"subject" text NOT NULL,
	"reason" text NOT NULL,
	"detail" jsonb
);
--> statement-breakpoint
CREATE TABLE "settlement"."reconcile_runs" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "settlement"."reconcile_runs_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp with time zone NOT NULL,
	"report" jsonb NOT NULL
);
--> statement-breakpoint
ALTER TABLE "checkout_sessions" ADD COLUMN IF NOT EXISTS "payment_id" uuid;--> statement-breakpoint
ALTER TABLE "checkout_sessions" ADD COLUMN IF NOT EXISTS "legacy" boolean;--> statement-breakpoint
ALTER TABLE "payments" ADD COLUMN IF NOT EXISTS "settled_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "settlement"."ledger_payments" ADD COLUMN "assigned_to" uuid;--> statement-breakpoint
ALTER TABLE "settlement"."network" ADD COLUMN "history_from" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "settlement"."network" ADD COLUMN "adopted_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "settlement"."network" ADD COLUMN "reset_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "settlement"."watched_accounts" ADD COLUMN "recheck_cursor" text;--> statement-breakpoint
ALTER TABLE "settlement"."watched_accounts" ADD COLUMN "rechecked_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "settlement"."active_sessions" ADD COLUMN "checked_at" timestamp with time zone;--> statement-breakpoint
CREATE INDEX "operator_journal_by_subject" ON "settlement"."operator_journal" USING btree ("subject");--> statement-breakpoint
-- Not validated here: that would read the whole table under a lock. src/db/indexes.ts does it afterwards.
ALTER TABLE "checkout_sessions" ADD CONSTRAINT "checkout_sessions_payment_id_payments_id_fk" FOREIGN KEY ("payment_id") REFERENCES "public"."payments"("id") ON DELETE set null ON UPDATE no action NOT VALID;--> statement-breakpoint
CREATE INDEX "ledger_payments_by_assignment" ON "settlement"."ledger_payments" USING btree ("assigned_to") WHERE "settlement"."ledger_payments"."assigned_to" is not null;--> statement-breakpoint
CREATE INDEX "attention_by_subject" ON "settlement"."attention" USING btree ("subject","kind");
--> statement-breakpoint
CREATE OR REPLACE FUNCTION "settlement"."refuse_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME; END $$;
--> statement-breakpoint
CREATE TRIGGER "operator_journal_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "settlement"."operator_journal"
FOR EACH STATEMENT EXECUTE FUNCTION "settlement"."refuse_change"();
