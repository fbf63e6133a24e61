/**
 * What the network knows now: accounts and their trustlines. Changes are made in a workspace (a copy on
 * write), so that a failed transaction leaves nothing behind, and every version of an account is kept,
 * so that the sandbox can answer like a node that lags some ledgers behind.
 */
import type { Stroops } from '../../domain/money.ts';

/** `native`, or `CODE:ISSUER`. */
export type AssetKey = string;

/** A trustline. `lastModified` is the ledger that wrote it last. */
export type TrustLine = { balance: Stroops; limit: Stroops; lastModified: number };

/** An account as stellar-core stores it, with its trustlines beside it. Amounts in stroops. */
export type AccountEntry = {
  id: string;
  balance: Stroops;
  sequence: bigint;
  sequenceLedger: number;
  sequenceTime: number;
  lastModified: number;
  homeDomain: string;
  data: Map<string, string>;
  trustlines: Map<AssetKey, TrustLine>;
};

/** Half a lumen for each entry: the account itself counts as two. */
export const BASE_RESERVE: Stroops = 5_000_000n;

/** What an account must keep: two reserves and one for each trustline and data entry. */
export function minimumBalance(entry: AccountEntry): Stroops {
  return BigInt(2 + entry.trustlines.size + entry.data.size) * BASE_RESERVE;
}

/** Reads accounts; a workspace is stacked on one. */
export type AccountReader = { account(id: string): AccountEntry | undefined };

/**
 * A copy on write over what lies below. An entry which is asked for writing counts as modified in this
 * workspace's ledger even if nothing changes, as in stellar-core (LedgerTxn stamps what it loaded).
 */
export class Workspace implements AccountReader {
  readonly ledger: number;
  readonly changes = new Map<string, AccountEntry | null>();
  private readonly below: AccountReader;

  constructor(below: AccountReader, ledger: number) {
    this.below = below;
    this.ledger = ledger;
  }

  account(id: string): AccountEntry | undefined {
    const changed = this.changes.get(id);
    return changed === undefined ? this.below.account(id) : (changed ?? undefined);
  }

  /** The account entry for writing; it was modified in this ledger from now on. */
  touchAccount(id: string): AccountEntry | undefined {
    const entry = this.writable(id);
    if (entry) entry.lastModified = this.ledger;
    return entry;
  }

  /** The trustline for writing; the account entry itself stays unmodified. */
  touchTrustline(id: string, asset: AssetKey): TrustLine | undefined {
    if (!this.account(id)?.trustlines.has(asset)) return undefined;
    const line = this.writable(id)?.trustlines.get(asset);
    if (line) line.lastModified = this.ledger;
    return line;
  }

  /** Adds an account, or replaces it. */
  put(entry: AccountEntry): void {
    this.changes.set(entry.id, { ...entry, lastModified: this.ledger });
  }

  /** Removes an account (a merge does). */
  remove(id: string): void {
    this.changes.set(id, null);
  }

  /** Makes the changes of a workspace stacked on this one this one's own. */
  absorb(above: Workspace): void {
    for (const [id, entry] of above.changes) this.changes.set(id, entry);
  }

  private writable(id: string): AccountEntry | undefined {
    const own = this.changes.get(id);
    if (own !== undefined) return own ?? undefined;
    const below = this.below.account(id);
    if (!below) return undefined;
    const copy = copyEntry(below);
    this.changes.set(id, copy);
    return copy;
  }
}

function copyEntry(entry: AccountEntry): AccountEntry {
  const trustlines = new Map([...entry.trustlines].map(([key, line]) => [key, { ...line }]));
  return { ...entry, data: new Map(entry.data), trustlines };
}

/** All accounts with all their versions. */
export class AccountStore implements AccountReader {
  private readonly versions = new Map<string, { ledger: number; entry: AccountEntry | null }[]>();

  account(id: string): AccountEntry | undefined {
    return this.versions.get(id)?.at(-1)?.entry ?? undefined;
  }

  /** The account as it stood when that ledger had closed. */
  accountAsOf(id: string, ledger: number): AccountEntry | undefined {
    return (
      this.versions.get(id)?.findLast((version) => version.ledger <= ledger)?.entry ?? undefined
    );
  }

  /** Stores the outcome of a closed ledger. */
  commit(workspace: Workspace): void {
    for (const [id, entry] of workspace.changes) {
      const list = this.versions.get(id);
      const version = { ledger: workspace.ledger, entry };
      if (list) list.push(version);
      else this.versions.set(id, [version]);
    }
  }
}
