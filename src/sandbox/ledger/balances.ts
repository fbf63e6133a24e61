/** Moving money between entries, with the reasons stellar-core gives when it cannot. */
import { MAX_STROOPS } from '../../domain/money.ts';
import type { Stroops } from '../../domain/money.ts';
import { minimumBalance } from './entries.ts';
import type { AssetKey, Workspace } from './entries.ts';

/** The XDR name of a failure (`no_trust`, `underfunded` …), or null when it was done. */
export type Failure = string | null;

/** The issuer of an asset, or null for lumens. */
export function issuerOf(asset: AssetKey): string | null {
  return asset === 'native' ? null : asset.slice(asset.indexOf(':') + 1);
}

/** Gives an amount to an account. An issuer takes its own asset back without a trustline: it is burnt. */
export function credit(ws: Workspace, id: string, asset: AssetKey, amount: Stroops): Failure {
  if (!ws.account(id)) return 'no_destination';
  if (issuerOf(asset) === id) return null;
  if (asset === 'native') {
    const entry = ws.touchAccount(id);
    if (!entry || entry.balance + amount > MAX_STROOPS) return 'line_full';
    entry.balance += amount;
    return null;
  }
  const line = ws.touchTrustline(id, asset);
  if (!line) return 'no_trust';
  if (line.balance + amount > line.limit) return 'line_full';
  line.balance += amount;
  return null;
}

/** Takes an amount from an account, which must keep its reserve. An issuer has as much as it likes. */
export function debit(ws: Workspace, id: string, asset: AssetKey, amount: Stroops): Failure {
  if (issuerOf(asset) === id) return null;
  if (asset === 'native') {
    const entry = ws.touchAccount(id);
    if (!entry || entry.balance - minimumBalance(entry) < amount) return 'underfunded';
    entry.balance -= amount;
    return null;
  }
  const line = ws.touchTrustline(id, asset);
  if (!line) return 'src_no_trust';
  if (line.balance < amount) return 'underfunded';
  line.balance -= amount;
  return null;
}
