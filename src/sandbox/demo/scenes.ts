/** The scenes: what is asked, what the customer does, and what must come of it. */
import { Memo } from '@stellar/stellar-sdk';
import type { OpenedSession } from '../../client.ts';
import type { SandboxWallet } from '../ledger/wallet.ts';
import type { Case } from './cases.ts';
import type { Cast } from './cast.ts';

/** When a scene is played. */
export type Act =
  /** While the worker runs. */
  | 'with the worker'
  /** After the worker was killed, before it is started again. */
  | 'without a worker'
  /** When the session's deadline is over. */
  | 'too late'
  /** The merchant cancels instead. */
  | 'cancel';

/** What a customer must know of the shop. */
export type Shop = Pick<Cast, 'usdc' | 'fakeUsdc'> & {
  readonly shop: { readonly address: string };
};

/** One session of the demo. */
export type Scene = {
  readonly title: string;
  /** By this name `settle trigger` plays it; null for what only the demo plays. */
  readonly case: Case | null;
  readonly asset: 'USDC' | 'XLM';
  readonly act: Act;
  /** Whether its deadline falls within the demo. */
  readonly short: boolean;
  readonly pay: (
    session: OpenedSession,
    shop: Shop,
    payers: readonly SandboxWallet[],
  ) => Promise<unknown>;
  /** How many customers it needs. */
  readonly payers: number;
  /** What was paid, in words. */
  readonly paid: string;
  readonly expected: {
    readonly status: 'paid' | 'expired' | 'cancelled';
    /** Of its ledger payments, sorted. */
    readonly verdicts: readonly string[];
    /** Webhooks at both endpoints, sorted. */
    readonly events: readonly string[];
  };
  readonly why: string;
};

/** Every session of the demo asks for this much. */
export const PRICE = '25';

const byId = ({ memo }: OpenedSession) => ({ memo: Memo.id(memo) });
const CONFIRMED = ['payment.confirmed'];
const CONFIRMED_AND_HELD = ['payment.confirmed', 'payment.exception'];
const base = {
  case: null,
  asset: 'USDC',
  act: 'with the worker',
  short: false,
  payers: 1,
} as const;

/** All of them, in the order of the table. */
export const SCENES: readonly Scene[] = [
  {
    ...base,
    title: 'exact, memo as id',
    case: 'paid',
    paid: '25 USDC',
    pay: (s, { shop, usdc }, [a]) => sent(a?.pay(shop.address, PRICE, usdc, byId(s))),
    expected: { status: 'paid', verdicts: ['credited'], events: CONFIRMED },
    why: 'the credited sum reaches the price',
  },
  {
    ...base,
    title: 'memo typed as text, in lumens',
    asset: 'XLM',
    paid: '25 XLM',
    pay: (s, { shop }, [a]) =>
      sent(a?.pay(shop.address, PRICE, 'native', { memo: Memo.text(s.memo) })),
    expected: { status: 'paid', verdicts: ['credited'], events: CONFIRMED },
    why: 'the memo is the reference, as id or as text',
  },
  {
    ...base,
    title: 'to the muxed address, no memo',
    paid: '25 USDC',
    pay: (s, { usdc }, [a]) => sent(a?.pay(s.muxedAccount ?? '', PRICE, usdc)),
    expected: { status: 'paid', verdicts: ['credited'], events: CONFIRMED },
    why: 'the reference is in the M… address',
  },
  {
    ...base,
    title: 'by path payment, sends lumens',
    case: 'path-payment',
    paid: 'XLM, 25 USDC arrive',
    pay: (s, { shop, usdc }, [a]) =>
      sent(
        a?.pathPayStrictReceive(
          { to: shop.address, send: 'native', sendMax: '60', receive: usdc, destAmount: PRICE },
          byId(s),
        ),
      ),
    expected: { status: 'paid', verdicts: ['credited'], events: CONFIRMED },
    why: 'what was received counts, not what was sent',
  },
  {
    ...base,
    title: 'in two parts',
    paid: '10 + 15 USDC',
    pay: async (s, { shop, usdc }, [a]) => {
      await sent(a?.pay(shop.address, '10', usdc, byId(s)));
      await sent(a?.pay(shop.address, '15', usdc, byId(s)));
    },
    expected: { status: 'paid', verdicts: ['credited', 'credited'], events: CONFIRMED },
    why: 'the second part completes the price',
  },
  {
    ...base,
    title: 'too much',
    case: 'over',
    paid: '30 USDC',
    pay: (s, { shop, usdc }, [a]) => sent(a?.pay(shop.address, '30', usdc, byId(s))),
    expected: { status: 'paid', verdicts: ['credited'], events: CONFIRMED_AND_HELD },
    why: 'paid; 5 are held as overpaid',
  },
  {
    ...base,
    title: 'twice, one after the other',
    case: 'duplicate',
    act: 'without a worker',
    paid: '25 + 25 USDC',
    pay: async (s, { shop, usdc }, [a]) => {
      await sent(a?.pay(shop.address, PRICE, usdc, byId(s)));
      await sent(a?.pay(shop.address, PRICE, usdc, byId(s)));
    },
    expected: { status: 'paid', verdicts: ['credited', 'duplicate'], events: CONFIRMED_AND_HELD },
    why: 'the first makes it paid, the second is held',
  },
  {
    ...base,
    title: 'twice, at the same instant',
    act: 'without a worker',
    paid: '25 + 25 USDC in one ledger',
    payers: 2,
    pay: (s, { shop, usdc }, payers) =>
      Promise.all(payers.map((p) => sent(p.pay(shop.address, PRICE, usdc, byId(s))))),
    expected: { status: 'paid', verdicts: ['credited', 'duplicate'], events: CONFIRMED_AND_HELD },
    why: 'exactly one is credited, the other is held',
  },
  {
    ...base,
    title: 'paid while no worker lived',
    act: 'without a worker',
    paid: '25 USDC',
    pay: (s, { shop, usdc }, [a]) => sent(a?.pay(shop.address, PRICE, usdc, byId(s))),
    expected: { status: 'paid', verdicts: ['credited'], events: CONFIRMED },
    why: 'the next worker reads on from its cursor',
  },
  {
    ...base,
    title: 'USDC of another issuer',
    case: 'wrong-issuer',
    short: true,
    paid: '25 fake USDC',
    pay: (s, { shop, fakeUsdc }, [a]) => sent(a?.pay(shop.address, PRICE, fakeUsdc, byId(s))),
    expected: {
      status: 'expired',
      verdicts: ['wrong_asset'],
      events: ['payment.exception', 'session.expired'],
    },
    why: 'an asset is code and issuer; the money is held',
  },
  {
    ...base,
    title: 'too late',
    case: 'late',
    act: 'too late',
    short: true,
    paid: '25 USDC after the deadline',
    pay: (s, { shop, usdc }, [a]) => sent(a?.pay(shop.address, PRICE, usdc, byId(s))),
    expected: {
      status: 'expired',
      verdicts: ['late'],
      events: ['payment.exception', 'session.expired'],
    },
    why: 'its ledger closed after the deadline; the money is held',
  },
  {
    ...base,
    title: 'cancelled by the merchant',
    case: 'cancelled',
    act: 'cancel',
    paid: 'nothing',
    payers: 0,
    pay: () => Promise.resolve(),
    expected: { status: 'cancelled', verdicts: [], events: ['session.cancelled'] },
    why: 'nothing arrived up to the cancellation',
  },
];

/** What the demo leaves out, since it is told only when a deadline has passed. */
const UNPAID: readonly Scene[] = [
  {
    ...base,
    title: 'too little',
    case: 'partial',
    short: true,
    paid: '10 USDC',
    pay: (s, { shop, usdc }, [a]) => sent(a?.pay(shop.address, '10', usdc, byId(s))),
    expected: {
      status: 'expired',
      verdicts: ['credited'],
      events: ['payment.exception', 'session.expired'],
    },
    why: 'short of the price at the deadline; the 10 are held as underpaid',
  },
  {
    ...base,
    title: 'not paid at all',
    case: 'expired',
    short: true,
    paid: 'nothing',
    payers: 0,
    pay: () => Promise.resolve(),
    expected: { status: 'expired', verdicts: [], events: ['session.expired'] },
    why: 'nothing arrived up to the deadline',
  },
];

/** The scene that goes by a case's name. */
export function sceneOf(name: Case): Scene {
  const found = [...SCENES, ...UNPAID].find((scene) => scene.case === name);
  if (!found) throw new Error(`Bug! No scene plays the case ${name}.`);
  return found;
}

async function sent(submitted: ReturnType<SandboxWallet['run']> | undefined): Promise<void> {
  const result = await submitted;
  if (result?.successful) return;
  throw new Error(`A customer's payment failed: ${result?.codes.join(', ') ?? 'no customer'}.`);
}
