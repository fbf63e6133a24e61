/** The fields of an operation record, as Horizon's ingestion writes them (operations_processor.go). */
import { MuxedAccount, StrKey, extractBaseAddress } from '@stellar/stellar-sdk';
import type { AssetKey } from './entries.ts';
import type { Json } from './history.ts';

/** `to`, and for a muxed address `to_muxed` and `to_muxed_id`. Horizon omits the id when it is 0 (omitempty). */
export function accountFields(name: string, address: string): Json {
  const fields: Json = { [name]: extractBaseAddress(address) };
  if (!StrKey.isValidMed25519PublicKey(address)) return fields;
  fields[`${name}_muxed`] = address;
  const id = MuxedAccount.fromAddress(address, '0').id();
  if (id !== '0') fields[`${name}_muxed_id`] = id;
  return fields;
}

/** `asset_type`, `asset_code` and `asset_issuer`, each with a prefix. */
export function assetFields(asset: AssetKey, prefix = ''): Json {
  if (asset === 'native') return { [`${prefix}asset_type`]: 'native' };
  const [code = '', issuer = ''] = asset.split(':');
  return {
    [`${prefix}asset_type`]: code.length <= 4 ? 'credit_alphanum4' : 'credit_alphanum12',
    [`${prefix}asset_code`]: code,
    [`${prefix}asset_issuer`]: issuer,
  };
}

/** An asset as XDR-JSON wants it. */
export function assetXdrJson(asset: AssetKey): unknown {
  if (asset === 'native') return 'native';
  const [code = '', issuer = ''] = asset.split(':');
  const arm = code.length <= 4 ? 'credit_alphanum4' : 'credit_alphanum12';
  return { [arm]: { asset_code: code, issuer } };
}
