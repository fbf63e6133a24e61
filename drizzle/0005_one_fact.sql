CREATE TABLE "settlement"."coverage" (
	"account" text NOT NULL,
	"asset" text NOT NULL,
	"ledgers" "int8multirange" NOT NULL,
	CONSTRAINT "coverage_account_asset_pk" PRIMARY KEY("account","asset")
);
--> statement-breakpoint
CREATE TABLE "settlement"."history_holes" (
	"account" text NOT NULL,
	"ledgers" "int8range" NOT NULL,
	"noted_at" timestamp with time zone DEFAULT now() NOT NULL,
	"asked_at" timestamp with time zone DEFAULT now() NOT NULL,
	"problem" text NOT NULL,
	CONSTRAINT "history_holes_account_ledgers_pk" PRIMARY KEY("account","ledgers")
);
--> statement-breakpoint
CREATE TABLE "settlement"."ledgers" (
	"sequence" bigint PRIMARY KEY NOT NULL,
	"hash" text NOT NULL,
	"prev_hash" text,
	"prev_sequence" bigint GENERATED ALWAYS AS (sequence - 1) STORED,
	"closed_at" timestamp with time zone NOT NULL,
	"operation_count" integer NOT NULL,
	CONSTRAINT "ledgers_by_hash" UNIQUE("sequence","hash")
);
--> statement-breakpoint
CREATE TABLE "settlement"."cancel_requests" (
	"session_id" uuid PRIMARY KEY NOT NULL,
	"requested_at" timestamp with time zone DEFAULT now() NOT NULL,
	"actor" text NOT NULL
);
--> statement-breakpoint
ALTER TABLE "checkout_sessions" ADD COLUMN IF NOT EXISTS "opened_after" bigint;
--> statement-breakpoint
ALTER TABLE "checkout_sessions" ADD COLUMN IF NOT EXISTS "final_deadline" timestamp with time zone;
--> statement-breakpoint
ALTER TABLE "checkout_sessions" ADD COLUMN IF NOT EXISTS "seen_status" "session_status";
--> statement-breakpoint
ALTER TABLE "checkout_sessions" ADD COLUMN IF NOT EXISTS "seen_expires_at" timestamp with time zone;
--> statement-breakpoint
ALTER TABLE "checkout_sessions" ADD COLUMN IF NOT EXISTS "seen_memo" text;
--> statement-breakpoint
ALTER TABLE "settlement"."ledger_payments" ADD COLUMN "placed_after" bigint;
--> statement-breakpoint
ALTER TABLE "settlement"."network" ADD COLUMN "discovered_after" bigint;
--> statement-breakpoint
ALTER TABLE "settlement"."watched_accounts" ADD COLUMN "known_record" text;
--> statement-breakpoint
ALTER TABLE "settlement"."watched_accounts" ADD COLUMN "read_ledgers" "int8multirange" DEFAULT '{}' NOT NULL;
--> statement-breakpoint
ALTER TABLE "settlement"."active_sessions" ADD COLUMN "live_session" uuid;
--> statement-breakpoint
ALTER TABLE "settlement"."ledgers" ADD CONSTRAINT "ledgers_are_a_chain" FOREIGN KEY ("prev_sequence","prev_hash") REFERENCES "settlement"."ledgers"("sequence","hash") ON DELETE no action ON UPDATE no action;
--> statement-breakpoint
CREATE INDEX "ledgers_by_time" ON "settlement"."ledgers" USING btree ("closed_at","sequence");
--> statement-breakpoint
CREATE INDEX "ledgers_by_previous" ON "settlement"."ledgers" USING btree ("prev_sequence");
--> statement-breakpoint
ALTER TABLE "settlement"."active_sessions" ADD CONSTRAINT "active_sessions_live_session_checkout_sessions_id_fk" FOREIGN KEY ("live_session") REFERENCES "public"."checkout_sessions"("id") ON DELETE set null ON UPDATE no action;
--> statement-breakpoint
CREATE INDEX "active_sessions_by_live_session" ON "settlement"."active_sessions" USING btree ("live_session");
--> statement-breakpoint
ALTER TABLE "webhook_deliveries" ADD COLUMN IF NOT EXISTS "redeliveries" integer;
--> statement-breakpoint
ALTER TABLE "settlement"."endpoint_state" ADD COLUMN "decisions" integer DEFAULT 0 NOT NULL;
--> statement-breakpoint
-- What pages and the network's ledgers had covered stays read: crediting may rest on it, endings to come do not. Accounts
-- join the reading of the network anew. A cursor that is no record's token (a TOID with an operation in it) was the
-- beginning of a reading.
UPDATE "settlement"."watched_accounts" w SET
  "read_ledgers" = CASE WHEN through_ledger > from_ledger
      THEN int8multirange(int8range(from_ledger + 1, through_ledger + 1)) ELSE '{}' END
    + coalesce((SELECT int8multirange(int8range(w.network_from, n.through_ledger + 1))
      FROM "settlement"."network_reading" n WHERE w.network_from <= n.through_ledger), '{}'),
  "network_from" = NULL,
  "known_record" = CASE WHEN cursor::bigint & 4095 <> 0 THEN cursor END;
--> statement-breakpoint
-- A session was opened after a ledger that closed an hour before it, by the clock that wrote it: counted back from the
-- last ledger read, one a second at most. What is older than the reading of its account is dated later, by the chain.
UPDATE "checkout_sessions" s SET "opened_after" = greatest(w.from_ledger,
  w.through_ledger - greatest(ceil(extract(epoch FROM w.through_time - s.created_at + interval '1 hour')), 0)::bigint)
FROM "settlement"."active_sessions" a JOIN "settlement"."watched_accounts" w ON w.account = a.account
WHERE a.session_id = s.id AND w.from_time <= s.created_at;
--> statement-breakpoint
UPDATE "settlement"."active_sessions" a SET "live_session" = s.id FROM "checkout_sessions" s WHERE s.id = a.session_id;
--> statement-breakpoint
-- Earlier versions credited in the order of discovery: a double payment that lies before the completing one sorts behind it.
UPDATE "settlement"."ledger_payments" d SET "placed_after" = c.ledger
FROM "payments" p JOIN "settlement"."ledger_payments" c
  ON c.session_id = p.session_id AND c.verdict = 'credited' AND p.tx_hash IN (c.tx_hash, c.inner_tx_hash)
WHERE d.session_id = p.session_id AND d.verdict = 'duplicate' AND p.superseded_by IS NULL
  AND c.operation_id > d.operation_id;
--> statement-breakpoint
-- What reports credited ahead of the reading, of sessions that are still open, is judged again in its own order.
WITH ahead AS (
  UPDATE "settlement"."ledger_payments" lp SET "verdict" = NULL, "session_id" = NULL
  FROM "checkout_sessions" s, "settlement"."watched_accounts" w
  WHERE lp.session_id = s.id AND w.account = s.receiving_account AND lp.verdict = 'credited'
    AND lp.assigned_to IS NULL AND lp.resolved_at IS NULL AND s.status IN ('pending', 'processing')
    AND s.closed_through_ledger IS NULL AND lp.ledger > coalesce(s.opened_after, w.from_ledger)
    AND NOT w.read_ledgers @> lp.ledger
  RETURNING lp.tx_hash, lp.op_index, lp.sub_index)
INSERT INTO "settlement"."undecided_payments" (tx_hash, op_index, sub_index)
SELECT tx_hash, op_index, sub_index FROM ahead ON CONFLICT DO NOTHING;
--> statement-breakpoint
DROP TABLE "settlement"."asset_coverage" CASCADE;
--> statement-breakpoint
ALTER TABLE "settlement"."watched_accounts" DROP CONSTRAINT "coverage_is_an_interval";
--> statement-breakpoint
ALTER TABLE "settlement"."network" DROP COLUMN "checkpoint_ledger";
--> statement-breakpoint
ALTER TABLE "settlement"."network" DROP COLUMN "checkpoint_hash";
--> statement-breakpoint
ALTER TABLE "settlement"."network_reading" DROP COLUMN "through_time";
--> statement-breakpoint
ALTER TABLE "settlement"."watched_accounts" DROP COLUMN "cursor";
--> statement-breakpoint
ALTER TABLE "settlement"."watched_accounts" DROP COLUMN "from_ledger";
--> statement-breakpoint
ALTER TABLE "settlement"."watched_accounts" DROP COLUMN "from_time";
--> statement-breakpoint
ALTER TABLE "settlement"."watched_accounts" DROP COLUMN "through_time";
