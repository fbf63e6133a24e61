/** Several Horizon nodes behind the sandbox's one address: what each has, and which of them answers a GET. */
import { createHash } from 'node:crypto';
import { StrKey } from '@stellar/stellar-sdk';
import type { Chain } from './chain.ts';
import type { Holdings } from './held.ts';

/** A node. What is not given is as in a node that has the whole history up to the newest ledger. */
export type Node = Holdings & {
  readonly name: string;
  /** Which requests it may answer: a regular expression on path and query; all if none. */
  readonly path?: string;
  /**
   * A second replica of its database, which serves operations. Horizon opens no transaction around its statements:
   * ledger, account or transaction are looked up in the first replica, and their operations read from this one.
   */
  readonly operations?: Holdings;
  /** What its root document says. */
  readonly passphrase?: string;
  readonly version?: { readonly horizon?: string; readonly core?: string };
  /** It reads at once and answers this much later, so that its answer may be overtaken by newer ones. */
  readonly delayMs?: number;
  /** Another network that it serves. Within one process only. */
  readonly network?: Chain;
};

/** A GET that waits for a node. `turn` counts from 0 the requests that had the same candidates. */
export type Asked = { readonly path: string; readonly turn: number };

/**
 * Which of the nodes that may answer does: each in turn, the first, one drawn by a seed, or as a function decides.
 * Where none may, or the function returns none, a node with the whole history answers.
 */
export type Choice =
  | 'in_turn'
  | 'first'
  | { readonly seed: number }
  | ((asked: Asked, candidates: readonly Node[]) => Node | undefined);

/** The node that answers when none was described. */
const WHOLE: Node = { name: 'whole' };

/** The nodes behind the address. */
export class Nodes {
  private nodes: readonly Node[] = [];
  private choice: Choice = 'in_turn';
  private turns = new Map<string, number>();
  private answers = new Map<string, number>();

  /** Replaces all nodes. Each has a name of its own. RangeError for a node that cannot be. */
  set(nodes: readonly Node[], choice: Choice = 'in_turn'): void {
    for (const node of nodes) check(node);
    if (new Set(nodes.map(({ name }) => name)).size < nodes.length) {
      throw new RangeError('Two nodes have the same name.');
    }
    [this.nodes, this.choice] = [nodes, choice];
    [this.turns, this.answers] = [new Map(), new Map()];
  }

  /** Leaves one node, which has the whole history. */
  clear(): void {
    this.set([]);
  }

  /** The nodes, and how many requests each has answered. */
  list(): { node: Node; answered: number }[] {
    return this.nodes.map((node) => ({ node, answered: this.answers.get(node.name) ?? 0 }));
  }

  /** The node that answers this request. */
  choose(path: string): Node {
    const candidates = this.nodes.filter((node) => RegExp(node.path ?? '').test(path));
    const key = JSON.stringify(candidates.map(({ name }) => name));
    const turn = this.turns.get(key) ?? 0;
    this.turns.set(key, turn + 1);
    const chosen = chosenBy(this.choice, { path, turn }, candidates) ?? WHOLE;
    this.answers.set(chosen.name, (this.answers.get(chosen.name) ?? 0) + 1);
    return chosen;
  }
}

function chosenBy(choice: Choice, asked: Asked, candidates: readonly Node[]): Node | undefined {
  if (typeof choice === 'function') return choice(asked, candidates);
  if (choice === 'first') return candidates[0];
  if (choice === 'in_turn') return candidates[asked.turn % candidates.length];
  const drawn = createHash('sha256').update(`${choice.seed} ${asked.turn}`).digest();
  return candidates[drawn.readUInt32BE() % candidates.length];
}

function check(node: Node): void {
  try {
    RegExp(node.path ?? '');
  } catch {
    throw new RangeError(`A node's path is a regular expression, not ${node.path}.`);
  }
  for (const holdings of [node, node.operations ?? {}]) checkHoldings(holdings);
}

function checkHoldings({ oldest, gaps, filter }: Holdings): void {
  if (oldest && 'keeps' in oldest && !(oldest.keeps >= 1)) {
    throw new RangeError(`A node keeps at least one ledger, not ${oldest.keeps}.`);
  }
  for (const [from, through] of gaps ?? []) {
    if (!(from <= through)) throw new RangeError(`A gap from ${from} through ${through} is empty.`);
  }
  for (const account of filter?.accounts ?? []) {
    if (!StrKey.isValidEd25519PublicKey(account)) {
      throw new RangeError(`A filter names accounts (G…), not ${account}.`);
    }
  }
}
