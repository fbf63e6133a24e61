/**
 * The existing backend's tables, column for column (schema `public`). They are created when absent and adopted
 * when present. To them we add nullable columns only (marked "ours") and indexes (src/db/indexes.ts), so that
 * the backend can go on using its own definition of the same tables.
 */
import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  integer,
  jsonb,
  numeric,
  pgEnum,
  pgTable,
  text,
  timestamp,
  unique,
  uuid,
  type AnyPgColumn,
} from 'drizzle-orm/pg-core';

const id = () => uuid('id').primaryKey().defaultRandom();
const instant = (name: string) => timestamp(name, { withTimezone: true });
const createdAt = () => instant('created_at').notNull().defaultNow();
/** The backend keeps amounts as numeric(36,7); they arrive in JavaScript as decimal strings. */
const amount = () => numeric('amount', { precision: 36, scale: 7 }).notNull();

export const apiKeyEnvironment = pgEnum('api_key_environment', ['testnet', 'mainnet']);
export const merchantRole = pgEnum('merchant_role', ['admin', 'merchant', 'viewer']);
export const sessionStatus = pgEnum('session_status', [
  'pending',
  'processing',
  'paid',
  'expired',
  'cancelled',
]);
export const webhookDeliveryStatus = pgEnum('webhook_delivery_status', [
  'pending',
  'delivered',
  'failed',
  'dead',
]);

export const merchants = pgTable('merchants', {
  id: id(),
  walletAddress: text('wallet_address').notNull().unique(),
  businessName: text('business_name').notNull(),
  email: text('email').notNull().unique(),
  role: merchantRole('role').notNull().default('merchant'),
  webhookUrl: text('webhook_url'),
  webhookSecret: text('webhook_secret'),
  logoUrl: text('logo_url'),
  corsOrigins: jsonb('cors_origins').notNull().default([]),
  createdAt: createdAt(),
});

export const apiKeys = pgTable('api_keys', {
  id: id(),
  merchantId: uuid('merchant_id')
    .notNull()
    .references(() => merchants.id, { onDelete: 'cascade' }),
  keyPrefix: text('key_prefix').notNull(),
  keyHash: text('key_hash').notNull(),
  environment: apiKeyEnvironment('environment').notNull().default('testnet'),
  isActive: boolean('is_active').notNull().default(true),
  createdAt: createdAt(),
});

export const checkoutSessions = pgTable('checkout_sessions', {
  id: id(),
  merchantId: uuid('merchant_id')
    .notNull()
    .references(() => merchants.id, { onDelete: 'cascade' }),
  amount: amount(),
  assetCode: text('asset_code').notNull(),
  assetIssuer: text('asset_issuer'),
  receivingAccount: text('receiving_account').notNull(),
  memo: text('memo'),
  status: sessionStatus('status').notNull().default('pending'),
  successUrl: text('success_url'),
  cancelUrl: text('cancel_url'),
  metadata: jsonb('metadata'),
  expiresAt: instant('expires_at').notNull(),
  createdAt: createdAt(),
  /** Ours. When the session stops taking payments because somebody cancelled it. */
  cancelAt: instant('cancel_at'),
  /** Ours. The ledger through which the account was covered when we wrote an ending; proof that we wrote it. */
  closedThroughLedger: bigint('closed_through_ledger', { mode: 'number' }),
  /** Ours. Since when the session is `processing`. */
  processingSince: instant('processing_since'),
  /** Ours. The live payment that settle found or made; null again when somebody deletes that row. */
  paymentId: uuid('payment_id').references((): AnyPgColumn => payments.id, {
    onDelete: 'set null',
  }),
  /** Ours. It had ended before our time, and stands by its row; null for all others. */
  legacy: boolean('legacy'),
  /** Ours. A ledger that closed before the session was opened: what is read of the ledger for it begins behind this. */
  openedAfter: bigint('opened_after', { mode: 'number' }),
  /** Ours. The effective deadline by which it was decided, once it is over: what is edited later changes nothing. */
  finalDeadline: instant('final_deadline'),
  /** Ours. Status, deadline and memo as they were last taken into account: a difference is an edit of the backend. */
  seenStatus: sessionStatus('seen_status'),
  seenExpiresAt: instant('seen_expires_at'),
  seenMemo: text('seen_memo'),
  /** Ours. Price, asset and receiving account as they were last taken into account (suspects.ts `TERMS`); null: not since version 6. */
  seenTerms: text('seen_terms'),
});

export const payments = pgTable(
  'payments',
  {
    id: id(),
    sessionId: uuid('session_id')
      .notNull()
      .references(() => checkoutSessions.id, { onDelete: 'cascade' }),
    merchantId: uuid('merchant_id')
      .notNull()
      .references(() => merchants.id),
    txHash: text('tx_hash').notNull(),
    amount: amount(),
    assetCode: text('asset_code').notNull(),
    assetIssuer: text('asset_issuer'),
    senderAddress: text('sender_address').notNull(),
    confirmedAt: instant('confirmed_at').notNull(),
    createdAt: createdAt(),
    /** Ours. The row that counts instead of this one; a row without it is live. */
    supersededBy: uuid('superseded_by'),
    /** Ours. When settle made or found this row; null: somebody else has written it, and nobody has looked yet. */
    settledAt: instant('settled_at'),
  },
  (t) => [unique('payment_idempotency_key').on(t.txHash, t.sessionId)],
);

export const webhookDeliveries = pgTable('webhook_deliveries', {
  id: id(),
  merchantId: uuid('merchant_id')
    .notNull()
    .references(() => merchants.id),
  sessionId: uuid('session_id').references(() => checkoutSessions.id, { onDelete: 'cascade' }),
  event: text('event').notNull(),
  payload: jsonb('payload').notNull(),
  deliveryId: uuid('delivery_id').notNull().unique(),
  sequence: integer('sequence').notNull().default(0),
  priority: integer('priority').notNull().default(3),
  status: webhookDeliveryStatus('status').notNull().default('pending'),
  responseStatus: integer('response_status'),
  attemptLog: jsonb('attempt_log').notNull().default([]),
  deliveredAt: instant('delivered_at'),
  attempts: integer('attempts').notNull().default(0),
  nextRetryAt: instant('next_retry_at'),
  createdAt: createdAt(),
  /** Ours. The event (settlement.events) this row delivers; null on a row that the older backend made. */
  eventId: uuid('event_id'),
  /** Ours. The endpoint: an id of webhook_endpoints, or the one derived for the merchant's webhook_url. */
  endpointId: uuid('endpoint_id'),
  /** Ours. How often a person has put this row back in line; null: never. An attempt that began before does not end it. */
  redeliveries: integer('redeliveries'),
});

export const webhookDeadLetters = pgTable('webhook_dead_letters', {
  id: id(),
  merchantId: uuid('merchant_id')
    .notNull()
    .references(() => merchants.id),
  deliveryId: uuid('delivery_id').notNull().unique(),
  sessionId: uuid('session_id').references(() => checkoutSessions.id, { onDelete: 'set null' }),
  event: text('event').notNull(),
  payload: jsonb('payload').notNull(),
  attempts: jsonb('attempts').notNull().default([]),
  reason: text('reason').notNull(),
  retriedAt: instant('retried_at'),
  createdAt: createdAt(),
});

export const webhookEndpoints = pgTable('webhook_endpoints', {
  id: id(),
  merchantId: uuid('merchant_id')
    .notNull()
    .references(() => merchants.id, { onDelete: 'cascade' }),
  url: text('url').notNull(),
  events: jsonb('events')
    .notNull()
    .default(sql`'[]'::jsonb`),
  secret: text('secret').notNull(),
  isActive: boolean('is_active').notNull().default(true),
  createdAt: createdAt(),
});

export const paymentLinks = pgTable('payment_links', {
  id: id(),
  merchantId: uuid('merchant_id')
    .notNull()
    .references(() => merchants.id, { onDelete: 'cascade' }),
  amount: amount(),
  assetCode: text('asset_code').notNull(),
  assetIssuer: text('asset_issuer'),
  description: text('description'),
  displayCurrency: text('display_currency'),
  metadata: jsonb('metadata'),
  active: boolean('active').notNull().default(true),
  expiresAt: instant('expires_at'),
  createdAt: createdAt(),
});

export const auditLogs = pgTable('audit_logs', {
  id: id(),
  merchantId: uuid('merchant_id').references(() => merchants.id),
  action: text('action').notNull(),
  resourceType: text('resource_type').notNull(),
  resourceId: uuid('resource_id'),
  ipAddress: text('ip_address'),
  userAgent: text('user_agent'),
  details: jsonb('details'),
  createdAt: createdAt(),
});
