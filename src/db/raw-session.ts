/** A session's row as JSON within a statement, and the session that it is. Amounts and instants cross as text. */
import { sql, type SQL } from 'drizzle-orm';
import { carriedMetadata } from '../domain/metadata.ts';
import type { Session, SessionStatus } from '../domain/session.ts';
import { readInstant, readPrice } from '../domain/terms.ts';
import { METADATA_TOO_LONG } from './session-row.ts';

/** The row of a session `s`, as arguments of json_build_object; its statement joins `RAW_SESSION_METADATA`. */
export const RAW_SESSION: SQL = sql`
      'id', s.id, 'merchantId', s.merchant_id, 'price', s.amount::text,
      'assetCode', s.asset_code, 'assetIssuer', s.asset_issuer,
      'receivingAccount', s.receiving_account, 'memo', s.memo, 'status', s.status,
      'metadata', CASE WHEN NOT meta.too_long THEN s.metadata END, 'metadataTooLong', meta.too_long,
      'expiresAt', s.expires_at, 'createdAt', s.created_at,
      'cancelAt', s.cancel_at, 'closedThroughLedger', s.closed_through_ledger,
      'finalDeadline', s.final_deadline, 'processingSince', s.processing_since`;

/** OFFSET: asked once, though it stands in two places. */
export const RAW_SESSION_METADATA: SQL = sql`
    CROSS JOIN LATERAL (SELECT ${METADATA_TOO_LONG} AS too_long OFFSET 0) meta`;

/** What `RAW_SESSION` makes. */
export type RawSession = {
  id: string;
  merchantId: string;
  price: string;
  assetCode: string;
  assetIssuer: string | null;
  receivingAccount: string;
  memo: string | null;
  status: SessionStatus;
  metadata: unknown;
  metadataTooLong: boolean;
  expiresAt: string;
  createdAt: string;
  cancelAt: string | null;
  closedThroughLedger: number | null;
  finalDeadline: string | null;
  processingSince: string | null;
};

/** An instant of a row, or the nearest one that exists. @throws RangeError when it is no instant at all */
export const date = (text: string): Date => readInstant(text).at;
/** The same where there may be none. */
export const dateOrNull = (text: string | null): Date | null => (text === null ? null : date(text));

/** A row whose price is none counts as zero: domain/row-check.ts says so. */
export function toSession(raw: RawSession): Session {
  return {
    id: raw.id,
    merchantId: raw.merchantId,
    price: readPrice(raw.price) ?? 0n,
    asset: { code: raw.assetCode, issuer: raw.assetIssuer },
    receivingAccount: raw.receivingAccount,
    reference: raw.memo,
    status: raw.status,
    processingSince: dateOrNull(raw.processingSince),
    createdAt: date(raw.createdAt),
    expiresAt: date(raw.expiresAt),
    cancelAt: dateOrNull(raw.cancelAt),
    closedThroughLedger: raw.closedThroughLedger,
    finalDeadline: dateOrNull(raw.finalDeadline),
    ...carriedMetadata(raw.metadata, raw.metadataTooLong),
  };
}
