/**
 * What answers under a session's id is a workflow of that id, and whoever may write to the namespace can start one. A
 * client believes an answer only as far as it fits what was asked.
 */
import { muxedAccountId } from '../domain/account-id.ts';
import { formatAmount } from '../domain/money.ts';
import { isReference, isU64, paymentUri } from '../domain/payment-request.ts';
import type { OpenedSession } from '../workflows/contract.ts';
import type { ReadRequest } from './open-request.ts';
import { quoted } from './text.ts';

/** An answer that does not fit its question. Nothing in it may be shown to a payer. `field` is what differs. */
export class AnswerDiffers extends Error {
  override readonly name = 'AnswerDiffers';
  readonly field: string;

  constructor(sessionId: string, field: string, found: unknown, wanted: string) {
    super(
      `What answered for session ${sessionId} is not its workflow: ${field} is ${quoted(found)}, not ${quoted(wanted)}. ` +
        'Find out what runs under its workflow id, and who may write to the Temporal namespace.',
    );
    this.field = field;
  }
}

/** Each part of an answer with what it must be. */
type Expected = readonly (readonly [field: string, found: unknown, wanted: string])[];

/** @throws AnswerDiffers at the first part that is not what it must be */
export function requireFits(sessionId: string, expected: Expected): void {
  const wrong = expected.find(([, found, wanted]) => found !== wanted);
  if (wrong) throw new AnswerDiffers(sessionId, ...wrong);
}

/**
 * Compares the answer to `open` with the request, and everything that a payer acts on (account, muxed account, payment
 * URI) with the rest of the answer. @throws AnswerDiffers
 */
export function requireOpened(
  sessionId: string,
  asked: ReadRequest,
  answer: unknown,
): OpenedSession {
  const opened = (
    typeof answer === 'object' && answer !== null ? answer : {}
  ) as Partial<OpenedSession>;
  const { memo, merchantId = asked.merchantId } = opened;
  requireFits(sessionId, [
    ['sessionId', opened.sessionId, sessionId],
    ['merchantId', merchantId, asked.merchantId],
    ['amount', opened.amount, formatAmount(asked.price)],
    ['asset.code', opened.asset?.code, asked.asset.code],
    ['asset.issuer', String(opened.asset?.issuer), String(asked.asset.issuer)],
    ['receivingAccount', opened.receivingAccount, asked.receivingAccount],
    ['expiresAt', opened.expiresAt, asked.expiresAt.toISOString()],
  ]);
  if (typeof memo !== 'string' || !(isReference(memo) || /^[0-9a-f]{64}$/.test(memo))) {
    throw new AnswerDiffers(sessionId, 'memo', memo, asked.memo ?? 'a reference');
  }
  const isId = isU64(memo);
  const muxed = isId ? muxedAccountId(asked.receivingAccount, BigInt(memo)) : null;
  const uri = paymentUri({
    destination: asked.receivingAccount,
    amount: asked.price,
    asset: asked.asset,
    reference: memo,
    networkPassphrase: null,
  });
  requireFits(sessionId, [
    ['memo', memo, asked.memo ?? memo],
    ['memoType', opened.memoType, isId ? 'id' : 'text'],
    ['muxedAccount', String(opened.muxedAccount), String(muxed)],
    ['paymentUri', withoutNetwork(opened.paymentUri), uri],
  ]);
  return answer as OpenedSession;
}

/** The client does not know the network: a URI may name one, as its last parameter. */
function withoutNetwork(uri: unknown): unknown {
  return typeof uri === 'string' ? uri.replace(/&network_passphrase=[^&#]*$/, '') : uri;
}
