/** What the rows say is read of each account, as the audit reads it: plain intervals, united in TypeScript. */
import { sql } from 'drizzle-orm';
import { unionOf, type Interval, type Ledgers } from '../domain/audit-intervals.ts';
import type { Db } from './connection.ts';

/** What is read of one account. */
export type AccountLedgers = {
  /** Proven for every asset: ledgers read whole for this account, or for the network. */
  readonly whole: Ledgers;
  /** Proven besides, by asset (`native`, or CODE:ISSUER): ledgers in which its entry did not move. */
  readonly unmoved: ReadonlyMap<string, Ledgers>;
  /** Read by overlapping pages: no proof, but crediting may rest on it. */
  readonly pages: Ledgers;
  /** Ledgers that no node shows: crediting goes on behind them, and nothing is claimed of them. */
  readonly holes: Ledgers;
};

/** An account of which nothing is read. */
export const NOTHING_READ: AccountLedgers = {
  whole: [],
  unmoved: new Map(),
  pages: [],
  holes: [],
};

/** What is proven of an account in one asset. */
export function provenLedgers({ whole, unmoved }: AccountLedgers, asset: string): Ledgers {
  return unionOf([...whole, ...(unmoved.get(asset) ?? [])]);
}

/** What is read of an account in one asset, with or without proof: the inbox must have all of it. */
export function readLedgers(of: AccountLedgers, asset: string): Ledgers {
  return unionOf([...provenLedgers(of, asset), ...of.pages]);
}

/** The same, and the holes: what crediting may rest on. */
export function creditableLedgers(of: AccountLedgers, asset: string): Ledgers {
  return unionOf([...readLedgers(of, asset), ...of.holes]);
}

type Row = { account: string; kind: string; first: string; last: string };

/** What is read of these accounts. An account that is not watched is left out. */
export async function readAccountLedgers(
  db: Db,
  accounts: readonly string[],
): Promise<Map<string, AccountLedgers>> {
  const list = sql`${sql.param(accounts)}::text[]`;
  const { rows } = await db.execute<Row>(sql`
    SELECT account, 'watched' AS kind, 1 AS first, 0 AS last
      FROM settlement.watched_accounts WHERE account = ANY(${list})
    UNION ALL SELECT account, asset, lower(r), upper(r) - 1
      FROM settlement.coverage, unnest(ledgers) AS r WHERE account = ANY(${list})
    UNION ALL SELECT account, '*', network_from, n.through_ledger
      FROM settlement.watched_accounts, settlement.network_reading n
      WHERE account = ANY(${list}) AND network_from IS NOT NULL
    UNION ALL SELECT account, 'pages', lower(r), upper(r) - 1
      FROM settlement.watched_accounts, unnest(read_ledgers) AS r WHERE account = ANY(${list})
    UNION ALL SELECT account, 'holes', lower(ledgers), upper(ledgers) - 1
      FROM settlement.history_holes WHERE account = ANY(${list})`);
  const byAccount = Map.groupBy(rows, ({ account }) => account);
  return new Map([...byAccount].map(([account, ofAccount]) => [account, together(ofAccount)]));
}

function together(rows: readonly Row[]): AccountLedgers {
  const byKind = new Map(
    [...Map.groupBy(rows, ({ kind }) => kind)].map(([kind, list]) => [
      kind,
      unionOf(
        list.map(({ first, last }): Interval => ({ from: Number(first), through: Number(last) })),
      ),
    ]),
  );
  const isAsset = (kind: string) => kind === 'native' || kind.includes(':');
  return {
    whole: byKind.get('*') ?? [],
    unmoved: new Map([...byKind].filter(([kind]) => isAsset(kind))),
    pages: byKind.get('pages') ?? [],
    holes: byKind.get('holes') ?? [],
  };
}
