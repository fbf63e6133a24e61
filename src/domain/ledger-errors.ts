/** Contradictions between what a node shows and what was read before. Both concern the chain, not the connection. */

/** A node shows another hash for a ledger that was read: another network, or one that was reset. */
export class OtherChain extends Error {
  override readonly name = 'OtherChain';
}

/** A ledger shows more operations than its header counts: the header came from a node that filters. */
export class MoreThanCounted extends Error {
  override readonly name = 'MoreThanCounted';
}
