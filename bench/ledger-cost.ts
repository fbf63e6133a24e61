/**
 * What reading the ledger costs: requests to Horizon for what happens to a session, beyond those of turns in which nothing
 * happens, by strategy and number of watched accounts, each with an open session. Counts do not vary.
 *   node_modules/.bin/node bench/ledger-cost.ts [accounts …]
 */
import { requestCancel } from '../src/activities/request-cancel.ts';
import type { ReadStrategy } from '../src/db/watching.ts';
import { startPostgres } from '../src/sandbox/postgres.ts';
import { startLedgerStage, type LedgerStage, type Opened } from './ledger-stage.ts';

const given = process.argv.slice(2).map(Number);
const sizes = given.length > 0 ? given : [1, 100];
const DAY_S = 86_400;
/** Most turns that a session may take to come to rest. */
const MOST_TURNS = 20;

/** Requests by what was done. */
type Costs = Map<string, number | string>;

/** Requests of turns in which nothing happens: for the turn itself, and for each ledger that closed before it. */
type Idle = { readonly turn: number; readonly ledger: number };

const postgres = await startPostgres({ progress: () => undefined });
const columns: { name: string; costs: Costs }[] = [];
for (const strategy of ['accounts', 'ledgers'] as const) {
  for (const accounts of sizes) {
    const url = await postgres.createDatabase(`cost_${strategy}_${accounts}`);
    const costs = await costsOf(url, strategy, accounts);
    columns.push({ name: `${strategy}, ${accounts}`, costs });
  }
}
await postgres.stop();
console.log(`| requests | ${columns.map(({ name }) => name).join(' | ')} |`);
console.log(`| --- | ${columns.map(() => '---:').join(' | ')} |`);
for (const what of columns[0]?.costs.keys() ?? []) {
  console.log(`| ${what} | ${columns.map(({ costs }) => costs.get(what)).join(' | ')} |`);
}

async function costsOf(url: string, strategy: ReadStrategy, accounts: number): Promise<Costs> {
  const stage = await startLedgerStage(url, strategy, accounts);
  const costs: Costs = new Map();
  try {
    await stage.turn();
    for (const shop of stage.shops) await stage.open(shop, DAY_S);
    for (let i = 0; i < 5; i += 1) await nextTurn(stage, true);
    const idle = await measureIdle(stage, costs);
    const [shop = ''] = stage.shops;
    costs.set('opening', await counted(stage, () => stage.open(shop, DAY_S)));
    await nextTurn(stage);
    const paid = await stage.open(shop, DAY_S);
    await nextTurn(stage);
    costs.set(
      'payment, until credited',
      await beyondIdle(stage, idle, paid, () => stage.pay(paid)),
    );
    await measureReports(stage, costs, shop);
    await measureEndings(stage, costs, idle, shop);
    const cancelled = await stage.open(shop, DAY_S);
    await nextTurn(stage);
    const cancel = { sessionId: cancelled.id, now: new Date().toISOString() };
    const cost = await beyondIdle(stage, idle, cancelled, () => requestCancel(stage.deps, cancel));
    costs.set('cancellation, until cancelled', cost);
    const adopted = await stage.adopt();
    const adopting = await beyondIdle(stage, idle, adopted, () => undefined);
    costs.set('adoption of a session of an hour ago, until credited', adopting);
  } finally {
    await stage.close();
  }
  return costs;
}

async function measureIdle(stage: LedgerStage, costs: Costs): Promise<Idle> {
  const one = await nextTurn(stage);
  stage.pass(5);
  const two = await nextTurn(stage);
  costs.set('turn without payments', one);
  costs.set('… once a minute', await nextTurn(stage, true));
  return { turn: one - (two - one), ledger: two - one };
}

async function measureReports(stage: LedgerStage, costs: Costs, shop: string): Promise<void> {
  const opened = await stage.open(shop, DAY_S);
  await nextTurn(stage);
  const transaction = await stage.pay(opened);
  const report = async () => {
    const answer = await stage.report(opened, transaction);
    if (answer !== 'paid') throw new Error(`The report was answered with ${answer}.`);
  };
  costs.set('report, not yet read', await counted(stage, report));
  costs.set('report, already read', await counted(stage, report));
  for (let i = 0; i < 3; i += 1) await nextTurn(stage);
}

async function measureEndings(
  stage: LedgerStage,
  costs: Costs,
  idle: Idle,
  shop: string,
): Promise<void> {
  for (const moves of [0, 1, 10]) {
    const opened = await stage.open(shop, 600);
    for (let i = 0; i < moves; i += 1) {
      await nextTurn(stage);
      await stage.pay(opened, false);
    }
    for (let i = 0; i < 3; i += 1) await nextTurn(stage, i === 0);
    const cost = await beyondIdle(stage, idle, opened, () => stage.pass(700));
    costs.set(`ending, account moved ${moves} times`, cost);
  }
}

async function counted(stage: LedgerStage, act: () => unknown): Promise<number> {
  stage.asked.count = 0;
  await act();
  return stage.asked.count;
}

/** Lets a ledger close and takes a turn. Returns its requests. */
async function nextTurn(stage: LedgerStage, thorough = false): Promise<number> {
  stage.pass(5);
  return counted(stage, () => stage.turn(thorough));
}

/**
 * Requests until a session is at rest, and in the three turns after that, beyond what idle turns would have sent; in
 * brackets the turns until it was at rest.
 */
async function beyondIdle(
  stage: LedgerStage,
  idle: Idle,
  session: Opened,
  act: () => unknown,
): Promise<string> {
  const isAtRest = async () =>
    ['paid', 'expired', 'cancelled'].includes(await stage.status(session));
  const from = stage.ledgers();
  // Paying asks the sandbox, too, but not through the source that counts.
  let requests = await counted(stage, act);
  let turns = 0;
  for (; turns < MOST_TURNS && !(await isAtRest()); turns += 1) requests += await nextTurn(stage);
  if (!(await isAtRest())) return `not within ${MOST_TURNS} turns`;
  const until = turns;
  for (; turns < until + 3; turns += 1) requests += await nextTurn(stage);
  const beyond = requests - turns * idle.turn - (stage.ledgers() - from) * idle.ledger;
  return `${beyond} (${until})`;
}
