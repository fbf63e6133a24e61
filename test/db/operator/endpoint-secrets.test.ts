import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { connect } from '../../../src/db/connection.ts';
import { merchantEndpointId } from '../../../src/db/ids.ts';
import {
  endOverlap,
  forgetOldSecrets,
  rotateSecret,
  secretsOf,
} from '../../../src/db/operator/endpoint-secrets.ts';
import { findEndpoint } from '../../../src/db/operator/endpoints.ts';
import { secretStoreWith, type SecretStore } from '../../../src/db/secret-store.ts';
import { type Received, type Receiver } from '../../../src/sandbox/receiver.ts';
import { insertMerchant, type TestDatabase } from '../../support/database.ts';
import { settleTogether } from '../../support/settle.ts';
import { commitReplyLost } from '../commit-reply-lost.ts';
import { insertSession, receive } from '../build.ts';
import { ANN, decisionCount, decisions } from './journals.ts';
import { sending } from './sending.ts';

const OLD = `whsec_${Buffer.from('the secret before, thirty-two b.').toString('base64')}`;
const DAY_MS = 24 * 3_600_000;

const { now, deliver } = sending(OLD);
let database: TestDatabase;
let receiver: Receiver;
let merchantId: string;
beforeEach(() => {
  ({ database, receiver, merchantId } = now());
});

/** Both kinds of endpoint: a merchant's webhook_url, and a row of webhook_endpoints. */
const KINDS: [kind: string, make: () => Promise<string>][] = [
  ["a merchant's webhook_url", () => Promise.resolve(merchantEndpointId(merchantId))],
  [
    'a row of webhook_endpoints',
    async () => {
      const id = randomUUID();
      await database.rows('UPDATE merchants SET webhook_url = NULL WHERE id = $1', [merchantId]);
      await database.rows(
        `INSERT INTO webhook_endpoints (id, merchant_id, url, secret) VALUES ($1, $2, $3, $4)`,
        [id, merchantId, `${receiver.url}/hook`, OLD],
      );
      return id;
    },
  ],
];

const rotate = (
  endpointId: string,
  overlapMs = DAY_MS,
  store: SecretStore = secretStoreWith(null),
) => rotateSecret(database.pool, store, { endpointId, overlapMs }, ANN);

/** A session is paid, and its event sent. */
async function told(): Promise<Received> {
  const session = await insertSession(database, { merchantId });
  await receive(database, session, '10');
  await settleTogether(database.pool, [session.id]);
  await deliver(session);
  const [post] = await receiver.waitFor(({ sessionId }) => sessionId === session.id);
  if (!post) throw new Error('Nothing has arrived.');
  return post;
}

const kept = () =>
  database.rows('SELECT previous_secret FROM settlement.endpoint_state WHERE merchant_id = $1', [
    merchantId,
  ]);

function verifies({ body, headers }: Received, secret: string): boolean {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

describe.each(KINDS)('the secret of %s', (_, make) => {
  test('rotates with an overlap, in which events verify with either', async () => {
    const id = await make();
    const { secret, oldUntil, endpoint } = await rotate(id);
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(Math.abs(new Date(oldUntil ?? 0).getTime() - Date.now() - DAY_MS)).toBeLessThan(60_000);
    expect(endpoint).toMatchObject({ endpointId: id, oldSecretUntil: oldUntil });
    const post = await told();
    expect([verifies(post, secret), verifies(post, OLD)]).toEqual([true, true]);
    expect(post.headers['webhook-signature']?.split(' ')).toHaveLength(2);
    expect(await secretsOf(database.db, secretStoreWith(null), endpoint)).toEqual([secret, OLD]);
  });

  test('signs alone again when the overlap is over', async () => {
    const { secret } = await rotate(await make());
    await database.rows(
      'UPDATE settlement.endpoint_state SET previous_secret_until = now() WHERE merchant_id = $1',
      [merchantId],
    );
    const post = await told();
    expect([verifies(post, secret), verifies(post, OLD)]).toEqual([true, false]);
    await forgetOldSecrets(database.db);
    expect(await kept()).toEqual([{ previous_secret: null }]);
  });

  test('keeps the old one while the overlap runs, whatever is forgotten', async () => {
    await rotate(await make());
    await forgetOldSecrets(database.db);
    expect(await kept()).toEqual([{ previous_secret: OLD }]);
  });

  test('signs alone when an operator ends the overlap, or wants none; the old one is forgotten', async () => {
    const id = await make();
    const { secret: first } = await rotate(id);
    expect(await endOverlap(database.pool, id, ANN)).toMatchObject({ oldSecretUntil: null });
    const ended = await told();
    expect([verifies(ended, first), verifies(ended, OLD)]).toEqual([true, false]);
    const { secret: second, oldUntil } = await rotate(id, 0);
    expect(oldUntil).toBeNull();
    const post = await told();
    expect([verifies(post, second), verifies(post, first)]).toEqual([true, false]);
    expect(await kept()).toEqual([{ previous_secret: null }]);
  });

  test('is written down without being told', async () => {
    const id = await make();
    const { secret } = await rotate(id);
    await endOverlap(database.pool, id, ANN);
    const journal = await decisions(database, `endpoint ${id}`);
    expect(journal).toMatchObject([
      { actor: 'ann', action: 'secret rotated', detail: { overlapMs: DAY_MS, hadOne: true } },
      { actor: 'ann', action: 'old secret ended' },
    ]);
    for (const hidden of [secret, OLD]) expect(JSON.stringify(journal)).not.toContain(hidden);
  });
});

test('rotates once though the answer of COMMIT is lost: what is told is what signs', async () => {
  const id = merchantEndpointId(merchantId);
  const lossy = await commitReplyLost(database.url);
  const behind = connect(lossy.url);
  const asked = { endpointId: id, overlapMs: DAY_MS };
  let secret: string;
  try {
    ({ secret } = await rotateSecret(behind.pool, secretStoreWith(null), asked, ANN));
  } finally {
    await behind.close();
    lossy.close();
  }
  expect(lossy.lost()).toBe(1);
  const endpoint = await findEndpoint(database.db, id);
  expect(await secretsOf(database.db, secretStoreWith(null), endpoint)).toEqual([secret, OLD]);
  expect(await decisions(database, `endpoint ${id}`)).toHaveLength(1);
});

test('stands in the database as the store has it, the old one as it stood', async () => {
  const sealing: SecretStore = {
    toStored: (endpointId, secret) => `sealed:${endpointId}:${secret}`,
    toPlain: (endpointId, stored) => stored.replace(`sealed:${endpointId}:`, ''),
  };
  const id = merchantEndpointId(merchantId);
  const { secret: first } = await rotate(id, 0, sealing);
  const { secret: second, endpoint } = await rotate(id, DAY_MS, sealing);
  const stored = await database.rows(
    `SELECT m.webhook_secret AS now, s.previous_secret AS old FROM merchants m
     JOIN settlement.endpoint_state s ON s.merchant_id = m.id WHERE m.id = $1`,
    [merchantId],
  );
  expect(stored).toEqual([{ now: `sealed:${id}:${second}`, old: `sealed:${id}:${first}` }]);
  expect(await secretsOf(database.db, sealing, endpoint)).toEqual([second, first]);
});

test('an endpoint that never had a secret gets its first one, and nothing overlaps', async () => {
  const none = await insertMerchant(database, {
    webhookUrl: 'https://m.example',
    webhookSecret: '',
  });
  const id = merchantEndpointId(none);
  const endpoint = await findEndpoint(database.db, id);
  await expect(secretsOf(database.db, secretStoreWith(null), endpoint)).rejects.toThrow(
    'has no secret',
  );
  expect(await rotate(id)).toMatchObject({ oldUntil: null });
});

test('refused: a second rotation within the overlap, an end of none, an overlap without end', async () => {
  const id = merchantEndpointId(merchantId);
  const refused = async (asked: Promise<unknown>, message: string) => {
    const before = await decisionCount(database);
    await expect(asked).rejects.toMatchObject({
      name: 'Refusal',
      message: expect.stringContaining(message),
    });
    expect(await decisionCount(database)).toBe(before);
  };
  await refused(endOverlap(database.pool, id, ANN), 'No secret of endpoint');
  await rotate(id);
  await refused(rotate(id), 'rotates until');
  await refused(rotate(id, 31 * DAY_MS), '--overlap must be');
  await refused(rotate(id, Number.NaN), '--overlap must be');
  await refused(rotate(randomUUID()), 'There is no endpoint');
});
