/** Transactions, as fast-check draws them, and as they are signed and handed over. */
import { Memo, Operation } from '@stellar/stellar-sdk';
import * as fc from 'fast-check';
import { parseAmount } from '../../src/domain/money.ts';
import { assetOf } from '../../src/sandbox/ledger/wallet.ts';
import { contractTransfer, muxed, type World, type WorldSession } from './world.ts';

const MOVE = fc.record({
  /** Which session's account it goes to, and whose reference it may carry. */
  to: fc.constantFrom(0, 0, 0, 1, 1, 2, 3),
  kind: fc.constantFrom(
    'payment',
    'payment',
    'payment',
    'send',
    'receive',
    'create',
    'merge',
    'contract',
  ),
  address: fc.constantFrom('plain', 'plain', 'muxed', 'muxed to nobody'),
  asset: fc.constantFrom('right', 'right', 'right', 'right', 'right', 'right', 'native', 'fake'),
  amount: fc.constantFrom('10', '10', '6', '4', '12.5', '9.9999999', '0.0000001'),
});
type Move = typeof MOVE extends fc.Arbitrary<infer T> ? T : never;

/** A transaction of one to three movements. */
export const TRANSACTION = fc.record({
  does: fc.constant('transact' as const),
  moves: fc.array(MOVE, { minLength: 1, maxLength: 3 }),
  memo: fc.constantFrom('id', 'id', 'id', 'id', 'id', 'text', 'text', 'hash', 'none', 'wrong'),
  bumped: fc.constantFrom(false, false, true),
  /** The last operation cannot be done, so none is. */
  fails: fc.constantFrom(false, false, false, false, false, false, true),
  outgoing: fc.constantFrom(false, false, false, true),
});
type Transaction = typeof TRANSACTION extends fc.Arbitrary<infer T> ? T : never;

type Scene = { readonly world: World; readonly sessions: readonly WorldSession[] };

/** Signs it and hands it over for the next ledger. */
export async function transact(
  scene: Scene,
  { moves, memo, bumped, fails, outgoing }: Transaction,
) {
  const { world, sessions } = scene;
  const [named] = moves;
  const session = sessions[(named?.to ?? 0) % sessions.length] as WorldSession;
  const contract = moves.find(({ kind }) => kind === 'contract');
  if (contract) {
    const { to, asset, stroops } = resolved(scene, contract);
    await world.submit(world.customer, [contractTransfer(world, to, asset, stroops)], { bumped });
    return;
  }
  // One account is merged by a transaction at most: its signature is one more.
  const merged = moves.some(({ kind }) => kind === 'merge');
  const cosigner = world.disposable.find((one) => world.ledger.chain.accounts.account(one.address));
  const operations = moves.flatMap((move, i) => {
    const isFirstMerge = i === moves.findIndex(({ kind }) => kind === 'merge');
    if (move.kind === 'merge' && (!isFirstMerge || !cosigner)) return [];
    return [operation(scene, move, cosigner?.address)];
  });
  const impossible = {
    destination: world.customer.address,
    asset: assetOf(world.usdc),
    amount: '9',
  };
  if (fails)
    operations.push(Operation.payment({ ...impossible, source: world.shops.second.address }));
  if (operations.length === 0) return;
  const payer = outgoing ? world.shops.first : world.customer;
  const signers = fails ? world.shops.second : merged ? cosigner : undefined;
  if (fails && merged) return;
  await world.submit(payer, operations, {
    bumped,
    memo: MEMOS[memo](session.reference),
    ...(signers === undefined ? {} : { cosigner: signers }),
  });
}

const MEMOS: Record<Transaction['memo'], (reference: string) => Memo> = {
  id: (reference) => Memo.id(reference),
  text: (reference) => Memo.text(reference),
  hash: () => Memo.hash('ab'.repeat(32)),
  none: () => Memo.none(),
  wrong: () => Memo.id('7'),
};

function resolved({ world, sessions }: Scene, { to, address, asset: kind, amount }: Move) {
  const session = sessions[to % sessions.length] as WorldSession;
  const asset = { right: session.asset, native: 'native', fake: world.fake }[kind];
  const where = {
    plain: session.account,
    muxed: muxed(session),
    'muxed to nobody': muxed({ ...session, reference: '0' }),
  }[address];
  return { to: where, base: session.account, asset, amount, stroops: parseAmount(amount) };
}

function operation(scene: Scene, move: Move, disposable: string | undefined) {
  const { to, base, asset: name, amount } = resolved(scene, move);
  const { usdc } = scene.world;
  const asset = assetOf(name);
  const path = {
    sendAsset: assetOf(name === 'native' ? usdc : 'native'),
    destination: to,
    destAsset: asset,
  };
  switch (move.kind) {
    case 'send':
      return Operation.pathPaymentStrictSend({ ...path, sendAmount: amount, destMin: '0.0000001' });
    case 'receive':
      return Operation.pathPaymentStrictReceive({ ...path, destAmount: amount, sendMax: '1000' });
    case 'create':
      return Operation.createAccount({ destination: base, startingBalance: amount });
    case 'merge':
      return Operation.accountMerge({
        destination: to,
        ...(disposable === undefined ? {} : { source: disposable }),
      });
    default:
      return Operation.payment({ destination: to, asset, amount });
  }
}
