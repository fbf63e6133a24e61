/**
 * Seven systems observe one ledger: one whose clocks are right, and six in which one clock is an hour off. What they
 * conclude and what they tell the merchant is the same, byte by byte.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { auditDatabase } from '../../src/db/audit.ts';
import { startSandboxLedger } from '../../src/sandbox/ledger/start.ts';
import { SandboxWallet } from '../../src/sandbox/ledger/wallet.ts';
import { startReceiver } from '../../src/sandbox/receiver.ts';
import { startTemporalServer } from '../../src/sandbox/temporal-server.ts';
import { until } from '../support/system.ts';
import {
  clocksOf,
  conclusionsOf,
  startWorld,
  type Conclusions,
  type Shared,
  type World,
  type Wrong,
} from '../support/worlds.ts';

const HOUR_MS = 3_600_000;
const WRONG: readonly Wrong[] = (['worker', 'database', 'temporal'] as const).flatMap((part) => [
  { part, ms: HOUR_MS },
  { part, ms: -HOUR_MS },
]);

/** Sessions of ten lumens that a client opens, with how each ends, and how many events it makes. */
const OPENED = {
  paid: 'paid',
  reported: 'paid',
  inParts: 'paid',
  twice: 'paid',
  inTheLastSecond: 'paid',
  inTheSecondOfItsCancellation: 'paid',
  late: 'expired',
  tooLittle: 'expired',
  unpaid: 'expired',
  shortened: 'expired',
  cancelled: 'cancelled',
  cancelledByTheBackend: 'cancelled',
} as const;
/** Rows that a backend writes. */
const WRITTEN = { written: 'paid', writtenUnpaid: 'expired' } as const;
type Name = keyof typeof OPENED | keyof typeof WRITTEN;

const ids = Object.fromEntries(
  [...Object.keys(OPENED), ...Object.keys(WRITTEN)].map((name) => [name, randomUUID()]),
) as Record<Name, string>;
const memos = Object.fromEntries(
  Object.keys(ids).map((name, i) => [name, String(4711 + i)]),
) as Record<Name, string>;

/** The ledger's clock: it stands still between steps, so that all systems see the same ledger at each. */
let time = Date.now() - 3 * HOUR_MS;
/** Whether the next payment's ledger closes in the second of the one before it. */
let sameSecond = false;
let shared: Shared;
let worlds: World[];
let shop: SandboxWallet;
let customer: SandboxWallet;
/** What the callers were answered, by world. */
const answers: unknown[][] = [];
let conclusions: Conclusions[];

beforeAll(async () => {
  const [ledger, temporal, receiver] = await Promise.all([
    startSandboxLedger({ closeEveryMs: null, clock: () => new Date(time) }),
    startTemporalServer({ progress: () => undefined, searchAttributes: [] }),
    startReceiver(),
  ]);
  shared = { ledger, temporal, receiver, merchantId: randomUUID() };
  const { url, networkPassphrase } = ledger;
  const closeLedger = () => ledger.closeLedger({ sameSecond });
  const network = { url, networkPassphrase, closeLedger };
  [shop, customer] = [new SandboxWallet(network), new SandboxWallet(network)];
  for (const { address } of [shop, customer]) await ledger.fund(address, '10000');
  for (; time < Date.now(); time += 10_000) ledger.closeLedger();
  const started: PromiseSettledResult<World>[] = [];
  // Two at a time: each worker has 90 s to start, which is too short for seven at once on a busy machine.
  const wanted = [null, ...WRONG];
  while (wanted.length > 0) {
    const two = wanted.splice(0, 2).map((wrong) => startWorld(shared, wrong));
    started.push(...(await Promise.allSettled(two)));
  }
  worlds = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = started.find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  await everywhere(
    (world) => world.database.rows('SELECT FROM settlement.network WHERE discovered_after > 0'),
    (looked) => looked.length === 1,
  );
  await play();
  conclusions = await Promise.all(worlds.map((world) => conclusionsOf(world, receiver)));
}, 600_000);

afterAll(async () => {
  await Promise.all((worlds ?? []).map((world) => world.stop()));
  await Promise.all([shared.ledger.stop(), shared.receiver.stop()]);
  await shared.temporal.stop();
});

/** Moves the ledger's clock, and closes a ledger. */
function pass(seconds: number): void {
  time += seconds * 1000;
  shared.ledger.closeLedger();
}

/** Pays into a ledger that closes after so many seconds. */
async function pay(name: Name, amount: string, seconds = 5): Promise<string> {
  time += seconds * 1000;
  const paid = await customer.pay(shop.address, amount, 'native', { memo: Memo.id(memos[name]) });
  if (!paid.successful) throw new Error(`The payment failed: ${paid.codes.join(', ')}.`);
  return paid.hash;
}

/** Does the same in all worlds, and waits until each shows what is wanted. */
async function everywhere<T>(
  ask: (world: World) => Promise<T>,
  wanted: (answer: T, world: World) => boolean,
): Promise<void> {
  await Promise.all(
    worlds.map((world) =>
      until(
        () => ask(world),
        (answer) => wanted(answer, world),
        180_000,
      ),
    ),
  );
}

async function callers(call: (world: World) => Promise<unknown>): Promise<void> {
  answers.push(await Promise.all(worlds.map(call)));
}

/** A statement of the backend in all worlds; then waits until `seen`, a condition on the session, holds. */
async function backend(name: Name, change: string, seen: string): Promise<void> {
  await Promise.all(
    worlds.map(({ database }) =>
      database.rows(`UPDATE checkout_sessions SET ${change} WHERE id = $1`, [ids[name]]),
    ),
  );
  await everywhere(
    ({ database }) =>
      database.rows(`SELECT FROM checkout_sessions WHERE id = $1 AND ${seen}`, [ids[name]]),
    (rows) => rows.length === 1,
  );
}

async function play(): Promise<void> {
  time = Math.floor(Date.now() / 1000) * 1000;
  shared.ledger.closeLedger();
  const deadline = new Date(time + 180_000);
  await open(deadline);

  await pay('paid', '12');
  await pay('inParts', '4');
  await pay('twice', '10');
  await pay('tooLittle', '3');
  await pay('written', '10');
  const hash = await pay('reported', '10');
  await callers(({ client }) => client.reportPayment(ids.reported, hash));
  await pay('inParts', '6');
  await pay('twice', '10');

  for (const name of ['cancelled', 'inTheSecondOfItsCancellation'] as const) {
    await callers(async ({ client }) => (await client.cancelSession(ids[name])).kind);
    await backend(name, 'metadata = metadata', 'cancel_at IS NOT NULL');
  }
  sameSecond = true;
  await pay('inTheSecondOfItsCancellation', '10', 0);
  sameSecond = false;
  await backend('cancelledByTheBackend', "status = 'cancelled'", 'cancel_at IS NOT NULL');
  const earlier = new Date(time + 20_000).toISOString();
  await backend('shortened', `expires_at = '${earlier}'`, `seen_expires_at = '${earlier}'`);
  shared.ledger.closeLedger();
  await pay('cancelled', '10', 5);
  await pay('cancelledByTheBackend', '10');
  await pay('shortened', '10', 30);

  await pay('inTheLastSecond', '10', (deadline.getTime() - time) / 1000);
  await pay('late', '10', 1);
  for (let i = 0; i < 3; i += 1) pass(5);
  await atRest();
  // Nobody waits for anything any more, and the account is read more rarely.
  const afterwards = await pay('unpaid', '10');
  await everywhere(
    ({ name }) =>
      Promise.resolve(
        shared.receiver.received.some(
          ({ path, body }) => path === `/${name}` && body.includes(afterwards),
        ),
      ),
    (isTold) => isTold,
  );
  await atRest();
}

async function atRest(): Promise<void> {
  await everywhere(
    ({ database }) => database.rows('SELECT session_id FROM settlement.active_sessions'),
    (active) => active.length === 0,
  );
}

async function open(expiresAt: Date): Promise<void> {
  const request = {
    merchantId: shared.merchantId,
    amount: '10',
    asset: { code: 'XLM', issuer: null },
    receivingAccount: shop.address,
    expiresAt: expiresAt.toISOString(),
  };
  for (const name of Object.keys(OPENED) as (keyof typeof OPENED)[]) {
    const metadata = { name };
    await callers(({ client }) =>
      client.openSession(ids[name], { ...request, memo: memos[name], metadata }),
    );
  }
  for (const name of Object.keys(WRITTEN) as (keyof typeof WRITTEN)[]) {
    await Promise.all(
      worlds.map(({ database }) =>
        database.rows(
          `INSERT INTO checkout_sessions (id, merchant_id, amount, asset_code, receiving_account, memo, expires_at)
           VALUES ($1, $2, 10, 'XLM', $3, $4, $5)`,
          [ids[name], shared.merchantId, shop.address, memos[name], expiresAt],
        ),
      ),
    );
    await backend(name, 'metadata = metadata', 'opened_after IS NOT NULL');
  }
}

describe('with all clocks right', () => {
  test('each session ends as it must', () => {
    const ends = { ...OPENED, ...WRITTEN };
    const found = conclusions[0]?.['sessions']?.map(
      (line) => JSON.parse(line) as { id: string; status: string },
    );
    for (const name of Object.keys(ends) as Name[]) {
      expect([name, found?.find(({ id }) => id === ids[name])?.status]).toEqual([name, ends[name]]);
    }
    const { events = [], posts = [] } = conclusions[0] as Record<string, readonly string[]>;
    expect(events.length).toBeGreaterThan(Object.keys(ids).length);
    expect(posts).toHaveLength(events.length);
  });
});

describe.each(WRONG.map((wrong, i) => ({ ...wrong, i: i + 1 })))(
  'the clock of the $part is off by $ms ms',
  ({ part, ms, i }) => {
    const world = () => worlds[i] as World;

    test('it is, and no other', async () => {
      const right = { worker: 0, database: 0, temporal: 0 };
      const found = await clocksOf(world());
      for (const [one, off] of Object.entries({ ...right, [part]: ms })) {
        expect([one, Math.round(found[one as Wrong['part']] / HOUR_MS) + 0]).toEqual([
          one,
          off / HOUR_MS,
        ]);
      }
    });

    test('the same answers, verdicts, endings and bytes', async () => {
      expect(answers.map((byWorld) => byWorld[i])).toEqual(answers.map(([right]) => right));
      expect(conclusions[i]).toEqual(conclusions[0]);
    });

    test('the audit finds nothing', async () => {
      expect((await auditDatabase(world().database.url)).findings).toEqual([]);
    });
  },
);
