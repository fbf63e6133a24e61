import { sql } from 'drizzle-orm';
import { Refusal } from '../../domain/failure.ts';
import type { Head, LedgerSource } from '../../domain/ledger-source.ts';
import type { Db } from '../connection.ts';

/** The passphrase of the network that the database belongs to. @throws Refusal where it belongs to none */
export async function networkOf(db: Db): Promise<string> {
  const { rows } = await db.execute<{ passphrase: string }>(
    sql`SELECT passphrase FROM settlement.network`,
  );
  const [row] = rows;
  if (row) return row.passphrase;
  throw new Refusal(
    'InvalidInput',
    'The database belongs to no network yet: run `settle migrate`.',
  );
}

/**
 * Where the ledger stands, if it is the database's own: the same accounts exist on every network, and what one shows
 * proves nothing on another. @throws Refusal
 */
export async function headOfNetwork(db: Db, source: Pick<LedgerSource, 'head'>): Promise<Head> {
  const passphrase = await networkOf(db);
  const head = await source.head();
  if (head.networkPassphrase === passphrase) return head;
  throw new Refusal(
    'InvalidInput',
    `HORIZON_URL serves the network "${head.networkPassphrase}", but the database belongs to "${passphrase}".`,
  );
}
