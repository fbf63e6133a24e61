/** Assets. An asset is its code and its issuer together; the same code from another issuer is another asset. */

/** A Stellar asset. The native asset is `{ code: 'XLM', issuer: null }`, as the existing backend stores it. */
export type Asset = { readonly code: string; readonly issuer: string | null };

/** Lumens. */
export const NATIVE: Asset = { code: 'XLM', issuer: null };

/** Lumens are the one asset without an issuer; an issued asset called XLM is not native. */
export function isNative(asset: Asset): boolean {
  return asset.issuer === null && asset.code === 'XLM';
}

/** The text by which an asset is keyed in the database: `native`, or `CODE:ISSUER`. Codes are case-sensitive. */
export function assetKey(asset: Asset): string {
  return isNative(asset) ? 'native' : `${asset.code}:${asset.issuer ?? ''}`;
}

/** True only when code and issuer are both equal. */
export function sameAsset(a: Asset, b: Asset): boolean {
  return a.code === b.code && a.issuer === b.issuer;
}

const CODE = /^[a-zA-Z0-9]{1,12}$/;

/** Whether the text can be an asset code: 1 to 12 letters and digits. */
export function isAssetCode(code: string): boolean {
  return CODE.test(code);
}
