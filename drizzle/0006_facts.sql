CREATE TABLE "settlement"."recounted_ledgers" (
	"ledger" bigint NOT NULL,
	"account" text NOT NULL,
	"noted_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "recounted_ledgers_ledger_account_pk" PRIMARY KEY("ledger","account")
);
--> statement-breakpoint
ALTER TABLE "checkout_sessions" ADD COLUMN IF NOT EXISTS "seen_terms" text;
--> statement-breakpoint
-- Sessions in care are taken to be as they were opened: an edit of price, asset or account shows from now on.
UPDATE "checkout_sessions" s SET "seen_terms" = s.amount::text || ' ' || s.asset_code
  || coalesce(':' || s.asset_issuer, '') || ' to ' || s.receiving_account
FROM "settlement"."active_sessions" a
WHERE a.session_id = s.id AND a.deadline IS NOT NULL AND s.seen_status IS NOT NULL;
