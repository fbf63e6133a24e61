import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startSandboxLedger } from '../../src/sandbox/ledger/start.ts';
import { startTemporalServer } from '../../src/sandbox/temporal-server.ts';
import { createTestDatabase, ROLES } from '../support/database.ts';
import { startSystem, until, type System } from '../support/system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system.close());

/** What a worker says that does not start. */
const refusal = (env: NodeJS.ProcessEnv) =>
  system.worker(env).then(
    () => 'it started',
    (error: Error) => error.message,
  );

describe('a worker', () => {
  test('names every wrong setting at once', async () => {
    const said = await refusal({
      DATABASE_URL: 'mysql://nowhere',
      HORIZON_URL: '',
      POLL_INTERVAL_MS: 'soon',
      WEBHOOK_ALLOW: 'localhost:1',
      NETWORK_PASSPHRASE: 'Public Global Stellar Network ; September 2015',
    });
    for (const name of ['DATABASE_URL', 'HORIZON_URL', 'POLL_INTERVAL_MS', 'WEBHOOK_ALLOW']) {
      expect(said).toContain(name);
    }
    expect(said).toContain('exit 2');
  });

  test('does not start on a database that is not migrated, or of another network', async () => {
    const empty = await createTestDatabase({ template: null });
    expect(await refusal({ DATABASE_URL: empty.url })).toContain('settle migrate');
    await empty.close();
    const other = await startSandboxLedger({ networkPassphrase: 'another network' });
    const said = await refusal({ HORIZON_URL: other.url });
    await other.stop();
    expect(said).toContain('HORIZON_URL serves the network "another network"');
  });

  test('does not start in a namespace that lacks its search attributes, and says how to add them', async () => {
    const bare = await startTemporalServer({ progress: () => undefined, searchAttributes: [] });
    const said = await refusal({ TEMPORAL_ADDRESS: bare.address });
    await bare.stop();
    expect(said).toContain('search-attribute create');
    expect(said).toContain('CheckoutStatus');
  });

  test('does not start with rights or code in the database that are more than ours, and names each', async () => {
    const { database } = system;
    await database.pool.query(`
      GRANT DELETE ON settlement.session_journal TO ${ROLES.app};
      CREATE FUNCTION public.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TRIGGER stamped BEFORE UPDATE ON checkout_sessions FOR EACH ROW EXECUTE FUNCTION public.stamp()`);
    try {
      const said = await refusal({});
      expect(said).toContain('exit 2');
      expect(said).toContain(`"${ROLES.app}" has DELETE on settlement.session_journal`);
      expect(said).toContain('trigger stamped on public.checkout_sessions');
      expect(said).toContain('TRUSTED_DATABASE_CODE');
      const worker = await system.worker({
        TRUSTED_DATABASE_CODE:
          'trigger stamped on public.checkout_sessions,DELETE on settlement.session_journal',
      });
      expect(await worker.drain()).toBe(0);
      expect(system.logged()).toContain('database.trusted');
    } finally {
      await database.pool.query(`
        REVOKE DELETE ON settlement.session_journal FROM ${ROLES.app};
        DROP FUNCTION public.stamp CASCADE`);
    }
  });

  test('drains on SIGTERM: what it has begun is finished, and it ends well within its grace', async () => {
    const worker = await system.worker();
    const { id, memo } = await system.open();
    system.receiver.answerWith(() => ({ status: 200, delayMs: 1_000 }));
    await system.pay(memo);
    await system.receiver.waitFor((p) => p.sessionId === id);
    expect(await worker.drain()).toBe(0);
    const attempts = await system.database.rows('SELECT outcome FROM settlement.delivery_attempts');
    expect(attempts).toEqual([{ outcome: 'answered' }]);
  });
});

describe('without a worker', () => {
  test('a wake is accepted and carried out by the next one; a question is not answered in time', async () => {
    const { connectSettlement } = await import('../../src/client.ts');
    const impatient = await connectSettlement({
      address: system.temporal.address,
      answerWithinMs: 1_000,
    });
    const worker = await system.worker();
    const { id, memo } = await system.open();
    await worker.kill();
    const hash = await system.pay(memo);
    await system.client.wake(id, { txHash: hash });
    await expect(impatient.reportPayment(id, hash)).rejects.toMatchObject({ name: 'NotAnswered' });
    await impatient.close();

    await system.worker();
    const view = await until(
      () => system.client.sessionState(id),
      (state) => state?.atRest === true,
    );
    expect(view).toMatchObject({ status: 'paid', paidBy: hash });
  });
});
