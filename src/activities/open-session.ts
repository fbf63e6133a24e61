import { isNative, type Asset } from '../domain/asset.ts';
import type { LedgerHeader } from '../domain/evidence.ts';
import { isU64, paymentUri } from '../domain/payment-request.ts';
import { readUuid } from '../doors/messages.ts';
import { readOpenRequest, requireFuture } from '../doors/open-request.ts';
import { referenceFor } from '../db/ids.ts';
import { openSession as insertSession } from '../db/sessions.ts';
import { takeIntoCare, watchAccount } from './watch/care.ts';
import { advanceChain } from './watch/chain.ts';
import { newestLedger } from '../db/ledgers.ts';
import { muxedAddress } from '../horizon/address.ts';
import { NETWORKS } from '../config.ts';
import type { OpenedSession, OpenRequest, SessionView } from '../workflows/contract.ts';
import type { Deps } from './deps.ts';
import { settleAndView } from './read-view.ts';

/** `now` is the workflow's time, by which what is due is judged; no deadline is. */
export type OpenInput = { sessionId: string; request: OpenRequest; now: string };

/** The answer to who asked, and what the session's run would see if it looked now; absent when that is not known. */
export type OpenAnswer = OpenedSession & { view?: SessionView };

/**
 * Creates the session if the backend has not, gives it its reference, and has its account watched from a ledger
 * before its opening. The same request again gives the same answer. Looks at once, which spares the run an activity.
 */
export async function openSession(deps: Deps, input: OpenInput): Promise<OpenAnswer> {
  const opened = await open(deps, input);
  try {
    return { ...opened, view: await settleAndView(deps, input) };
  } catch (error) {
    // The session is open, and that is the answer; its run looks by itself.
    deps.log.warn({ sessionId: input.sessionId, err: error }, 'A session could not be settled.');
    return opened;
  }
}

async function open(deps: Deps, input: OpenInput): Promise<OpenedSession> {
  const { sessionId } = input;
  readUuid(sessionId, 'sessionId');
  const request = readOpenRequest(input.request);
  const { price, asset } = request;
  const exists = await deps.database.db.query.checkoutSessions.findFirst({
    columns: { id: true },
    where: (session, { eq }) => eq(session.id, sessionId),
  });
  const reference = request.memo ?? referenceFor(sessionId);
  const { sequence: openedAfter, closedAt } = await openingLedger(deps);
  // By the ledger, which alone decides when a deadline is over.
  if (!exists) requireFuture(request.expiresAt, closedAt);
  await watchAccount(deps, request.receivingAccount, openedAfter);
  const row = await insertSession(
    deps.database.pool,
    { ...request, id: sessionId, price, asset, reference, askedReference: request.memo ?? null },
    openedAfter,
  );
  // The backend made the row some time ago.
  if (row.openedAfter === null) await takeIntoCare(deps, sessionId);
  const memo = row.memo ?? reference;
  const { status, receivingAccount } = row;
  deps.log.info(
    { sessionId, merchantId: request.merchantId, receivingAccount, status },
    exists ? 'A session was asked for again.' : 'A session is open.',
  );
  const onPublicNetwork = deps.networkPassphrase === NETWORKS['public'];
  return {
    sessionId,
    merchantId: row.merchantId,
    status: row.status,
    amount: row.amount,
    asset,
    receivingAccount: row.receivingAccount,
    memo,
    memoType: isU64(memo) ? 'id' : 'text',
    muxedAccount: isU64(memo) ? muxedAddress(row.receivingAccount, BigInt(memo)) : null,
    paymentUri: paymentUri({
      destination: row.receivingAccount,
      amount: price,
      asset,
      reference: memo,
      networkPassphrase: onPublicNetwork ? null : deps.networkPassphrase,
    }),
    expiresAt: row.expiresAt.toISOString(),
    warnings: await warningsFor(deps, sessionId, row.receivingAccount, asset),
  };
}

/**
 * A ledger that closed before the session exists: the newest one that a node shows now, or else the newest one known.
 * @throws whatever the source throws when no ledger is known at all
 */
async function openingLedger(deps: Deps): Promise<LedgerHeader> {
  try {
    return (await advanceChain(deps)).newest;
  } catch (error) {
    const known = await newestLedger(deps.database.db);
    if (known === null) throw error;
    return known;
  }
}

/** What would keep customers from paying. Not knowing it is no reason to refuse the session. */
async function warningsFor(
  deps: Deps,
  sessionId: string,
  receivingAccount: string,
  asset: Asset,
): Promise<string[]> {
  try {
    const entries = await deps.source.accountEntries(receivingAccount);
    if (entries === null) return [`${receivingAccount} does not exist on the ledger yet.`];
    if (isNative(asset) || asset.issuer === receivingAccount) return [];
    const line = entries.shown.trustlines.get(`${asset.code}:${asset.issuer ?? ''}`);
    if (!line)
      return [`${receivingAccount} has no trustline for ${asset.code}: payments will fail.`];
    return line.authorized
      ? []
      : [`The issuer has not authorized the trustline for ${asset.code}.`];
  } catch (error) {
    deps.log.warn({ sessionId, receivingAccount, err: error }, 'The account could not be checked.');
    return ['The account could not be checked: Horizon did not answer.'];
  }
}
