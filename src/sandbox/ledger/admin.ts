/** `/sandbox/…`: steering the sandbox from another process. JSON in, JSON out. */
import { z } from 'zod';
import type { BalanceChange } from './contract-call.ts';
import type { Fault, Faults } from './faults.ts';
import type { Json } from './history.ts';
import type { Node, Nodes } from './nodes.ts';
import { invalidField, notFound } from './problem.ts';

/** What can be done to a running sandbox ledger beside what Horizon offers. Accounts are G addresses, assets `native` or `CODE:ISSUER`. */
export type Controls = {
  readonly faults: Faults;
  readonly nodes: Nodes;
  /** Closes a ledger now; answers its number. `sameSecond`: in the second of the one before, as since Protocol 30. */
  closeLedger(options?: { readonly sameSecond?: boolean }): number;
  /** Gives an account lumens from the root account, creating it if need be; answers the ledger. */
  fund(account: string, xlm: string): Promise<number>;
  /** What GET /friendbot does: creates the account with 10,000 lumens and answers the transaction. */
  friendbot(address: string, base: string): Promise<Json>;
  /** How much of `buy` path payments get for one `sell`. */
  setRate(sell: string, buy: string, rate: string): void;
  /** Forgets everything and starts again at a ledger (1 unless given). */
  resetNetwork(firstLedger?: number): void;
  /** From now on the node has no history below this ledger. */
  reapBelow(ledger: number): void;
  /** Leaves a transaction out of history until the gap is filled. */
  hideTransaction(hash: string): void;
  /** Shows all hidden transactions. */
  fillGap(): void;
  /** Puts a record, as it is, into an account's payments; answers the ledger. */
  injectRecord(account: string, record: Json): Promise<number>;
  /** Records a contract call with these balance changes; answers hash and ledger. */
  addContractCall(
    source: string,
    changes: readonly BalanceChange[],
  ): Promise<{ hash: string; ledger: number }>;
};

const text = z.string();
const changes = z.array(
  z.object({
    asset: text,
    type: z.enum(['transfer', 'mint', 'burn', 'clawback']),
    from: text.optional(),
    to: text.optional(),
    amount: text.transform((stroops) => BigInt(stroops)),
  }),
);

const where = { path: text.optional(), times: z.number().optional() };
const retry = { ...where, retryAfterSeconds: z.number().optional() };
const faultSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.enum(['rate_limited', 'stale_history', 'still_ingesting', 'over_capacity']),
    ...retry,
  }),
  z.strictObject({
    kind: z.enum(['timeout', 'server_error', 'lost_answer', 'hang', 'truncated', 'repeat_page']),
    ...where,
  }),
  z.strictObject({ kind: z.literal('disconnect'), half: z.boolean().optional(), ...where }),
  z.strictObject({ kind: z.literal('slow'), delayMs: z.number(), ...where }),
  z.strictObject({
    kind: z.enum(['lag', 'go_back', 'two_nodes']),
    ledgers: z.int().nonnegative(),
    ...where,
  }),
]);

const holdings = {
  head: z
    .union([z.strictObject({ behind: z.int().nonnegative() }), z.strictObject({ at: z.int() })])
    .optional(),
  oldest: z.union([z.strictObject({ at: z.int() }), z.strictObject({ keeps: z.int() })]).optional(),
  gaps: z.array(z.tuple([z.int(), z.int()])).optional(),
  filter: z.strictObject({ accounts: z.array(text) }).optional(),
};
const nodesSchema = z.strictObject({
  nodes: z.array(
    z.strictObject({
      ...holdings,
      name: text,
      path: text.optional(),
      operations: z.strictObject(holdings).optional(),
      passphrase: text.optional(),
      version: z.strictObject({ horizon: text.optional(), core: text.optional() }).optional(),
      delayMs: z.number().optional(),
    }),
  ),
  choice: z.union([z.enum(['in_turn', 'first']), z.strictObject({ seed: z.number() })]).optional(),
});

type Reply = { status: number; body: Json };

const done = (body: Json = {}): Reply => ({ status: 200, body });

const COMMANDS: Readonly<Record<string, (controls: Controls, input: unknown) => Promise<Reply>>> = {
  close: async (controls, input) => {
    const { sameSecond } = z.object({ sameSecond: z.boolean().default(false) }).parse(input);
    return done({ ledger: controls.closeLedger({ sameSecond }) });
  },
  fund: async (controls, input) => {
    const { account, xlm } = z.object({ account: text, xlm: text }).parse(input);
    return done({ ledger: await controls.fund(account, xlm) });
  },
  rate: async (controls, input) => {
    const { sell, buy, rate } = z.object({ sell: text, buy: text, rate: text }).parse(input);
    controls.setRate(sell, buy, rate);
    return done();
  },
  faults: async (controls, input) => {
    // JSON has no undefined, so what the schema calls optional is there or not, as Fault wants it.
    const fault = faultSchema.parse(input) as Fault;
    return done({ id: controls.faults.set(fault) });
  },
  'faults/clear': async (controls, input) => {
    controls.faults.clear(z.object({ id: z.number().optional() }).parse(input).id);
    return done({ faults: controls.faults.list() });
  },
  nodes: async (controls, input) => {
    const { nodes, choice } = nodesSchema.parse(input);
    controls.nodes.set(nodes as Node[], choice);
    return done(nodesJson(controls));
  },
  reset: async (controls, input) => {
    const { firstLedger } = z.object({ firstLedger: z.number().optional() }).parse(input);
    controls.resetNetwork(firstLedger);
    return done();
  },
  reap: async (controls, input) => {
    controls.reapBelow(z.object({ ledger: z.number() }).parse(input).ledger);
    return done();
  },
  hide: async (controls, input) => {
    controls.hideTransaction(z.object({ hash: text }).parse(input).hash);
    return done();
  },
  'fill-gap': async (controls) => {
    controls.fillGap();
    return done();
  },
  inject: async (controls, input) => {
    const shape = z.object({ account: text, record: z.record(text, z.unknown()) });
    const { account, record } = shape.parse(input);
    return done({ ledger: await controls.injectRecord(account, record) });
  },
  'contract-call': async (controls, input) => {
    const call = z.object({ source: text, changes }).parse(input);
    const list = call.changes.map(({ from, to, ...rest }) => {
      return {
        ...rest,
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
      };
    });
    return done(await controls.addContractCall(call.source, list));
  },
};

/** Without the network that a node may serve, which is no JSON. */
function nodesJson({ nodes }: Controls): Json {
  const shown = nodes.list().map(({ node, answered }) => {
    return { node: { ...node, network: undefined }, answered };
  });
  return { nodes: shown };
}

/** Carries out `POST /sandbox/<command>` with its JSON body; GET of `faults` and `nodes` lists them. */
export async function admin(controls: Controls, url: URL, body: string): Promise<Reply> {
  const name = url.pathname.slice('/sandbox/'.length);
  const command = COMMANDS[name];
  if (!command) throw notFound();
  if (name === 'faults' && body === '') return done({ faults: controls.faults.list() });
  if (name === 'nodes' && body === '') return done(nodesJson(controls));
  try {
    return await command(controls, body === '' ? {} : JSON.parse(body));
  } catch (error) {
    if (error instanceof z.ZodError) throw invalidField(name, z.prettifyError(error));
    if (error instanceof RangeError) throw invalidField(name, error.message);
    if (error instanceof SyntaxError) throw invalidField(name, 'The body is not JSON.');
    throw error;
  }
}
