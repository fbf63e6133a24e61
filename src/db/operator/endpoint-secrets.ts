/** Secrets of endpoints: new ones, their rotation with an overlap, and what a signature needs. */
import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import { Refusal } from '../../domain/failure.ts';
import type { Db } from '../connection.ts';
import { merchantEndpointId } from '../ids.ts';
import type { SecretStore } from '../secret-store.ts';
import { serializable } from '../serializable.ts';
import { writeDown, type By } from './decision.ts';
import { findEndpoint, type Endpoint } from './endpoints.ts';

/** A new secret in the form of Standard Webhooks; 32 bytes, of the 24 to 64 that it wants. */
export function newSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}

/** The longest that an old secret may go on signing: whoever needs more has not planned a rotation. */
const LONGEST_OVERLAP_MS = 30 * 24 * 3_600_000;

/** An endpoint with the secret that it has from now on: the only time that it is told. */
export type Rotated = {
  readonly endpoint: Endpoint;
  readonly secret: string;
  /** Until when events are signed with the old one, too; null: from now on with the new one alone. */
  readonly oldUntil: string | null;
};

/**
 * Gives an endpoint a new secret. For `overlapMs` events are signed with the old one as well, so that the receiver can
 * change over at any moment of it; 0 drops the old one at once. @throws Refusal InvalidInput, also while an earlier
 * overlap runs: a third secret would silence a receiver that still has the first
 */
export async function rotateSecret(
  pool: Pool,
  store: SecretStore,
  { endpointId, overlapMs }: { endpointId: string; overlapMs: number },
  by: By,
): Promise<Rotated> {
  if (!(overlapMs >= 0 && overlapMs <= LONGEST_OVERLAP_MS)) {
    throw new Refusal('InvalidInput', '--overlap must be from 0 to 30 days.', 'overlap');
  }
  // Made once: a transaction that is run again must find that it has happened, and not rotate twice.
  const secret = newSecret();
  const { value } = await serializable(pool, async (tx) => {
    const before = await findEndpoint(tx, endpointId);
    const stored = await lockedSecret(tx, before);
    const isDone = stored !== null && readsAs(store, endpointId, stored, secret);
    if (!isDone) {
      await replaceSecret(
        tx,
        before,
        { stored, next: store.toStored(endpointId, secret) },
        overlapMs,
      );
      await writeDown(tx, by, {
        action: 'secret rotated',
        subject: `endpoint ${endpointId}`,
        detail: { overlapMs, hadOne: stored !== null },
      });
    }
    const endpoint = await findEndpoint(tx, endpointId);
    return { endpoint, secret, oldUntil: endpoint.oldSecretUntil };
  });
  return value;
}

/** Ends an overlap now: the old secret signs nothing more, and is forgotten. @throws Refusal InvalidInput when none runs */
export async function endOverlap(pool: Pool, endpointId: string, by: By): Promise<Endpoint> {
  const { value } = await serializable(pool, async (tx) => {
    const { oldSecretUntil } = await findEndpoint(tx, endpointId);
    if (oldSecretUntil === null) {
      throw new Refusal('InvalidInput', `No secret of endpoint ${endpointId} rotates.`, 'id');
    }
    await tx.execute(sql`
      UPDATE settlement.endpoint_state SET previous_secret = NULL, previous_secret_until = NULL
      WHERE endpoint_id = ${endpointId}`);
    await writeDown(tx, by, {
      action: 'old secret ended',
      subject: `endpoint ${endpointId}`,
      detail: { wouldHaveEnded: oldSecretUntil },
    });
    return findEndpoint(tx, endpointId);
  });
  return value;
}

/** Forgets old secrets whose overlap is over. Nothing has been signed with them since. */
export async function forgetOldSecrets(db: Db): Promise<void> {
  await db.execute(sql`
    UPDATE settlement.endpoint_state SET previous_secret = NULL, previous_secret_until = NULL
    WHERE previous_secret_until <= now()`);
}

/** The secrets that an event for this endpoint is signed with now, the current one first. @throws Refusal InvalidInput */
export async function secretsOf(
  db: Db,
  store: SecretStore,
  endpoint: Endpoint,
): Promise<[string, ...string[]]> {
  const { endpointId, merchantId } = endpoint;
  const { rows } = await db.execute<{ current: string | null; old: string | null }>(sql`
    SELECT ${storedIn(endpoint)} AS current,
      (SELECT previous_secret FROM settlement.endpoint_state
       WHERE endpoint_id = ${endpointId} AND previous_secret_until > now()) AS old
    FROM merchants m WHERE m.id = ${merchantId}`);
  const { current = null, old = null } = rows[0] ?? {};
  if (current === null || current === '') {
    throw new Refusal(
      'InvalidInput',
      `Endpoint ${endpointId} has no secret: \`settle endpoint rotate-secret\` gives it one.`,
      'id',
    );
  }
  const older = old === null ? [] : [store.toPlain(endpointId, old)];
  return [store.toPlain(endpointId, current), ...older];
}

function isOfMerchant({ endpointId, merchantId }: Endpoint): boolean {
  return endpointId === merchantEndpointId(merchantId);
}

function storedIn(endpoint: Endpoint) {
  return isOfMerchant(endpoint)
    ? sql`m.webhook_secret`
    : sql`(SELECT w.secret FROM webhook_endpoints w WHERE w.id = ${endpoint.endpointId})`;
}

/** What is stored, its row locked; null when there is none. */
async function lockedSecret(tx: Db, endpoint: Endpoint): Promise<string | null> {
  const { rows } = await tx.execute<{ stored: string | null }>(
    isOfMerchant(endpoint)
      ? sql`SELECT webhook_secret AS stored FROM merchants WHERE id = ${endpoint.merchantId} FOR UPDATE`
      : sql`SELECT secret AS stored FROM webhook_endpoints WHERE id = ${endpoint.endpointId} FOR UPDATE`,
  );
  const stored = rows[0]?.stored ?? null;
  return stored === '' ? null : stored;
}

function readsAs(store: SecretStore, endpointId: string, stored: string, secret: string): boolean {
  try {
    return store.toPlain(endpointId, stored) === secret;
  } catch {
    return false;
  }
}

async function replaceSecret(
  tx: Db,
  endpoint: Endpoint,
  { stored, next }: { stored: string | null; next: string },
  overlapMs: number,
): Promise<void> {
  const { endpointId, merchantId, oldSecretUntil } = endpoint;
  if (oldSecretUntil !== null) {
    throw new Refusal(
      'InvalidInput',
      `A secret of endpoint ${endpointId} rotates until ${oldSecretUntil} already. \`rotate-secret --end\` ends that.`,
      'id',
    );
  }
  const old = overlapMs > 0 ? stored : null;
  await tx.execute(sql`
    INSERT INTO settlement.endpoint_state (endpoint_id, merchant_id, previous_secret, previous_secret_until)
    VALUES (${endpointId}, ${merchantId}, ${old},
      CASE WHEN ${old}::text IS NOT NULL THEN now() + ${overlapMs} * interval '1 millisecond' END)
    ON CONFLICT (endpoint_id) DO UPDATE SET previous_secret = excluded.previous_secret,
      previous_secret_until = excluded.previous_secret_until`);
  await tx.execute(
    isOfMerchant(endpoint)
      ? sql`UPDATE merchants SET webhook_secret = ${next} WHERE id = ${merchantId}`
      : sql`UPDATE webhook_endpoints SET secret = ${next} WHERE id = ${endpointId}`,
  );
}
