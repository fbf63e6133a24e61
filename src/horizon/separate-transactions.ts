/** Fetches the transactions of a page separately, where the joined page is too large. */
import { HorizonUnavailable } from './errors.ts';
import type { HorizonHttp } from './http.ts';
import { operationSchema, transactionSchema } from './records.ts';

/** A page of 200 records exceeds the limit from about 25 operations per transaction on. Such a page has at most 9 transactions. */
const MOST_TRANSACTIONS = 12;

const namesSchema = operationSchema.pick({ id: true, transaction_hash: true });

/**
 * Adds its transaction to each record. Each transaction is fetched once and shared by its operations, in memory too. Returns
 * `many` for more than `MOST_TRANSACTIONS`. A record without a transaction hash stays as it is. The hash covers the memo and
 * everything else that is read from a transaction, so record and transaction may come from different nodes.
 * @throws HorizonUnavailable for a transaction that Horizon does not show, or shows in another ledger
 */
export async function withTransactions(
  http: HorizonHttp,
  records: readonly unknown[],
): Promise<unknown[] | 'many'> {
  const named = records.map((record) => namesSchema.safeParse(record).data);
  const hashes = new Set(named.flatMap((name) => name?.transaction_hash ?? []));
  if (hashes.size > MOST_TRANSACTIONS) return 'many';
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
