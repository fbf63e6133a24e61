/** What operations work on, and what comes of one. */
import { assetFields } from './details.ts';
import type { AssetKey, Workspace } from './entries.ts';
import type { EffectRecord, Json } from './history.ts';
import type { Rates } from './rates.ts';
import type { OperationResult } from './result.ts';

/** What an operation is applied to. `address` is its source as written (perhaps muxed), `source` the G address. */
export type Stage = {
  readonly ws: Workspace;
  readonly source: string;
  readonly address: string;
  readonly rates: Rates;
  readonly contracts: Map<string, AssetKey>;
  readonly passphrase: string;
};

/** What came of an operation, and the record Horizon will show (`type` in Horizon's spelling). */
export type Applied = {
  readonly type: string;
  readonly result: OperationResult;
  readonly details: Json;
  readonly participants: readonly string[];
  readonly effects: readonly EffectRecord[];
  readonly isPayment: boolean;
};

/** An effect of money coming or going; the account may be muxed. */
export function moved(
  type: string,
  account: string,
  asset: AssetKey,
  amount: string,
): EffectRecord {
  return { account, type, details: { amount, ...assetFields(asset) } };
}
