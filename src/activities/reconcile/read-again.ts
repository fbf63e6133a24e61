import { asideAmong, takeBack } from '../../db/set-aside.ts';
import { missingPayments } from '../../db/inbox.ts';
import {
  accountsToReadAgain,
  noteNotReadAgain,
  noteReadAgain,
  type ReadAgain,
} from '../../db/read-again.ts';
import { addTallies, NOTHING, tally, untouched, type Tally } from '../../domain/discrepancy.ts';
import { ledgerHeaders } from '../../db/ledgers.ts';
import { reasonOf } from '../../domain/failure.ts';
import type { LedgerHeader } from '../../domain/evidence.ts';
import { ledgerPaymentKey, type LedgerPayment } from '../../domain/ledger-payment.ts';
import { asideIfOwn } from '../aside.ts';
import { advanceChain } from '../watch/chain.ts';
import { settleDue } from '../watch/settle-due.ts';
import { readWholeLedgers } from '../watch/whole-ledgers.ts';
import type { ReconcileDeps } from './deps.ts';
import type { PageOutcome, PageRequest } from './page.ts';

/** Horizon's largest page. */
const PAGE = 200;
/** One account may have a trouble of its own; when three cannot be read, Horizon is away. */
const MOST_FAILURES = 3;
/** Accounts in one activity. */
const ACCOUNTS = 50;

/**
 * Reads once more what the watcher has read, account by account: Horizon may show in a ledger today what it did not show
 * when that was read (a gap filled in, a node that was wrong). A page is only a hint: the ledgers that it names are read
 * whole, and what is new is stored from them and settled. Fifty accounts a run, those read again the longest time ago first, within a quarter of the
 * request budget; an account that is not finished goes on where it was in the next run.
 */
export async function readAgain(
  deps: ReconcileDeps,
  { dryRun }: PageRequest,
): Promise<PageOutcome> {
  let sum: Tally = NOTHING;
  let failures = 0;
  const read: string[] = [];
  const { db } = deps.database;
  const turn = await accountsToReadAgain(db, ACCOUNTS);
  const names = turn.map(({ account }) => account);
  const aside = await asideAmong(db, 'read_again', names);
  const accounts = turn.filter(({ account }) => !aside.has(account));
  if (accounts.length === 0) return { ...NOTHING, next: null };
  const { oldestLedger } = await deps.source.head();
  const { newest } = await advanceChain(deps);
  const allowance = { requests: deps.requestsToReadAgain - 2 }; // the head and the chain
  for (const account of accounts) {
    if (allowance.requests <= 0 || failures === MOST_FAILURES || deps.draining.aborted) break;
    try {
      sum = addTallies(
        sum,
        await readAccountAgain(deps, account, { oldestLedger, newest, allowance, dryRun }),
      );
      read.push(account.account);
    } catch (error) {
      const why = reasonOf(error);
      deps.log.warn(
        { account: account.account, err: error },
        'An account could not be read again.',
      );
      const subject = `account ${account.account}`;
      sum = addTallies(
        sum,
        tally([subject], new Map([[subject, `it could not be read again: ${why}`]])),
      );
      if (dryRun || !(await asideIfOwn(deps, 'read_again', account.account, error))) failures += 1;
      if (!dryRun) await noteNotReadAgain(deps.database.db, account);
    }
  }
  if (!dryRun) await takeBack(db, 'read_again', read);
  if (sum.found > 0 && !dryRun) await settleDue(deps);
  return { ...sum, next: null };
}

async function readAccountAgain(
  deps: ReconcileDeps,
  begun: ReadAgain,
  {
    oldestLedger,
    newest,
    allowance,
    dryRun,
  }: {
    oldestLedger: number;
    newest: LedgerHeader;
    allowance: { requests: number };
    dryRun: boolean;
  },
): Promise<Tally> {
  const { account, from, until } = begun;
  let cursor = from;
  let sum: Tally = NOTHING;
  // What Horizon no longer has, it cannot show: reading goes on where its history begins.
  if (Number(BigInt(cursor) >> 32n) < oldestLedger)
    cursor = (BigInt(oldestLedger) << 32n).toString();
  while (allowance.requests > 0 && BigInt(cursor) < BigInt(until)) {
    allowance.requests -= 1; // also one that fails
    const page = await deps.source.page(account, cursor, PAGE);
    const known = page.payments.filter((p) => BigInt(p.operationId) <= BigInt(until));
    const missing = await missingPayments(deps.database.db, known);
    if (!dryRun) await readWhole(deps, account, missing, newest, allowance);
    for (const p of missing) {
      deps.log.error(
        { account, txHash: p.txHash, payment: ledgerPaymentKey(p) },
        'Horizon shows a payment that it had not shown.',
      );
    }
    const subjects = missing.map((p) => `payment ${ledgerPaymentKey(p)}`);
    const found = dryRun ? untouched('missed_payment', subjects) : tally(subjects, new Map());
    sum = addTallies(sum, found);
    cursor = page.isLast ? until : page.nextCursor;
  }
  if (!dryRun)
    await noteReadAgain(deps.database.db, begun, cursor, BigInt(cursor) >= BigInt(until));
  return sum;
}

/** Reads the ledgers whole that hold what the inbox lacks; one by one, as far as the allowance goes. */
async function readWhole(
  deps: ReconcileDeps,
  account: string,
  missing: readonly LedgerPayment[],
  newest: LedgerHeader,
  allowance: { requests: number },
): Promise<void> {
  const wanted = [...new Set(missing.map(({ ledger }) => ledger))];
  for (const { sequence, operationCount } of await ledgerHeaders(deps.database.db, wanted)) {
    allowance.requests -= Math.ceil((operationCount + 1) / PAGE);
    await readWholeLedgers(deps, [{ sequence, accounts: [account] }], newest, deps.draining);
  }
}
