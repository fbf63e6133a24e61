/** Transactions of a page that was asked for without them, because with them it is too large. */
import { HorizonUnavailable } from './errors.ts';
import type { HorizonHttp } from './http.ts';
import { operationSchema, transactionSchema } from './records.ts';

/** A page of 200 is above the limit when its transactions have some 25 operations each: then these are few. */
const MOST_APART = 12;

const namesSchema = operationSchema.pick({ id: true, transaction_hash: true });

/**
 * The records with their transactions, each of which is asked for once and shared by its operations; `many` when they are
 * too many for that. A record that does not name its transaction stays as it is. A transaction is named by the hash of all that
 * is taken from it, so it is one fact with the record, whichever node shows it.
 * @throws HorizonUnavailable for a transaction that the node does not show, or shows in another ledger
 */
export async function withTransactions(
  http: HorizonHttp,
  records: readonly unknown[],
): Promise<unknown[] | 'many'> {
  const named = records.map((record) => namesSchema.safeParse(record).data);
  const hashes = new Set(named.flatMap((name) => name?.transaction_hash ?? []));
  if (hashes.size > MOST_APART) return 'many';
  const transactions = new Map<string, { body: unknown; ledger: number }>();
  for (const hash of hashes) transactions.set(hash, await readOne(http, hash));
  return records.map((record, i) => {
    const name = named[i];
    const found = name && transactions.get(name.transaction_hash);
    if (name === undefined || found === undefined) return record;
    if (Number(BigInt(name.id) >> 32n) !== found.ledger) {
      throw new HorizonUnavailable(
        `Horizon shows transaction ${name.transaction_hash} in ledger ${found.ledger}, and its operation ${name.id} in another one.`,
      );
    }
    return { ...(record as object), transaction: found.body };
  });
}

async function readOne(
  http: HorizonHttp,
  hash: string,
): Promise<{ body: unknown; ledger: number }> {
  const answer = await http.get(`/transactions/${hash}`);
  const parsed = transactionSchema.safeParse(answer?.body);
  if (!parsed.success || parsed.data.hash !== hash) {
    throw new HorizonUnavailable(
      `Horizon shows an operation of transaction ${hash}, and not that.`,
    );
  }
  return { body: answer?.body, ledger: parsed.data.ledger };
}
