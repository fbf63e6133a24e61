/** A schedule: what happens, in which order, and who dies meanwhile. Drawn from a seed, and small enough to shrink. */
import type { Asset } from '../../src/domain/asset.ts';
import type { Rng } from '../rng.ts';
import { WHOLE, type NodeView } from './toy-ledger.ts';

/** Where a process dies, or what becomes of its COMMIT. After `lost` and `unknown` it runs the transaction again. */
export type Death = 'before' | 'inside' | 'after' | 'commit lost' | 'commit unknown' | null;

export type Step =
  | {
      readonly does: 'close';
      readonly seconds: number;
      readonly payments: readonly {
        session: number | null;
        asset: 'right' | 'fake' | 'native';
        share: 'price' | 'less' | 'stroop' | 'more' | 'half' | 'zero';
        sameTransaction: boolean;
      }[];
    }
  | {
      readonly does: 'read';
      readonly node: NodeView;
      readonly limit: number;
      readonly death: Death;
    }
  | { readonly does: 'advance'; readonly node: NodeView }
  | { readonly does: 'evidence'; readonly state: NodeView; readonly history: NodeView }
  | {
      readonly does: 'report';
      readonly which: number;
      readonly node: NodeView;
      readonly death: Death;
    }
  | { readonly does: 'settle'; readonly session: number | null; readonly death: Death }
  | { readonly does: 'cancel'; readonly session: number; readonly node: NodeView | null }
  | {
      readonly does: 'backend';
      readonly session: number;
      readonly status: 'cancelled' | 'expired' | 'processing';
    }
  | {
      readonly does: 'send';
      readonly session: number;
      readonly accepted: boolean;
      readonly death: Death;
    };

/** Steps that go on at the same time. */
export type Schedule = { readonly seed: number; readonly groups: readonly (readonly Step[])[] };

/** Sessions of every schedule: two assets, three deadlines. The account is one, its coverage is theirs together. */
export const SESSIONS: readonly { price: bigint; asset: 'native' | 'usdc'; seconds: number }[] = [
  { price: 100_000_000n, asset: 'usdc', seconds: 40 },
  { price: 7_000_001n, asset: 'native', seconds: 90 },
  { price: 100_000_000n, asset: 'usdc', seconds: 200 },
];

/** The issuers are anybody's; only that they differ matters. */
export const ASSETS: Readonly<Record<'native' | 'usdc' | 'fake', Asset>> = {
  native: { code: 'XLM', issuer: null },
  usdc: { code: 'USDC', issuer: 'GBBD47IF6LWK7P7MDEVSCWR7DPUWV3NY3DTQEVFL4NAT4AQH3ZLLFLA5' },
  fake: { code: 'USDC', issuer: 'GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN' },
};

const DEATHS: readonly Death[] = ['before', 'inside', 'after', 'commit lost', 'commit unknown'];

/** Draws a schedule. */
export function drawSchedule(rng: Rng, seed: number): Schedule {
  const groups = Array.from({ length: rng.int(8, 22) }, () =>
    Array.from({ length: rng.pick([1, 1, 2, 2, 3]) }, () => drawStep(rng)),
  );
  return { seed, groups };
}

function drawStep(rng: Rng): Step {
  const death = rng.chance(25) ? rng.pick(DEATHS) : null;
  const session = rng.int(0, SESSIONS.length - 1);
  switch (rng.pick(KINDS)) {
    case 'close':
      return {
        does: 'close',
        seconds: rng.pick([0, 1, 5, 5, 5, 30]),
        payments: Array.from({ length: rng.pick([0, 1, 1, 2, 3]) }, () => ({
          session: rng.chance(90) ? rng.int(0, SESSIONS.length - 1) : null,
          asset: rng.chance(85) ? 'right' : rng.pick(['fake', 'native'] as const),
          share: rng.pick(['price', 'price', 'less', 'stroop', 'more', 'half', 'half', 'zero']),
          sameTransaction: rng.chance(40),
        })),
      };
    case 'read':
      return { does: 'read', node: drawNode(rng), limit: rng.pick([3, 200]), death };
    case 'advance':
      return { does: 'advance', node: drawNode(rng) };
    case 'evidence':
      return { does: 'evidence', state: drawNode(rng), history: drawNode(rng) };
    case 'report':
      return { does: 'report', which: rng.int(0, 1_000), node: drawNode(rng), death };
    case 'settle':
      return { does: 'settle', session: rng.chance(60) ? null : session, death };
    case 'cancel':
      return { does: 'cancel', session, node: rng.chance(70) ? drawNode(rng) : null };
    case 'backend':
      return { does: 'backend', session, status: rng.pick(['cancelled', 'expired', 'processing']) };
    case 'send':
      return { does: 'send', session, accepted: rng.chance(70), death };
  }
}

/** Most nodes have everything. */
function drawNode(rng: Rng): NodeView {
  return {
    behind: rng.chance(70) ? WHOLE.behind : rng.int(1, 6),
    lacks: rng.chance(85) ? WHOLE.lacks : rng.int(1, 4),
    torn: rng.chance(85) ? WHOLE.torn : rng.int(1, 3),
  };
}

const KINDS = [
  'close',
  'close',
  'close',
  'close',
  'advance',
  'advance',
  'advance',
  'read',
  'read',
  'read',
  'evidence',
  'report',
  'settle',
  'settle',
  'settle',
  'cancel',
  'backend',
  'send',
  'send',
] as const;
