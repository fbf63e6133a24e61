/**
 * How long what happens to a session takes, from when the watcher looks (or the caller asks) to the commit, by strategy
 * and number of watched accounts, each with an open session. The others exist on the ledger and are quiet. The ledger,
 * PostgreSQL with fsync and this process share the machine. The time that the watcher waits between two turns is not in it.
 *   node_modules/.bin/node bench/ledger-latency.ts [--against CHECKOUT] [--rounds N] [--strategy S] [accounts …]
 * With `--against`, another checkout that has this file and ledger-stage.ts in its bench/ takes turns with this one, in
 * processes of their own, and the ratio of the medians is told: what else the machine does meets both alike.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { watchedAccounts, type ReadStrategy } from '../src/db/watching.ts';
import { startPostgres } from '../src/sandbox/postgres.ts';
import { startLedgerStage, type LedgerStage } from './ledger-stage.ts';
import { watchAccounts } from './reading-stage.ts';

const DAY_S = 86_400;
const MOST_TURNS = 20;
/** Short, so that the sessions of the other accounts, which last an hour, outlast all samples. */
const ENDS_AFTER_S = 60;
/** Payments without a memo that an account gets before a session on it ends. */
const MOVES = 10;
/** From here on there are fewer samples: a turn of `accounts` takes half a minute, so there only one of each, and not all. */
const MANY = 1_000;

/** Milliseconds by what was done. */
type Samples = Record<string, number[]>;

const { values, positionals } = parseArgs({
  options: {
    against: { type: 'string' },
    rounds: { type: 'string', default: '2' },
    strategy: { type: 'string' },
    // One process of a round: prints its samples.
    one: { type: 'string' },
  },
  allowPositionals: true,
});
const sizes = positionals.length > 0 ? positionals.map(Number) : [1, 100, 10_000];

if (values.one === undefined) compare();
else console.log(JSON.stringify(await sample(values.one as ReadStrategy, sizes[0] ?? 1)));

function compare(): void {
  const here = fileURLToPath(new URL('..', import.meta.url));
  const checkouts = values.against === undefined ? [here] : [values.against, here];
  const strategies = values.strategy === undefined ? ['accounts', 'ledgers'] : [values.strategy];
  for (const strategy of strategies) {
    for (const size of sizes) {
      const pooled = checkouts.map((): Samples => ({}));
      for (let round = 0; round < Number(values.rounds); round += 1) {
        for (const [i, checkout] of checkouts.entries()) {
          const script = join(checkout, 'bench/ledger-latency.ts');
          const answer = execFileSync(process.execPath, [script, '--one', strategy, String(size)], {
            cwd: checkout,
            encoding: 'utf8',
          });
          for (const [what, ms] of Object.entries(JSON.parse(answer) as Samples)) {
            ((pooled[i] as Samples)[what] ??= []).push(...ms);
          }
        }
      }
      for (const what of Object.keys(pooled.at(-1) ?? {})) {
        const medians = pooled.map((samples) => median(samples[what] ?? []));
        const [before = Number.NaN, now = before] = medians;
        const count = pooled.map((samples) => samples[what]?.length).join('/');
        console.log(
          `| ${strategy}, ${size} | ${what} | ${medians.map((ms) => ms.toFixed(1)).join(' | ')} | ${(now / before).toFixed(2)} | ${count} |`,
        );
      }
    }
  }
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return (
    ((sorted[(sorted.length - 1) >> 1] ?? Number.NaN) +
      (sorted[sorted.length >> 1] ?? Number.NaN)) /
    2
  );
}

async function sample(strategy: ReadStrategy, accounts: number): Promise<Samples> {
  const postgres = await startPostgres({ progress: () => undefined });
  const url = await postgres.createDatabase('latency');
  const stage = await startLedgerStage(url, strategy, 1);
  const samples: Samples = {};
  const timed = async (what: string, act: () => Promise<unknown>) => {
    const started = performance.now();
    await act();
    (samples[what] ??= []).push(performance.now() - started);
  };
  try {
    await stage.turn();
    // The network is read from here on: the others can join only a reading that has begun.
    await stage.open(stage.shops[0] ?? '', DAY_S);
    await nextTurn(stage);
    await nextTurn(stage);
    await addAccounts(stage, strategy, accounts - 1);
    await nextTurn(stage);
    await nextTurn(stage);
    const few = strategy === 'ledgers' ? 3 : 1;
    await play(stage, timed, accounts >= MANY ? few : 8);
  } finally {
    await stage.close();
    await postgres.stop();
  }
  return samples;
}

/** Quiet accounts with an open session each: a turn asks for their entries, and for nothing more. */
async function addAccounts(
  stage: LedgerStage,
  strategy: ReadStrategy,
  accounts: number,
): Promise<void> {
  if (accounts === 0) return;
  const { pool } = stage.deps.database;
  await watchAccounts(pool, { accounts, open: accounts, readTo: stage.ledgers() });
  const { rows } = await pool.query<{ account: string }>(
    'SELECT account FROM settlement.watched_accounts WHERE account <> $1',
    [stage.shops[0]],
  );
  const names = rows.map(({ account }) => account);
  if (strategy === 'ledgers') {
    // They have joined the reading of the network. Before there was a column for that, being read was enough.
    const joined = await pool.query(
      `SELECT FROM information_schema.columns WHERE table_name = 'watched_accounts' AND column_name = 'network_from'`,
    );
    const from = joined.rowCount === 0 ? '' : `, network_from = ${stage.ledgers() + 1}`;
    await pool.query(
      `UPDATE settlement.watched_accounts SET read_at = now()${from} WHERE account = ANY($1)`,
      [names],
    );
  }
  await stage.fund(names);
  await pool.query('ANALYZE');
}

async function play(
  stage: LedgerStage,
  timed: (what: string, act: () => Promise<unknown>) => Promise<void>,
  times: number,
): Promise<void> {
  const [shop = ''] = stage.shops;
  const turns = async (session: { id: string; account: string; memo: string }, end: string) => {
    for (let i = 0; i < MOST_TURNS; i += 1) {
      await stage.turn();
      if ((await stage.status(session)) === end) return;
      stage.pass(5);
    }
    throw new Error(`A session is not ${end} within ${MOST_TURNS} turns.`);
  };
  for (let i = 0; i < times; i += 1) {
    const paid = await stage.open(shop, DAY_S);
    await stage.pay(paid);
    await timed('a payment, until credited', () => turns(paid, 'paid'));
  }
  for (let i = 0; i < times; i += 1) {
    const reported = await stage.open(shop, DAY_S);
    const hash = await stage.pay(reported);
    await timed('a report whose payment is not read yet', async () => {
      const answer = await stage.report(reported, hash);
      if (answer !== 'paid') throw new Error(`A report was answered with ${answer}.`);
    });
    await timed('… whose payment is read', () => stage.report(reported, hash));
  }
  for (let i = 0; i < times; i += 1) {
    const quiet = await stage.open(shop, ENDS_AFTER_S);
    await nextTurn(stage);
    stage.pass(ENDS_AFTER_S + 5);
    await timed('an ending, the account has not moved', () => turns(quiet, 'expired'));
  }
  const samples = times > 1 ? times : 0;
  for (let i = 0; i < samples; i += 1) {
    const moved = await stage.open(shop, ENDS_AFTER_S);
    for (let move = 0; move < MOVES; move += 1) await stage.pay(moved, false);
    stage.pass(ENDS_AFTER_S + 5);
    await timed(`… has moved in ${MOVES} ledgers`, () => turns(moved, 'expired'));
  }
  if (times > 1) {
    await timed('adopting a paid session of an hour ago', async () =>
      turns(await stage.adopt(), 'paid'),
    );
  }
  const { db } = stage.deps.database;
  for (let i = 0; i < 5; i += 1)
    await timed('the list of watched accounts', () => watchedAccounts(db));
}

async function nextTurn(stage: LedgerStage): Promise<void> {
  stage.pass(5);
  await stage.turn();
}
