/** POST /transactions and /transactions_async. */
import type { Chain, Ending } from './chain.ts';
import type { Json } from './history.ts';
import {
  invalidField,
  submissionTimeout,
  transactionFailed,
  transactionMalformed,
} from './problem.ts';
import { transactionJson } from './render.ts';
import { resultCodes, resultXdr } from './result.ts';
import { feeOf } from './validity.ts';
import type { Submission } from './envelope.ts';

function accept(chain: Chain, form: URLSearchParams): ReturnType<Chain['submit']> {
  const envelope = form.get('tx');
  if (!envelope) throw invalidField('tx', 'missing value');
  try {
    return chain.submit(envelope);
  } catch {
    throw transactionMalformed(envelope);
  }
}

/** Waits for the ledger and answers the transaction; after `timeoutMs` 504, whatever becomes of it. */
export async function submit(
  chain: Chain,
  form: URLSearchParams,
  timeoutMs: number,
  base: string,
): Promise<Json> {
  const { submission, done } = accept(chain, form);
  const ending = await before(done, timeoutMs);
  if (ending === null) throw submissionTimeout(submission.hash, submission.envelopeXdr);
  if (ending.kind === 'refused') {
    const { xdr, codes } = refusalResult(submission, ending);
    throw transactionFailed(submission.envelopeXdr, xdr, codes);
  }
  const { record } = ending;
  if (!record.successful) {
    throw transactionFailed(submission.envelopeXdr, record.resultXdr, record.resultCodes);
  }
  return transactionJson(record, submission.hash, base);
}

/** Answers at once: 201 PENDING, 409 DUPLICATE, or 400 ERROR with the result. */
export async function submitAsync(
  chain: Chain,
  form: URLSearchParams,
): Promise<{ status: number; body: Json }> {
  const { submission, isNew, done } = accept(chain, form);
  const { hash } = submission;
  if (!isNew) return { status: 409, body: { tx_status: 'DUPLICATE', hash } };
  if (chain.isPending(hash)) return { status: 201, body: { tx_status: 'PENDING', hash } };
  const ending = await done;
  if (ending.kind === 'included') return { status: 409, body: { tx_status: 'DUPLICATE', hash } };
  const { xdr } = refusalResult(submission, ending);
  return { status: 400, body: { error_result_xdr: xdr, tx_status: 'ERROR', hash } };
}

function refusalResult(submission: Submission, { outcome }: Extract<Ending, { kind: 'refused' }>) {
  const own = outcome.kind === 'rejected' && outcome.by === 'outer';
  const inner = own ? null : submission.innerHash;
  return {
    xdr: resultXdr(outcome, feeOf(submission), inner),
    codes: resultCodes(outcome, inner),
  };
}

async function before(done: Promise<Ending>, timeoutMs: number): Promise<Ending | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    // Unreferenced: a submission that still waits must not keep a stopped process alive.
    timer = setTimeout(() => resolve(null), timeoutMs).unref();
  });
  const ending = await Promise.race([done, late]);
  clearTimeout(timer);
  return ending;
}
