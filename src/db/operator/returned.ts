/** Money that was sent back: believed when the ledger shows it. */
import { MuxedAccount, StrKey } from '@stellar/stellar-sdk';
import { sql } from 'drizzle-orm';
import { assetKey, sameAsset } from '../../domain/asset.ts';
import { Refusal } from '../../domain/failure.ts';
import { heldOfPayment } from '../../domain/held.ts';
import type { InboxPayment } from '../../domain/judge.ts';
import { isTxHash, ledgerPaymentKey, type LedgerPayment } from '../../domain/ledger-payment.ts';
import type { Found, LedgerSource } from '../../domain/ledger-source.ts';
import { formatAmount, type Stroops } from '../../domain/money.ts';
import type { Database, Db } from '../connection.ts';
import { gatherFacts } from '../facts.ts';
import { serializable } from '../serializable.ts';
import { writeDown, writeDownAtSessions, type By } from './decision.ts';
import { wakeSessions } from '../worklists.ts';
import { headOfNetwork } from './evidence.ts';
import { findPayment, parsePaymentKey, sessionsConcerned, type InboxRow } from './inbox-row.ts';

/** What is said to have been returned, in which transaction, and to whom where that is not the payer. */
export type ReturnClaim = {
  readonly payment: string;
  readonly txHash: string;
  /** G…, M… or C…; null: to the payer. */
  readonly to: string | null;
};

/** A return that the ledger shows. Amounts are decimals. */
export type ProvenReturn = {
  readonly payment: string;
  /** The movement that proves it: `<tx hash>:<operation index>:<sub index>`. */
  readonly provenBy: string;
  readonly held: string;
  readonly returned: string;
  readonly asset: string;
  readonly to: string;
};

/**
 * Resolves held money as returned, if the transaction moved at least what is held, in the same asset, from the
 * receiving account to the payer (or to whom the claim names). One movement proves one return. What the payment's
 * session holds is computed under its lock, so that nothing is resolved that counts.
 * @throws Refusal, and nothing is written, when the ledger does not show it
 */
export async function provenReturn(
  { pool, db }: Pick<Database, 'pool' | 'db'>,
  source: Pick<LedgerSource, 'head' | 'transaction'>,
  claim: ReturnClaim,
  by: By,
): Promise<ProvenReturn> {
  const key = parsePaymentKey(claim.payment);
  if (!isTxHash(claim.txHash)) {
    throw no(`Not a transaction hash: ${JSON.stringify(claim.txHash)}.`, 'tx hash');
  }
  const known = await findPayment(db, key, false);
  const payee = payeeOf(known.payment, claim.to);
  refuseResolved(claim.payment, known);
  await headOfNetwork(db, source);
  const found = await source.transaction(claim.txHash, new Set([payee]));
  const movements = movementsBack(known.payment, payee, claim.txHash, found);
  const { value } = await serializable(pool, async (tx) => {
    const row = await lockWithSession(tx, key);
    refuseResolved(claim.payment, row);
    const held = await heldOfRow(tx, claim.payment, row);
    const proof = await firstUnused(tx, claim.txHash, movements, held);
    await writeReturn(tx, key, { proof, payee, by });
    const result: ProvenReturn = {
      payment: claim.payment,
      provenBy: ledgerPaymentKey(proof),
      held: formatAmount(held),
      returned: formatAmount(proof.amount),
      asset: assetKey(proof.asset),
      to: payee,
    };
    const sessions = await sessionsConcerned(tx, row);
    const entry = {
      action: 'payment returned',
      detail: { ...result, before: { verdict: row.payment.verdict, sessionId: row.sessionId } },
    };
    await writeDown(tx, by, { ...entry, subject: `payment ${claim.payment}` });
    await writeDownAtSessions(tx, by, sessions, entry);
    await wakeSessions(tx, sessions);
    return result;
  });
  return value;
}

function no(problem: string, field = 'payment'): Refusal {
  return new Refusal('InvalidInput', problem, field);
}

/** The account behind an address: who muxed addresses are is the same account's own business. */
function baseOf(address: string): string {
  return StrKey.isValidMed25519PublicKey(address)
    ? MuxedAccount.fromAddress(address, '0').baseAccount().accountId()
    : address;
}

function payeeOf({ sender }: LedgerPayment, to: string | null): string {
  const payee = baseOf(to ?? sender);
  if (StrKey.isValidEd25519PublicKey(payee) || StrKey.isValidContract(payee)) return payee;
  throw no(`--to: not an address (G…, M… or C…): ${JSON.stringify(to ?? sender)}.`, 'to');
}

function refuseResolved(
  name: string,
  { payment, resolvedBy, resolution }: Pick<InboxRow, 'payment' | 'resolvedBy' | 'resolution'>,
): void {
  if (payment.resolved)
    throw no(`${name} was already dealt with, by ${resolvedBy}: ${resolution}.`);
}

/** What the transaction moved back in the right asset, the smallest first. */
function movementsBack(
  payment: LedgerPayment,
  payee: string,
  txHash: string,
  found: Found,
): LedgerPayment[] {
  if (found.kind === 'not_found') {
    throw no(`Horizon does not show transaction ${txHash} now. Ask again when it does.`, 'tx hash');
  }
  if (!found.successful) throw no(`Transaction ${txHash} failed: it moved nothing.`, 'tx hash');
  if (found.closedAt < payment.closedAt) {
    throw no(
      `Transaction ${txHash} closed at ${found.closedAt.toISOString()}, before the payment came (${payment.closedAt.toISOString()}): it cannot be its return.`,
      'tx hash',
    );
  }
  const unread = found.undecoded.map(({ problem }) => ` A record of it cannot be read: ${problem}`);
  const toPayee = found.payments.filter(({ account }) => account === payee);
  const back = toPayee.filter(({ sender }) => baseOf(sender) === payment.account);
  if (back.length === 0) {
    const others = toPayee.length > 0 ? `${payee} was paid by ${toPayee[0]?.sender} there, ` : '';
    throw no(
      `Transaction ${txHash} moved nothing from ${payment.account} to ${payee}: ${others}` +
        `name the receiver with --to if the money was returned to somebody else.${unread.join('')}`,
      'tx hash',
    );
  }
  const right = back.filter(({ asset }) => sameAsset(asset, payment.asset));
  if (right.length === 0) {
    const moved = back.map((p) => `${formatAmount(p.amount)} ${assetKey(p.asset)}`).join(', ');
    throw no(
      `Transaction ${txHash} returned ${moved}, but what is held is ${assetKey(payment.asset)}.`,
      'tx hash',
    );
  }
  return right.sort((a, b) => (a.amount < b.amount ? -1 : a.amount > b.amount ? 1 : 0));
}

/** Settle locks sessions first and writes their payments then; so do we. */
async function lockWithSession(tx: Db, key: Parameters<typeof findPayment>[1]): Promise<InboxRow> {
  const { sessionId } = await findPayment(tx, key, false);
  await tx.execute(sql`SELECT FROM checkout_sessions WHERE id = ${sessionId} FOR UPDATE`);
  return findPayment(tx, key, true);
}

async function heldOfRow(tx: Db, name: string, row: InboxRow): Promise<Stroops> {
  const { payment, sessionId, orphaned } = row;
  if (payment.verdict === null) {
    throw no(`${name} has not been judged yet: the watcher's next turn does it. Ask again then.`);
  }
  const held =
    sessionId === null || orphaned ? payment.amount : await heldBySession(tx, payment, sessionId);
  if (held > 0n) return held;
  const why =
    payment.verdict === 'credited'
      ? `all of it is part of what session ${sessionId} was or may still be paid with`
      : 'its amount is zero';
  throw no(`Nothing of ${name} is held: ${why}.`);
}

async function heldBySession(tx: Db, payment: InboxPayment, sessionId: string): Promise<Stroops> {
  const facts = (await gatherFacts(tx, [sessionId], 'locked')).get(sessionId);
  return (facts && heldOfPayment(facts, payment)?.amount) ?? 0n;
}

/** The smallest movement that is enough and has not proven another return. */
async function firstUnused(
  tx: Db,
  txHash: string,
  movements: readonly LedgerPayment[],
  held: Stroops,
): Promise<LedgerPayment> {
  const enough = movements.filter(({ amount }) => amount >= held);
  const most = movements.at(-1);
  if (enough.length === 0 && most !== undefined) {
    throw no(
      `Transaction ${txHash} returned ${formatAmount(most.amount)}, but ${formatAmount(held)} ${assetKey(most.asset)} is held.`,
      'tx hash',
    );
  }
  const { rows } = await tx.execute<{ proof: string; payment: string }>(sql`
    SELECT concat_ws(':', return_tx_hash, return_op_index, return_sub_index) AS proof,
      concat_ws(':', tx_hash, op_index, sub_index) AS payment
    FROM settlement.returned_payments WHERE return_tx_hash = ${enough[0]?.txHash ?? txHash}`);
  const used = new Map(rows.map(({ proof, payment }) => [proof, payment]));
  const unused = enough.find((p) => !used.has(ledgerPaymentKey(p)));
  if (unused !== undefined) return unused;
  const [first] = enough.map((p) => used.get(ledgerPaymentKey(p)));
  throw no(
    `Transaction ${txHash} is already the proof that ${first} was returned; one movement proves one return.`,
    'tx hash',
  );
}

async function writeReturn(
  tx: Db,
  key: Parameters<typeof findPayment>[1],
  { proof, payee, by }: { proof: LedgerPayment; payee: string; by: By },
): Promise<void> {
  const resolution = `returned in ${ledgerPaymentKey(proof)}: ${by.reason}`;
  await tx.execute(sql`
    INSERT INTO settlement.returned_payments (tx_hash, op_index, sub_index,
      return_tx_hash, return_op_index, return_sub_index, amount, returned_to)
    VALUES (${key.txHash}, ${key.opIndex}, ${key.subIndex},
      ${proof.txHash}, ${proof.opIndex}, ${proof.subIndex}, ${formatAmount(proof.amount)}, ${payee})`);
  await tx.execute(sql`
    UPDATE settlement.ledger_payments
    SET resolved_at = now(), resolved_by = ${by.actor}, resolution = ${resolution}
    WHERE (tx_hash, op_index, sub_index) = (${key.txHash}, ${key.opIndex}, ${key.subIndex})`);
}
