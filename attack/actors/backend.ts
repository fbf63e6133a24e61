/** A backend with its own role in the database: it writes rows of `checkout_sessions` as its code has it. */
import { randomUUID } from 'node:crypto';
import { Asset, Memo, Operation } from '@stellar/stellar-sdk';
import { reasonOf } from '../../src/domain/failure.ts';
import { submit } from '../../certify/parts/cast.ts';
import { payQuiet } from '../quiet.ts';
import type { Attack, Scene } from './actor.ts';

/** The attacks. */
export const backend = { rows, deep, edits, wakes } satisfies Record<string, Attack>;

const size = ({ quick }: Scene, small: number, large: number) => (quick ? small : large);

/** A row that the backend inserts. */
type Row = { amount: string; expiresAt: string; memo: string | null; metadata: string };

const NORMAL: Row = {
  amount: '10',
  expiresAt: "now() + interval '1 hour'",
  memo: null,
  metadata: '{}',
};

/** Inserts a row of the hostile merchant, and counts whether the table takes it. Null when it does not. */
async function insert(scene: Scene, row: Partial<Row>, id = randomUUID()): Promise<string | null> {
  const { stack, hostile } = scene.stage;
  const { amount, expiresAt, memo, metadata } = { ...NORMAL, ...row };
  scene.did('rows');
  try {
    await stack.rows(
      `INSERT INTO checkout_sessions (id, merchant_id, amount, asset_code, receiving_account, memo, expires_at, metadata)
       VALUES ($1, $2, $3::numeric, 'XLM', $4, $5, ${expiresAt}, $6::jsonb)`,
      [id, hostile.merchantId, amount, hostile.wallet.address, memo, metadata],
    );
    return id;
  } catch {
    scene.reached('rows that the table refuses');
    return null;
  }
}

const EXPIRIES = [
  `'infinity'::timestamptz`,
  `'-infinity'::timestamptz`,
  `'10000-01-01'::timestamptz`,
  `'294276-12-31'::timestamptz`,
  `'0044-03-15 BC'::timestamptz`,
  `'4713-01-01 BC'::timestamptz`,
];

/** Rows with values that no session can have. Each has a reference, and some are paid. */
async function rows(scene: Scene): Promise<void> {
  for (let n = 0; n < size(scene, 3, 30) && !scene.over.aborted; n += 1) {
    const memo = () => String(BigInt(Date.now()) * 1_000n + BigInt(scene.rng.int(0, 999)));
    for (const expiresAt of EXPIRIES) await insert(scene, { expiresAt, memo: memo() });
    for (const amount of ['NaN', '0', '-1', '99999999999999999999999999999', '0.0000001']) {
      const reference = memo();
      if ((await insert(scene, { amount, memo: reference })) === null) continue;
      await pay(scene, reference);
    }
    for (const text of [
      '',
      ' ',
      '\u001b[2J',
      'x'.repeat(5_000),
      '18446744073709551616',
      'ff'.repeat(32),
    ]) {
      await insert(scene, { memo: text });
    }
  }
}

async function pay({ stage }: Scene, memo: string, times = 1): Promise<void> {
  const payment = {
    destination: stage.hostile.wallet.address,
    asset: Asset.native(),
    amount: '10',
  };
  const operations = Array.from({ length: times }, () => Operation.payment(payment));
  await submit(stage.stack.ledger, stage.mallory, operations, { memo: Memo.id(memo) });
}

/** PostgreSQL stores JSON of some 6,000 levels, which V8 cannot write. The session is paid, and paid again a thousand times. */
async function deep(scene: Scene): Promise<void> {
  const levels = 6_000;
  const metadata = '['.repeat(levels) + ']'.repeat(levels);
  const memo = String(BigInt(Date.now()) * 1_000n + 7n);
  if ((await insert(scene, { metadata, memo })) === null) return;
  await scene.stage.stack.ledger.chain.nextLedger();
  for (let n = 0; n < 12 && !scene.over.aborted; n += 1) {
    await pay(scene, memo, 100);
    scene.did('payments to a row of 6,000 levels', 100);
  }
}

/** Rows that change, go and come twice while they are paid. */
async function edits(scene: Scene): Promise<void> {
  const { stack } = scene.stage;
  for (let n = 0; n < size(scene, 10, 100) && !scene.over.aborted; n += 1) {
    const memo = String(BigInt(Date.now()) * 1_000n + BigInt(scene.rng.int(0, 999)));
    const id = await insert(scene, { memo });
    await insert(scene, { memo }); // the same reference on the same account
    if (id === null) continue;
    await pay(scene, memo);
    const change = scene.rng.pick([
      `UPDATE checkout_sessions SET amount = 'NaN' WHERE id = $1`,
      `UPDATE checkout_sessions SET expires_at = 'infinity' WHERE id = $1`,
      `UPDATE checkout_sessions SET memo = memo || 'x' WHERE id = $1`,
      `UPDATE checkout_sessions SET status = 'cancelled' WHERE id = $1`,
      `UPDATE checkout_sessions SET metadata = '"x"' WHERE id = $1`,
      `DELETE FROM checkout_sessions WHERE id = $1`,
    ]);
    try {
      await stack.rows(change, [id]);
      scene.did('edits and deletions');
    } catch (error) {
      scene.reached(`edits refused (${reasonOf(error).slice(0, 40)})`);
    }
  }
}

/** Thousands of sessions are woken at once, each several times. */
async function wakes(scene: Scene): Promise<void> {
  const { client } = scene.stage.stack;
  const victim = await scene.victim();
  const ids = await Promise.all(
    Array.from({ length: size(scene, 300, 3_000) }, (_, n) =>
      insert(scene, { memo: String(BigInt(Date.now()) * 10_000n + BigInt(n)) }),
    ),
  );
  const waking = [...ids, ...ids].filter((id) => id !== null);
  await Promise.all(
    waking.map((id) =>
      client.wake(id).then(
        () => scene.did('wakes'),
        () => scene.reached('wakes not taken'),
      ),
    ),
  );
  await payQuiet(scene.stage, victim);
}
