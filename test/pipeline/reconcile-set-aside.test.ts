/** A row, an account or a ledger that fails by itself in reconciliation: the rest of its page is repaired. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Keypair } from '@stellar/stellar-sdk';
import { openAttention } from '../../src/db/operator/attention.ts';
import { startReconciling, type Inserted, type Reconciling } from './reconciling.ts';

let it: Reconciling;
beforeEach(async () => {
  it = await startReconciling();
});
afterEach(() => it.close());

/** Writes of these rows fail for a reason of their own, until the trigger is dropped. */
async function refuse(table: string, condition: string): Promise<() => Promise<unknown>> {
  await it.database.rows(
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
     $$ BEGIN IF ${condition} THEN RAISE 'This row is broken.'; END IF; RETURN NEW; END $$`,
  );
  await it.database.rows(
    `CREATE TRIGGER broken BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION refuse()`,
  );
  return () => it.database.rows(`DROP TRIGGER broken ON ${table}`);
}

const statusOf = async ({ id }: Inserted) =>
  (await it.database.rows('SELECT status FROM checkout_sessions WHERE id = $1', [id]))[0]?.[
    'status'
  ];
const asked = async () =>
  (await openAttention(it.database.db))
    .filter(({ kind }) => kind === 'set_aside')
    .map(({ subject }) => subject);
const failures = async () =>
  (await it.database.rows<{ failures: number }>('SELECT failures FROM settlement.set_aside')).map(
    (row) => row.failures,
  );

test('a session of a page: the others are repaired, and it is not tried again before its pause is over', async () => {
  const sessions = [];
  for (let i = 0; i < 3; i += 1) sessions.push(await it.insert({ status: 'processing' }));
  const [poison, ...others] = sessions;
  if (poison === undefined) throw new Error('There are three.');
  for (const session of sessions) await it.pay(session);
  const mend = await refuse('checkout_sessions', `NEW.id = '${poison.id}'`);
  const { stuck_processing: found } = await it.reconcile();
  expect(found).toMatchObject({ found: 3, repaired: 2, left: 1 });
  expect(await Promise.all(others.map(statusOf))).toEqual(['paid', 'paid']);
  expect(await asked()).toEqual([poison.id]);
  // Long enough that no machine is too slow.
  await it.database.rows(`UPDATE settlement.set_aside SET until = now() + interval '1 hour'`);
  const before = await failures();
  // Five minutes after its money came, it is stuck again.
  await it.database.rows(
    `UPDATE settlement.ledger_payments SET seen_at = seen_at - interval '10 minutes'`,
  );
  const again = (await it.reconcile()).stuck_processing;
  expect(again).toMatchObject({ found: 1, left: 1 });
  expect(again?.examples[0]?.outcome).toContain('it is set aside: ');
  expect(await failures()).toEqual(before);

  await mend();
  await it.database.rows('UPDATE settlement.set_aside SET until = now()');
  await it.reconcile();
  expect(await statusOf(poison)).toBe('paid');
  await it.catchUp();
  expect(await asked()).toEqual([]);
});

test('an account: the others are read, it is set aside, and its own reading goes on when it is mended', async () => {
  const broken = Keypair.random().publicKey();
  await it.ledger.fund(broken, '100');
  const [poison, other] = [
    await it.insert({ account: broken, openedMinutesAgo: 10 }),
    await it.insert({ openedMinutesAgo: 10 }),
  ];
  await it.catchUp();
  const mend = await refuse(
    'settlement.watched_accounts',
    `NEW.account = '${broken}' AND NEW.known_record IS DISTINCT FROM OLD.known_record`,
  );
  for (const session of [poison, other]) await it.pay(session);
  await it.catchUp();
  expect(await statusOf(other)).toBe('paid');
  expect(await statusOf(poison)).toBe('pending');
  expect(await asked()).toContain(broken);

  await mend();
  await it.database.rows('UPDATE settlement.set_aside SET until = now()');
  await it.catchUp();
  await it.catchUp();
  expect(await statusOf(poison)).toBe('paid');
  expect(await asked()).toEqual([]);
});
