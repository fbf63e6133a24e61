/** The live row of `payments` of a session, on its way out of the database. */
import { readInstant } from '../domain/terms.ts';
import { parseStored } from './inbox-payment.ts';

/** The row as JSON; the amount crosses as text. */
export type RawPaymentRow = {
  txHash: string;
  amount: string;
  sender: string;
  confirmedAt: string;
  id: string;
  settled: boolean;
  legacy: boolean;
  foreign: boolean | null;
};

/** What facts say of the row, or of there being none. */
export function paymentRowFacts(row: RawPaymentRow | null) {
  if (row === null) {
    return {
      paymentRow: null,
      paymentRowId: null,
      rowSettled: false,
      rowForeign: false,
      legacy: false,
    };
  }
  const { txHash, sender } = row;
  return {
    paymentRow: {
      txHash,
      sender,
      // A row whose amount is NaN is a problem of the row: nothing is decided from it.
      amount: row.amount === 'NaN' ? 0n : parseStored(row.amount),
      confirmedAt: readInstant(row.confirmedAt).at,
    },
    paymentRowId: row.id,
    rowSettled: row.settled,
    rowForeign: row.foreign === true,
    legacy: row.legacy,
  };
}
