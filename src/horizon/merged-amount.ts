import { xdr } from '@stellar/stellar-sdk';
import { z } from 'zod';
import { formatAmount } from '../domain/money.ts';
import type { JoinedOperation } from './records.ts';

const operations = z.array(z.unknown());
const success = z.object({ result: z.object({ tx_success: operations }) });
const bumped = z.object({
  result: z.object({ tx_fee_bump_inner_success: z.object({ result: success }) }),
});
const merge = z.object({
  op_inner: z.object({ account_merge: z.object({ success: z.coerce.bigint() }) }),
});

/**
 * The lumens that an account_merge moved, as a decimal. Horizon's record has no amount (resourceadapter/operations.go);
 * the joined transaction's result has it (AccountMergeResult.sourceAccountBalance). @throws when it has not
 */
export function mergedAmount({ id, transaction }: JoinedOperation): string {
  if (transaction.result_xdr === undefined) {
    throw new RangeError(
      'The transaction brings no result_xdr, so the merged amount is not known.',
    );
  }
  const result: unknown = xdr.TransactionResult.fromXdr(transaction.result_xdr, 'base64').toJson();
  const inner = bumped.safeParse(result);
  const { tx_success: list } = inner.success
    ? inner.data.result.tx_fee_bump_inner_success.result.result
    : success.parse(result).result;
  const index = Number(BigInt(id) & 0xfffn) - 1;
  return formatAmount(merge.parse(list[index]).op_inner.account_merge.success);
}
