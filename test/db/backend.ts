/** The database of an OrbitStream backend before us: its tables as its own two migrations make them. */

/** The statements that make it. `webhook_endpoints` and `payment_links` are missing there, too. */
export const BACKEND_SCHEMA = `
CREATE TYPE api_key_environment AS ENUM ('testnet', 'mainnet');
CREATE TYPE merchant_role AS ENUM ('admin', 'merchant', 'viewer');
CREATE TYPE session_status AS ENUM ('pending', 'processing', 'paid', 'expired', 'cancelled');
CREATE TYPE webhook_delivery_status AS ENUM ('pending', 'delivered', 'failed', 'dead');
CREATE TABLE merchants (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), wallet_address text NOT NULL UNIQUE,
  business_name text NOT NULL, email text NOT NULL UNIQUE, role merchant_role NOT NULL DEFAULT 'merchant',
  webhook_url text, webhook_secret text, logo_url text, cors_origins jsonb NOT NULL DEFAULT '[]',
  created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE api_keys (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  merchant_id uuid NOT NULL CONSTRAINT api_keys_merchant_id_merchants_id_fk REFERENCES merchants ON DELETE CASCADE,
  key_prefix text NOT NULL, key_hash text NOT NULL, environment api_key_environment NOT NULL DEFAULT 'testnet',
  is_active boolean NOT NULL DEFAULT true, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE checkout_sessions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  merchant_id uuid NOT NULL
    CONSTRAINT checkout_sessions_merchant_id_merchants_id_fk REFERENCES merchants ON DELETE CASCADE,
  amount numeric(36, 7) NOT NULL, asset_code text NOT NULL, asset_issuer text, receiving_account text NOT NULL,
  memo text, status session_status NOT NULL DEFAULT 'pending', success_url text, cancel_url text, metadata jsonb,
  expires_at timestamptz NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE payments (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  session_id uuid NOT NULL
    CONSTRAINT payments_session_id_checkout_sessions_id_fk REFERENCES checkout_sessions ON DELETE CASCADE,
  merchant_id uuid NOT NULL CONSTRAINT payments_merchant_id_merchants_id_fk REFERENCES merchants,
  tx_hash text NOT NULL, amount numeric(36, 7) NOT NULL, asset_code text NOT NULL, asset_issuer text,
  sender_address text NOT NULL, confirmed_at timestamptz NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT payment_idempotency_key UNIQUE (tx_hash, session_id));
CREATE TABLE webhook_deliveries (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  merchant_id uuid NOT NULL CONSTRAINT webhook_deliveries_merchant_id_merchants_id_fk REFERENCES merchants,
  session_id uuid
    CONSTRAINT webhook_deliveries_session_id_checkout_sessions_id_fk REFERENCES checkout_sessions ON DELETE CASCADE,
  event text NOT NULL, payload jsonb NOT NULL, delivery_id uuid NOT NULL UNIQUE,
  sequence integer NOT NULL DEFAULT 0, priority integer NOT NULL DEFAULT 3,
  status webhook_delivery_status NOT NULL DEFAULT 'pending', response_status integer,
  attempt_log jsonb NOT NULL DEFAULT '[]', delivered_at timestamptz, attempts integer NOT NULL DEFAULT 0,
  next_retry_at timestamptz, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE webhook_dead_letters (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  merchant_id uuid NOT NULL CONSTRAINT webhook_dead_letters_merchant_id_merchants_id_fk REFERENCES merchants,
  delivery_id uuid NOT NULL UNIQUE,
  session_id uuid
    CONSTRAINT webhook_dead_letters_session_id_checkout_sessions_id_fk REFERENCES checkout_sessions ON DELETE SET NULL,
  event text NOT NULL, payload jsonb NOT NULL, attempts jsonb NOT NULL DEFAULT '[]', reason text NOT NULL,
  retried_at timestamptz, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE audit_logs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  merchant_id uuid CONSTRAINT audit_logs_merchant_id_merchants_id_fk REFERENCES merchants,
  action text NOT NULL, resource_type text NOT NULL, resource_id uuid, ip_address text, user_agent text,
  details jsonb, created_at timestamptz NOT NULL DEFAULT now());`;
