/**
 * P1 against the ledger itself: every account's payments are read anew from Horizon and compared with the inbox, as far
 * as its reading says that all is there. Horizon not answering says nothing (P6): it throws, and there is no finding.
 */
import { assetKey } from '../domain/asset.ts';
import type { WholeLedger } from '../domain/evidence.ts';
import { Refusal } from '../domain/failure.ts';
import { MoreThanCounted } from '../domain/ledger-errors.ts';
import { ledgerPaymentKey, type LedgerPayment } from '../domain/ledger-payment.ts';
import type { LedgerSource, PageHint } from '../domain/ledger-source.ts';
import { formatAmount } from '../domain/money.ts';
import { createCollector, type Collector, type Found } from './audit-findings.ts';
import {
  claimsOf,
  inboxRows,
  isClaimed,
  unkept,
  type Claim,
  type InboxFact,
} from './audit-horizon-rows.ts';
import {
  auditChainAgainst,
  refuseOtherLedger,
  storedHeader,
  type HeadersCompared,
} from './audit-horizon-chain.ts';
import type { Db } from './connection.ts';
import { headOfNetwork } from './operator/evidence.ts';

/** Which part of the ledger. Null: all that was read. */
export type LedgerRange = {
  readonly fromLedger: number | null;
  readonly toLedger: number | null;
  readonly account: string | null;
};

/** How many payments, and their sum, a decimal. */
export type Tally = { readonly payments: number; readonly sum: string };

/** An account's payments in one asset, on both sides. */
export type Compared = {
  readonly account: string;
  /** `native`, or CODE:ISSUER. */
  readonly asset: string;
  readonly fromLedger: number;
  readonly throughLedger: number;
  readonly horizon: Tally;
  readonly inbox: Tally;
};

/** What the comparison showed. */
export type HorizonReport = Found & {
  readonly accounts: number;
  /** Horizon's oldest ledger: what lies before it cannot be compared. */
  readonly oldestLedger: number;
  /** Headers of the chain that were compared. */
  readonly headers: HeadersCompared;
  readonly compared: readonly Compared[];
};

/** What is asked of the ledger. */
export type LedgerToAudit = Pick<LedgerSource, 'head' | 'page' | 'ledger' | 'wholeLedger'>;

/** Horizon says that it has a ledger of which it shows nothing now: another node answered, or it is behind. */
export class LedgerNotShown extends Error {
  override readonly name = 'LedgerNotShown';
}

/** Horizon's largest page. */
const PAGE = 200;

/**
 * Compares. @throws Refusal when the account is not watched, or Horizon shows another ledger than the one that was read;
 * LedgerNotShown, and whatever the source throws, when there is no answer
 */
export async function auditHorizon(
  db: Db,
  source: LedgerToAudit,
  range: LedgerRange,
): Promise<HorizonReport> {
  const head = await headOfNetwork(db, source);
  await refuseOtherLedger(db, source, head);
  const collector = createCollector();
  const headers = await auditChainAgainst(db, source, collector, range);
  const compared: Compared[] = [];
  let accounts = 0;
  for await (const claim of claimsOf(db, range.account)) {
    accounts += 1;
    const comparing = { db, source, collector };
    compared.push(...(await compareAccount(comparing, claim, range, head.oldestLedger)));
  }
  if (range.account !== null && accounts === 0) {
    throw new Refusal('InvalidInput', `The account ${range.account} is not watched.`, 'account');
  }
  const { oldestLedger } = head;
  return { accounts, oldestLedger, headers, compared, ...collector.result() };
}

type Comparing = { readonly db: Db; readonly source: LedgerToAudit; readonly collector: Collector };
type Sums = Map<string, { horizon: [number, bigint]; inbox: [number, bigint] }>;

async function compareAccount(
  comparing: Comparing,
  claim: Claim,
  { fromLedger, toLedger }: LedgerRange,
  oldestLedger: number,
): Promise<Compared[]> {
  const { account, span } = claim;
  const from = Math.max(span.from, fromLedger ?? 0, oldestLedger);
  const through = Math.min(span.through, toLedger ?? span.through);
  const end = (BigInt(through + 1) << 32n) - 1n;
  const sums: Sums = new Map();
  // The ledger before: a cursor stands behind the record that it names.
  let cursor = BigInt(from) << 32n;
  while (cursor < end) {
    const page = await comparing.source.page(account, cursor.toString(), PAGE);
    const next = page.isLast || BigInt(page.nextCursor) > end ? end : BigInt(page.nextCursor);
    await comparePage(comparing, claim, page, { after: cursor, until: next, sums });
    cursor = next;
  }
  const tally = ([payments, sum]: [number, bigint]) => ({ payments, sum: formatAmount(sum) });
  return [...sums].map(([asset, { horizon, inbox }]) => ({
    account,
    asset,
    fromLedger: from,
    throughLedger: through,
    horizon: tally(horizon),
    inbox: tally(inbox),
  }));
}

type Stretch = { readonly after: bigint; readonly until: bigint; readonly sums: Sums };

async function comparePage(
  { db, source, collector }: Comparing,
  claim: Claim,
  page: PageHint,
  { after, until, sums }: Stretch,
): Promise<void> {
  const shown = new Map(
    page.payments
      .filter(({ operationId }) => BigInt(operationId) <= until)
      .map((p) => [ledgerPaymentKey(p), p]),
  );
  const count = (side: 'horizon' | 'inbox', p: Pick<LedgerPayment, 'asset' | 'amount'>) => {
    const sum = sums.get(assetKey(p.asset)) ?? { horizon: [0, 0n], inbox: [0, 0n] };
    sum[side] = [sum[side][0] + 1, sum[side][1] + p.amount];
    sums.set(assetKey(p.asset), sum);
  };
  const ledger = createLedgerReader({ db, source, collector }, claim.account);
  for await (const row of inboxRows(db, claim.account, after, until)) {
    count('inbox', row);
    // A page that ends early says nothing of what comes after it (P6): the row's own ledger is asked for, whole.
    const found = shown.get(row.key) ?? (await ledger(row, collector.isFull('not_on_ledger')));
    shown.delete(row.key);
    if (found !== null) count('horizon', found);
    const problem = found === null ? NOT_SHOWN : differenceOf(row, found);
    if (problem === null) continue;
    const check = found === null ? 'not_on_ledger' : 'differs_from_ledger';
    collector.add([{ promise: 'P1', check, subject: `payment ${row.key}`, problem }]);
  }
  const claimed = [...shown.values()].filter((p) => isClaimed(claim, p));
  for (const payment of claimed) count('horizon', payment);
  const broken = await unkept(db, claim, claimed, page.undecoded);
  collector.add(
    broken.map(({ subject, what }) => ({
      promise: 'P1',
      check: 'not_in_inbox',
      subject,
      problem: `${what} arrived at ${claim.account}. That ledger is read, but the inbox lacks it.`,
    })),
  );
}

const NOT_SHOWN = 'It is in the inbox, but not in the ledger that it names.';

/** Reads the ledgers of rows that no page has shown. Once enough are found, the rest is not asked for. */
function createLedgerReader(comparing: Comparing, account: string) {
  let last: { ledger: number; payments: Map<string, LedgerPayment> } | null = null;
  return async ({ key, ledger }: InboxFact, enough: boolean): Promise<LedgerPayment | null> => {
    if (enough) return null;
    if (last?.ledger !== ledger) {
      const read = await readWhole(comparing, ledger, new Set([account]));
      if (read === null) {
        throw new LedgerNotShown(
          `Horizon does not show ledger ${ledger}, of which the inbox has ${key}.`,
        );
      }
      last = { ledger, payments: new Map(read.payments.map((p) => [ledgerPaymentKey(p), p])) };
    }
    return last.payments.get(key) ?? null;
  };
}

/** A ledger whole, by the chain's header; by the node's own where the chain lacks it, or counts too few operations. */
async function readWhole(
  { db, source, collector }: Comparing,
  ledger: number,
  accounts: ReadonlySet<string>,
): Promise<WholeLedger | null> {
  const stored = await storedHeader(db, ledger);
  try {
    if (stored !== null) return await source.wholeLedger(stored, accounts);
  } catch (error) {
    if (!(error instanceof MoreThanCounted)) throw error;
    const problem = error.message;
    collector.add([{ promise: 'P4', check: 'chain', subject: `ledger ${ledger}`, problem }]);
  }
  const shown = await source.ledger(ledger);
  return shown === null ? null : source.wholeLedger(shown, accounts);
}

function differenceOf(row: InboxFact, shown: LedgerPayment): string | null {
  const facts: [string, string, string][] = [
    ['amount', formatAmount(row.amount), formatAmount(shown.amount)],
    ['asset', assetKey(row.asset), assetKey(shown.asset)],
    ['reference', row.reference ?? 'none', shown.reference ?? 'none'],
    ['ledger', String(row.ledger), String(shown.ledger)],
    ['close time', row.closedAt.toISOString(), shown.closedAt.toISOString()],
  ];
  const different = facts.filter(([, stored, right]) => stored !== right);
  if (different.length === 0) return null;
  const words = different.map(
    ([what, stored, right]) => `its ${what} is ${right} on the ledger, and ${stored} in the inbox`,
  );
  return `${words.join('; ').replace(/^i/, 'I')}.`;
}
