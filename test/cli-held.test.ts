/** `settle payments held`: few payments one by one, many as sums, and all of them where they are asked for. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from './support/database.ts';
import { settleTogether } from './support/settle.ts';
import { settle } from './support/settle-command.ts';
import { markUnmatched } from '../src/db/worklists.ts';
import { FAKE_USDC } from './domain/build.ts';
import { insertSession, receive, type StoredSession } from './db/build.ts';
import { dust } from './db/dust.ts';

let database: TestDatabase;
let few: StoredSession;
let many: StoredSession;
beforeAll(async () => {
  database = await createTestDatabase({ max: 3 });
  [few, many] = [await insertSession(database), await insertSession(database)];
  await receive(database, few, '3', { asset: FAKE_USDC });
  await receive(database, { ...few, reference: 'nobody' }, '2');
  await dust(database, many, { count: 300 });
  await markUnmatched(database.db);
  await settleTogether(database.pool, [few.id, many.id]);
}, 120_000);
afterAll(() => database.close());

const held = async (...more: string[]) => {
  const { code, out, err } = await settle(['payments', 'held', ...more], {
    DATABASE_URL: database.url,
  });
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return out;
};

describe('settle payments held', () => {
  test('lists few payments, and tells many by their sums and the first and last', async () => {
    const said = await held();
    expect(said).toContain(`3.0000000 USDC:${FAKE_USDC.issuer}`);
    expect(said).toMatch(/unmatched +2\.0000000/);
    expect(said).toContain(`session ${many.id} holds many payments`);
    expect(said).toMatch(/wrong_asset +0\.0000300 native in 300 payments/);
    expect(said.split('\n').length).toBeLessThan(60);
  });

  test('gives the same as JSON, with where to go on', async () => {
    const shown = JSON.parse(await held('--json')) as Record<string, unknown>;
    expect(shown).toMatchObject({
      next: null,
      withoutSession: { payments: [{ reason: 'unmatched' }], isMore: false },
      sessionGone: { payments: [], isMore: false },
    });
    expect(shown['sessions']).toHaveLength(2);
    const [first] = [few.id, many.id].toSorted();
    const after = JSON.parse(await held('--json', '--after', first ?? '')) as typeof shown;
    expect(after['sessions']).toHaveLength(1);
  });

  test('lists every payment of one session, and everything, one after the other', async () => {
    const lines = (await held('--json', '--session', many.id)).trim().split('\n');
    expect(lines).toHaveLength(300);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ reason: 'wrong_asset', sessionId: many.id });
    expect((await held('--json', '--all')).trim().split('\n')).toHaveLength(302);
    expect(await held('--account', few.account)).not.toContain(many.id);
  });

  test('refuses --session together with --all', async () => {
    const answer = await settle(['payments', 'held', '--all', '--session', many.id], {
      DATABASE_URL: database.url,
    });
    expect(answer.code).not.toBe(0);
    expect(answer.err).toContain('--session lists all of one session');
  });
});
