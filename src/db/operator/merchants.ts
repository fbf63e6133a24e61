/** Merchants and their endpoints, for a database that no backend fills: who is paid, and where events go. */
import { sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import type { EventType } from '../../domain/event.ts';
import { Refusal } from '../../domain/failure.ts';
import type { Db } from '../connection.ts';
import { merchantEndpointId } from '../ids.ts';
import type { SecretStore } from '../secret-store.ts';
import { serializable } from '../serializable.ts';
import { writeDown, type By } from './decision.ts';
import { newSecret } from './endpoint-secrets.ts';
import { endpoints, findEndpoint, type Endpoint } from './endpoints.ts';

/** A merchant as it stands. Times are ISO 8601. */
export type Merchant = {
  readonly merchantId: string;
  readonly name: string;
  readonly email: string;
  readonly walletAddress: string;
  readonly webhookUrl: string | null;
  readonly since: string;
  /** Sessions that can still be paid. */
  readonly openSessions: number;
  /** Events that were given up and that nobody has asked to send again. */
  readonly deadLetters: number;
};

/** All of them, the oldest first; or one. */
export async function merchants(db: Db, merchantId: string | null = null): Promise<Merchant[]> {
  const { rows } = await db.execute<Omit<Merchant, 'since'> & { since: string }>(sql`
    SELECT m.id AS "merchantId", m.business_name AS name, m.email, m.wallet_address AS "walletAddress",
      m.webhook_url AS "webhookUrl", m.created_at::text AS since,
      coalesce(o.n, 0)::int AS "openSessions", coalesce(d.n, 0)::int AS "deadLetters"
    FROM merchants m
    LEFT JOIN (SELECT s.merchant_id, count(*) AS n FROM settlement.active_sessions a
      JOIN checkout_sessions s ON s.id = a.session_id WHERE a.deadline IS NOT NULL GROUP BY 1) o ON o.merchant_id = m.id
    LEFT JOIN (SELECT merchant_id, count(*) AS n FROM webhook_dead_letters WHERE retried_at IS NULL GROUP BY 1) d
      ON d.merchant_id = m.id
    WHERE ${merchantId}::uuid IS NULL OR m.id = ${merchantId}
    ORDER BY m.created_at, m.id`);
  return rows.map((row) => ({ ...row, since: new Date(row.since).toISOString() }));
}

/** A merchant with its endpoints. @throws Refusal MerchantNotFound */
export async function showMerchant(
  db: Db,
  merchantId: string,
): Promise<Merchant & { readonly endpoints: readonly Endpoint[] }> {
  const [found] = await merchants(db, merchantId);
  if (!found) throw notFound(merchantId);
  const all = await endpoints(db);
  return { ...found, endpoints: all.filter((e) => e.merchantId === merchantId) };
}

/** What a new merchant is called, and where its events go. */
export type NewMerchant = {
  readonly merchantId: string;
  readonly name: string;
  readonly email: string;
  /** The account by which an existing backend knows it; unique. */
  readonly walletAddress: string;
  readonly webhookUrl: string | null;
};

/** What was made. The secret is told here only, and is null where there is nobody to sign for. */
export type Added<T> = T & { readonly secret: string | null };

/**
 * Makes a merchant; with an address for webhooks it gets a secret. @throws Refusal InvalidInput when somebody has that
 * email or wallet, and when the id is another one's: its secret would not be the one that is told here
 */
export async function addMerchant(
  pool: Pool,
  store: SecretStore,
  merchant: NewMerchant,
  by: By,
): Promise<Added<Merchant>> {
  const { merchantId, name, email, walletAddress, webhookUrl } = merchant;
  const secret = webhookUrl === null ? null : newSecret();
  const stored = secret === null ? null : store.toStored(merchantEndpointId(merchantId), secret);
  const { value } = await serializable(pool, async (tx) => {
    const { rows } = await tx.execute<{ id: string; email: string }>(sql`
      SELECT id, email FROM merchants
      WHERE (email = ${email} OR wallet_address = ${walletAddress}) AND id <> ${merchantId}`);
    const [other] = rows;
    if (other) {
      const field = other.email === email ? 'email' : 'wallet';
      throw new Refusal('InvalidInput', `Merchant ${other.id} has this ${field} already.`, field);
    }
    const { rowCount } = await tx.execute(sql`
      INSERT INTO merchants (id, wallet_address, business_name, email, webhook_url, webhook_secret)
      VALUES (${merchantId}, ${walletAddress}, ${name}, ${email}, ${webhookUrl}, ${stored})
      ON CONFLICT (id) DO NOTHING`);
    if ((rowCount ?? 0) > 0) {
      await writeDown(tx, by, {
        action: 'merchant added',
        subject: `merchant ${merchantId}`,
        detail: { name, email, walletAddress, webhookUrl },
      });
    } else if (!(await isStored(tx, merchant, stored))) {
      throw new Refusal('InvalidInput', `There is a merchant ${merchantId} already.`, 'id');
    }
    const [made] = await merchants(tx, merchantId);
    if (!made) throw notFound(merchantId);
    return { ...made, secret };
  });
  return value;
}

/** Whether the row with this id is the one that we have made: a transaction that is run again finds its own. */
async function isStored(tx: Db, merchant: NewMerchant, secret: string | null): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    SELECT FROM merchants WHERE id = ${merchant.merchantId} AND email = ${merchant.email}
      AND wallet_address = ${merchant.walletAddress} AND webhook_secret IS NOT DISTINCT FROM ${secret}`);
  return rows.length > 0;
}

/** Endpoints of one merchant. Every event is made, stored and sent once for each, so their number multiplies all of it. */
const MOST_ENDPOINTS = 20;

/** A new endpoint of a merchant. */
export type NewEndpoint = {
  readonly endpointId: string;
  readonly merchantId: string;
  readonly url: string;
  /** Empty: those that are sent by default. */
  readonly events: readonly EventType[];
};

/**
 * Makes an endpoint, with a secret of its own. It gets the events that are made from now on. @throws Refusal
 * MerchantNotFound; InvalidInput when that merchant's events go to this address already, or it has the most endpoints
 */
export async function addEndpoint(
  pool: Pool,
  store: SecretStore,
  { endpointId, merchantId, url, events }: NewEndpoint,
  by: By,
): Promise<Added<Endpoint>> {
  const secret = newSecret();
  const stored = store.toStored(endpointId, secret);
  const { value } = await serializable(pool, async (tx) => {
    const { endpoints: others } = await showMerchant(tx, merchantId);
    const same = others.find((other) => other.url === url && other.endpointId !== endpointId);
    if (same) {
      throw new Refusal(
        'InvalidInput',
        `Endpoint ${same.endpointId} is this address already.`,
        'url',
      );
    }
    const isNew = others.every((other) => other.endpointId !== endpointId);
    if (isNew && others.length >= MOST_ENDPOINTS) {
      throw new Refusal(
        'InvalidInput',
        `Merchant ${merchantId} has ${others.length} endpoints; ${MOST_ENDPOINTS} is the most.`,
        'merchant',
      );
    }
    const { rowCount } = await tx.execute(sql`
      INSERT INTO webhook_endpoints (id, merchant_id, url, events, secret)
      VALUES (${endpointId}, ${merchantId}, ${url}, ${JSON.stringify(events)}::jsonb, ${stored})
      ON CONFLICT (id) DO NOTHING`);
    if ((rowCount ?? 0) > 0) {
      await writeDown(tx, by, {
        action: 'endpoint added',
        subject: `endpoint ${endpointId}`,
        detail: { merchantId, url, events },
      });
    }
    return { ...(await findEndpoint(tx, endpointId)), secret };
  });
  return value;
}

function notFound(merchantId: string): Refusal {
  return new Refusal('MerchantNotFound', `There is no merchant ${merchantId}.`, 'merchant');
}
