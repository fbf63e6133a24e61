/** A session with as many payments of a stroop as a test wants, and what a question costs beside them. */
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Db } from '../../src/db/connection.ts';
import * as schema from '../../src/db/schema/index.ts';
import type { TestDatabase } from '../support/database.ts';
import { minute } from '../domain/build.ts';
import { ledgerAt, type StoredSession } from './build.ts';

/** Where dust lies and what it is; by default lumens of minute 5, one operation after another. */
export type Dust = {
  readonly from: number;
  readonly count: number;
  readonly assetCode: string;
  readonly assetIssuer: string | null;
  readonly minutes: number;
};

/** Puts payments of a stroop into the inbox, `count` of them from the `from`-th on, undecided. */
export async function dust(
  database: TestDatabase,
  session: Pick<StoredSession, 'account' | 'reference'>,
  fields: Partial<Dust> & Pick<Dust, 'count'>,
): Promise<void> {
  const d: Dust = { from: 0, assetCode: 'XLM', assetIssuer: null, minutes: 5, ...fields };
  await database.rows(
    `WITH dust AS (
       INSERT INTO settlement.ledger_payments (tx_hash, op_index, sub_index, operation_id, ledger, closed_at, type,
         account, sender, asset_code, asset_issuer, amount, reference, reference_source)
       SELECT encode(sha256(convert_to($1 || $2 || $7 || ':' || i, 'UTF8')), 'hex'), 0, 0, ($3::bigint << 32) + i * 4096 + 1, $3, $4,
         'payment', $1, $1, $5, $6, 0.0000001, $2, 'memo_id'
       FROM generate_series($7::int, $7::int + $8::int - 1) i
       RETURNING tx_hash, op_index, sub_index)
     INSERT INTO settlement.undecided_payments (tx_hash, op_index, sub_index) SELECT * FROM dust`,
    [
      session.account,
      session.reference,
      ledgerAt(d.minutes),
      minute(d.minutes),
      d.assetCode,
      d.assetIssuer,
      d.from,
      d.count,
    ],
  );
}

/** A table or an index grows by pages: what is planned anew must know it. */
export async function analyze(database: TestDatabase): Promise<void> {
  await database.rows('VACUUM ANALYZE');
}

type Plan = { 'Shared Hit Blocks': number; 'Shared Read Blocks': number };

/** Pages of 8 kB that PostgreSQL touches for what a function asks, all its statements together. It writes nothing. */
export async function pagesRead(
  database: TestDatabase,
  ask: (db: Db) => Promise<unknown>,
): Promise<number> {
  const client = await database.pool.connect();
  const sent: { text: string; values: unknown[] }[] = [];
  const send = client.query.bind(client);
  try {
    await send('BEGIN');
    client.query = ((query: string | { text: string; values?: unknown[] }, values?: unknown[]) => {
      if (typeof query === 'string') sent.push({ text: query, values: values ?? [] });
      else sent.push({ text: query.text, values: query.values ?? values ?? [] });
      return send(query as string, values);
    }) as typeof client.query;
    await ask(drizzle(client, { schema }));
    await send('ROLLBACK');
    let pages = 0;
    for (const { text, values } of sent) {
      await send('BEGIN');
      const { rows } = await send<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
        `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON, TIMING OFF) ${text}`,
        values,
      );
      await send('ROLLBACK');
      const plan = rows[0]?.['QUERY PLAN'][0].Plan;
      pages += (plan?.['Shared Hit Blocks'] ?? 0) + (plan?.['Shared Read Blocks'] ?? 0);
    }
    return pages;
  } finally {
    client.query = send;
    client.release();
  }
}
