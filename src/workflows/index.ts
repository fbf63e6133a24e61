/** What the worker registers. Names here are workflow types: they are part of the contract. */
export { checkoutSession } from './checkout-session.ts';
export { ledgerWatcher } from './ledger-watcher.ts';
export { reconcile } from './reconcile.ts';
