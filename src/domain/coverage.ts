/** How far the ledger is read for a session's account and asset, from the session's opening on without a hole. */
export type Coverage = {
  /** A ledger that closed before the session was opened. */
  readonly openedAfter: number;
  /** Read through this ledger, by whatever reading: crediting rests on it. */
  readonly readThrough: number;
  /** Proven through this ledger, by whole ledgers and entries that did not move: an ending rests on it. */
  readonly provenThrough: number;
  /** The first ledger of the chain that closed after the effective deadline; null while there is none. */
  readonly endLedger: number | null;
  /** No node shows some of the ledgers that are missing: nothing will prove them. */
  readonly hasHole: boolean;
  /** The newest ledger of the chain; 0 before the first. */
  readonly newestLedger: number;
};
