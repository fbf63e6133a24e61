CREATE SCHEMA IF NOT EXISTS "settlement";
--> statement-breakpoint
DO $$ BEGIN CREATE TYPE "public"."api_key_environment" AS ENUM('testnet', 'mainnet'); EXCEPTION WHEN duplicate_object THEN NULL; END $$;--> statement-breakpoint
DO $$ BEGIN CREATE TYPE "public"."merchant_role" AS ENUM('admin', 'merchant', 'viewer'); EXCEPTION WHEN duplicate_object THEN NULL; END $$;--> statement-breakpoint
DO $$ BEGIN CREATE TYPE "public"."session_status" AS ENUM('pending', 'processing', 'paid', 'expired', 'cancelled'); EXCEPTION WHEN duplicate_object THEN NULL; END $$;--> statement-breakpoint
DO $$ BEGIN CREATE TYPE "public"."webhook_delivery_status" AS ENUM('pending', 'delivered', 'failed', 'dead'); EXCEPTION WHEN duplicate_object THEN NULL; END $$;--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "api_keys" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"merchant_id" uuid NOT NULL,
	"key_prefix" text NOT NULL,
	"key_hash" text NOT NULL,
	"environment" "api_key_environment" DEFAULT 'testnet' NOT NULL,
	"is_active" boolean DEFAULT true NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "audit_logs" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"merchant_id" uuid,
	"action" text NOT NULL,
	"resource_type" text NOT NULL,
	"resource_id" uuid,
	"ip_address" text,
	"user_agent" text,
	"details" jsonb,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "checkout_sessions" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"merchant_id" uuid NOT NULL,
	"amount" numeric(36, 7) NOT NULL,
	"asset_code" text NOT NULL,
	"asset_issuer" text,
	"receiving_account" text NOT NULL,
	"memo" text,
	"status" "session_status" DEFAULT 'pending' NOT NULL,
	"success_url" text,
	"cancel_url" text,
	"metadata" jsonb,
	"expires_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"cancel_at" timestamp with time zone,
	"closed_through_ledger" bigint,
	"processing_since" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "merchants" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"wallet_address" text NOT NULL,
	"business_name" text NOT NULL,
	"email" text NOT NULL,
	"role" "merchant_role" DEFAULT 'merchant' NOT NULL,
	"webhook_url" text,
	"webhook_secret" text,
	"logo_url" text,
	"cors_origins" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "merchants_wallet_address_unique" UNIQUE("wallet_address"),
	CONSTRAINT "merchants_email_unique" UNIQUE("email")
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "payment_links" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"merchant_id" uuid NOT NULL,
	"amount" numeric(36, 7) NOT NULL,
	"asset_code" text NOT NULL,
	"asset_issuer" text,
	"description" text,
	"display_currency" text,
	"metadata" jsonb,
	"active" boolean DEFAULT true NOT NULL,
	"expires_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "payments" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"session_id" uuid NOT NULL,
	"merchant_id" uuid NOT NULL,
	"tx_hash" text NOT NULL,
	"amount" numeric(36, 7) NOT NULL,
	"asset_code" text NOT NULL,
	"asset_issuer" text,
	"sender_address" text NOT NULL,
	"confirmed_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"superseded_by" uuid,
	CONSTRAINT "payment_idempotency_key" UNIQUE("tx_hash","session_id")
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "webhook_dead_letters" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"merchant_id" uuid NOT NULL,
	"delivery_id" uuid NOT NULL,
	"session_id" uuid,
	"event" text NOT NULL,
	"payload" jsonb NOT NULL,
	"attempts" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"reason" text NOT NULL,
	"retried_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "webhook_dead_letters_delivery_id_unique" UNIQUE("delivery_id")
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "webhook_deliveries" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"merchant_id" uuid NOT NULL,
	"session_id" uuid,
	"event" text NOT NULL,
	"payload" jsonb NOT NULL,
	"delivery_id" uuid NOT NULL,
	"sequence" integer DEFAULT 0 NOT NULL,
	"priority" integer DEFAULT 3 NOT NULL,
	"status" "webhook_delivery_status" DEFAULT 'pending' NOT NULL,
	"response_status" integer,
	"attempt_log" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"delivered_at" timestamp with time zone,
	"attempts" integer DEFAULT 0 NOT NULL,
	"next_retry_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"event_id" uuid,
	"endpoint_id" uuid,
	CONSTRAINT "webhook_deliveries_delivery_id_unique" UNIQUE("delivery_id")
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "webhook_endpoints" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"merchant_id" uuid NOT NULL,
	"url" text NOT NULL,
	"events" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"secret" text NOT NULL,
	"is_active" boolean DEFAULT true NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "settlement"."active_sessions" (
	"session_id" uuid PRIMARY KEY NOT NULL,
	"account" text NOT NULL,
	"asset" text NOT NULL,
	"deadline" timestamp with time zone,
	"wake_after" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "settlement"."asset_coverage" (
	"account" text NOT NULL,
	"asset" text NOT NULL,
	"through_ledger" bigint NOT NULL,
	"through_time" timestamp with time zone NOT NULL,
	CONSTRAINT "asset_coverage_account_asset_pk" PRIMARY KEY("account","asset")
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "settlement"."attention" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "settlement"."attention_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"subject" text NOT NULL,
	"kind" text NOT NULL,
	"detail" text NOT NULL,
	"opened_at" timestamp with time zone DEFAULT now() NOT NULL,
	"resolved_at" timestamp with time zone,
	"resolved_by" text,
	"reason" text
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "settlement"."delivery_attempts" (
	"delivery_id" uuid NOT NULL,
	"attempt" integer NOT NULL,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp with time zone,
	"outcome" text,
	"response_status" integer,
	"detail" text,
	"duration_ms" integer,
	CONSTRAINT "delivery_attempts_delivery_id_attempt_pk" PRIMARY KEY("delivery_id","attempt")
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "settlement"."endpoint_state" (
	"endpoint_id" uuid PRIMARY KEY NOT NULL,
	"merchant_id" uuid NOT NULL,
	"consecutive_failures" integer DEFAULT 0 NOT NULL,
	"paused_until" timestamp with time zone,
	"disabled_at" timestamp with time zone,
	"disabled_reason" text,
	"previous_secret" text,
	"previous_secret_until" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "settlement"."events" (
	"id" uuid PRIMARY KEY NOT NULL,
	"session_id" uuid NOT NULL,
	"merchant_id" uuid NOT NULL,
	"type" text NOT NULL,
	"fact" text NOT NULL,
	"body" text NOT NULL,
	"occurred_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "settlement"."ledger_payments" (
	"tx_hash" text NOT NULL,
	"op_index" integer NOT NULL,
	"sub_index" integer NOT NULL,
	"inner_tx_hash" text,
	"operation_id" bigint NOT NULL,
	"ledger" bigint NOT NULL,
	"closed_at" timestamp with time zone NOT NULL,
	"type" text NOT NULL,
	"account" text NOT NULL,
	"sender" text NOT NULL,
	"asset_code" text NOT NULL,
	"asset_issuer" text,
	"amount" numeric(19, 7) NOT NULL,
	"reference" text,
	"reference_source" text,
	"seen_at" timestamp with time zone DEFAULT now() NOT NULL,
	"verdict" text,
	"session_id" uuid,
	"decided_at" timestamp with time zone,
	"resolved_at" timestamp with time zone,
	"resolved_by" text,
	"resolution" text,
	CONSTRAINT "ledger_payments_tx_hash_op_index_sub_index_pk" PRIMARY KEY("tx_hash","op_index","sub_index"),
	CONSTRAINT "received_amount_is_not_negative" CHECK ("settlement"."ledger_payments"."amount" >= 0),
	CONSTRAINT "verdict_is_known" CHECK ("settlement"."ledger_payments"."verdict" in ('credited','unmatched','ambiguous','wrong_asset','nothing','late','duplicate','after_cancellation')),
	CONSTRAINT "verdict_has_its_session" CHECK ("settlement"."ledger_payments"."verdict" is null or "settlement"."ledger_payments"."verdict" in ('unmatched','ambiguous') or "settlement"."ledger_payments"."session_id" is not null)
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "settlement"."network" (
	"id" smallint PRIMARY KEY NOT NULL,
	"passphrase" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "network_is_one_row" CHECK ("settlement"."network"."id" = 1)
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "settlement"."parked_records" (
	"account" text NOT NULL,
	"operation_id" text NOT NULL,
	"ledger" bigint NOT NULL,
	"raw" text NOT NULL,
	"problem" text NOT NULL,
	"parked_at" timestamp with time zone DEFAULT now() NOT NULL,
	"resolved_at" timestamp with time zone,
	"resolved_by" text,
	"resolution" text,
	CONSTRAINT "parked_records_account_operation_id_pk" PRIMARY KEY("account","operation_id")
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "settlement"."reported_payments" (
	"session_id" uuid NOT NULL,
	"tx_hash" text NOT NULL,
	"first_at" timestamp with time zone DEFAULT now() NOT NULL,
	"times" integer DEFAULT 1 NOT NULL,
	"answer" text,
	"as_of_ledger" bigint,
	"answered_at" timestamp with time zone,
	CONSTRAINT "reported_payments_session_id_tx_hash_pk" PRIMARY KEY("session_id","tx_hash")
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "settlement"."session_journal" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "settlement"."session_journal_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"session_id" uuid NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	"from_status" text NOT NULL,
	"to_status" text NOT NULL,
	"cause" text NOT NULL,
	"ledger" bigint,
	"actor" text NOT NULL,
	"detail" jsonb
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "settlement"."session_references" (
	"account" text NOT NULL,
	"reference" text NOT NULL,
	"session_id" uuid NOT NULL,
	CONSTRAINT "session_references_account_reference_pk" PRIMARY KEY("account","reference"),
	CONSTRAINT "session_references_session_id_unique" UNIQUE("session_id")
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "settlement"."undecided_payments" (
	"tx_hash" text NOT NULL,
	"op_index" integer NOT NULL,
	"sub_index" integer NOT NULL,
	"since" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "undecided_payments_tx_hash_op_index_sub_index_pk" PRIMARY KEY("tx_hash","op_index","sub_index")
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "settlement"."watched_accounts" (
	"account" text PRIMARY KEY NOT NULL,
	"cursor" text NOT NULL,
	"from_ledger" bigint NOT NULL,
	"from_time" timestamp with time zone NOT NULL,
	"through_ledger" bigint NOT NULL,
	"through_time" timestamp with time zone NOT NULL,
	"registered_at" timestamp with time zone DEFAULT now() NOT NULL,
	"read_at" timestamp with time zone,
	"problem" text,
	CONSTRAINT "coverage_is_an_interval" CHECK ("settlement"."watched_accounts"."through_ledger" >= "settlement"."watched_accounts"."from_ledger")
);
--> statement-breakpoint
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'api_keys_merchant_id_merchants_id_fk') THEN
		ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_merchant_id_merchants_id_fk" FOREIGN KEY ("merchant_id") REFERENCES "public"."merchants"("id") ON DELETE cascade ON UPDATE no action;
	END IF;
END $$;--> statement-breakpoint
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'audit_logs_merchant_id_merchants_id_fk') THEN
		ALTER TABLE "audit_logs" ADD CONSTRAINT "audit_logs_merchant_id_merchants_id_fk" FOREIGN KEY ("merchant_id") REFERENCES "public"."merchants"("id") ON DELETE no action ON UPDATE no action;
	END IF;
END $$;--> statement-breakpoint
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'checkout_sessions_merchant_id_merchants_id_fk') THEN
		ALTER TABLE "checkout_sessions" ADD CONSTRAINT "checkout_sessions_merchant_id_merchants_id_fk" FOREIGN KEY ("merchant_id") REFERENCES "public"."merchants"("id") ON DELETE cascade ON UPDATE no action;
	END IF;
END $$;--> statement-breakpoint
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'payment_links_merchant_id_merchants_id_fk') THEN
		ALTER TABLE "payment_links" ADD CONSTRAINT "payment_links_merchant_id_merchants_id_fk" FOREIGN KEY ("merchant_id") REFERENCES "public"."merchants"("id") ON DELETE cascade ON UPDATE no action;
	END IF;
END $$;--> statement-breakpoint
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'payments_session_id_checkout_sessions_id_fk') THEN
		ALTER TABLE "payments" ADD CONSTRAINT "payments_session_id_checkout_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."checkout_sessions"("id") ON DELETE cascade ON UPDATE no action;
	END IF;
END $$;--> statement-breakpoint
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'payments_merchant_id_merchants_id_fk') THEN
		ALTER TABLE "payments" ADD CONSTRAINT "payments_merchant_id_merchants_id_fk" FOREIGN KEY ("merchant_id") REFERENCES "public"."merchants"("id") ON DELETE no action ON UPDATE no action;
	END IF;
END $$;--> statement-breakpoint
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'webhook_dead_letters_merchant_id_merchants_id_fk') THEN
		ALTER TABLE "webhook_dead_letters" ADD CONSTRAINT "webhook_dead_letters_merchant_id_merchants_id_fk" FOREIGN KEY ("merchant_id") REFERENCES "public"."merchants"("id") ON DELETE no action ON UPDATE no action;
	END IF;
END $$;--> statement-breakpoint
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'webhook_dead_letters_session_id_checkout_sessions_id_fk') THEN
		ALTER TABLE "webhook_dead_letters" ADD CONSTRAINT "webhook_dead_letters_session_id_checkout_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."checkout_sessions"("id") ON DELETE set null ON UPDATE no action;
	END IF;
END $$;--> statement-breakpoint
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'webhook_deliveries_merchant_id_merchants_id_fk') THEN
		ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_merchant_id_merchants_id_fk" FOREIGN KEY ("merchant_id") REFERENCES "public"."merchants"("id") ON DELETE no action ON UPDATE no action;
	END IF;
END $$;--> statement-breakpoint
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'webhook_deliveries_session_id_checkout_sessions_id_fk') THEN
		ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_session_id_checkout_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."checkout_sessions"("id") ON DELETE cascade ON UPDATE no action;
	END IF;
END $$;--> statement-breakpoint
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'webhook_endpoints_merchant_id_merchants_id_fk') THEN
		ALTER TABLE "webhook_endpoints" ADD CONSTRAINT "webhook_endpoints_merchant_id_merchants_id_fk" FOREIGN KEY ("merchant_id") REFERENCES "public"."merchants"("id") ON DELETE cascade ON UPDATE no action;
	END IF;
END $$;--> statement-breakpoint
CREATE INDEX "active_sessions_by_deadline" ON "settlement"."active_sessions" USING btree ("account","deadline");--> statement-breakpoint
CREATE INDEX "active_sessions_by_wake" ON "settlement"."active_sessions" USING btree ("wake_after");--> statement-breakpoint
CREATE UNIQUE INDEX "attention_open_once" ON "settlement"."attention" USING btree ("subject","kind") WHERE "settlement"."attention"."resolved_at" is null;--> statement-breakpoint
CREATE UNIQUE INDEX "events_one_per_fact" ON "settlement"."events" USING btree ("session_id","type","fact");--> statement-breakpoint
CREATE INDEX "ledger_payments_by_reference" ON "settlement"."ledger_payments" USING btree ("account","reference");--> statement-breakpoint
CREATE INDEX "ledger_payments_by_order" ON "settlement"."ledger_payments" USING btree ("account","operation_id");--> statement-breakpoint
CREATE INDEX "ledger_payments_by_inner_hash" ON "settlement"."ledger_payments" USING btree ("inner_tx_hash") WHERE "settlement"."ledger_payments"."inner_tx_hash" is not null;--> statement-breakpoint
CREATE INDEX "session_journal_by_session" ON "settlement"."session_journal" USING btree ("session_id");
--> statement-breakpoint
-- A database that the existing backend made: its tables stay, our nullable columns are added.
ALTER TABLE "checkout_sessions" ADD COLUMN IF NOT EXISTS "cancel_at" timestamp with time zone;
--> statement-breakpoint
ALTER TABLE "checkout_sessions" ADD COLUMN IF NOT EXISTS "closed_through_ledger" bigint;
--> statement-breakpoint
ALTER TABLE "checkout_sessions" ADD COLUMN IF NOT EXISTS "processing_since" timestamp with time zone;
--> statement-breakpoint
ALTER TABLE "payments" ADD COLUMN IF NOT EXISTS "superseded_by" uuid;
--> statement-breakpoint
ALTER TABLE "webhook_deliveries" ADD COLUMN IF NOT EXISTS "event_id" uuid;
--> statement-breakpoint
ALTER TABLE "webhook_deliveries" ADD COLUMN IF NOT EXISTS "endpoint_id" uuid;
--> statement-breakpoint
-- Room on each page for HOT updates: settle changes these rows in place, without touching an index.
ALTER TABLE "checkout_sessions" SET (fillfactor = 70);
--> statement-breakpoint
ALTER TABLE "settlement"."ledger_payments" SET (fillfactor = 70);
--> statement-breakpoint
ALTER TABLE "settlement"."watched_accounts" SET (fillfactor = 50);
--> statement-breakpoint
-- The journal is append-only for everybody, the owner of the table included.
CREATE OR REPLACE FUNCTION "settlement"."refuse_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'settlement.session_journal is append-only'; END $$;
--> statement-breakpoint
DROP TRIGGER IF EXISTS "session_journal_append_only" ON "settlement"."session_journal";
--> statement-breakpoint
CREATE TRIGGER "session_journal_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "settlement"."session_journal"
FOR EACH STATEMENT EXECUTE FUNCTION "settlement"."refuse_change"();
