/** docs/certificate.md: what was run, what was found, and what this does not show. Generated, never edited. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ELSEWHERE } from './elsewhere.ts';
import { SLICED, TESTED } from './mutants/areas.ts';
import type { TestedMutant } from './mutants/settlement.ts';
import { CELLS } from './parts/cells.ts';
import type { Recovery } from './parts/cells/scene.ts';
import type { RoundPlan } from './parts/lanes.ts';
import type { RoundResult } from './parts/round.ts';
import { CHECKS } from './parts/violation.ts';
import type { SimulationResult } from './simulation/simulate.ts';

/** Everything that a run came to. */
export type Run = {
  /** The commit, as it was when the run began. */
  readonly code: string;
  readonly seed: number;
  readonly simulations: readonly SimulationResult[];
  readonly rounds: readonly { part: RoundPlan['part']; result: RoundResult }[];
  readonly schedulesARound: number;
  /** Rounds that were not played: the time was over. */
  readonly left: number;
  readonly minutes: number;
  /** `load`: how many processes wanted to run, on average, in the minute before it began, and in the last five at its end. */
  readonly machine: { cores: number; memoryGb: number; load: readonly [number, number] };
  readonly red: boolean;
};

const PAGE = fileURLToPath(new URL('../docs/certificate.md', import.meta.url));

/** The value below which so many of a hundred lie; 0 of none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? 0;
}

/** Milliseconds from each fault of a kind to the next commit, in rounds of the matrix or in drawn ones, where other faults strike, too. */
export function recoveriesIn(
  rounds: Run['rounds'],
  after: Recovery['after'],
  parts: readonly RoundPlan['part'][],
): number[] {
  return rounds.flatMap(({ part, result: { recoveries } }) =>
    parts.includes(part) ? recoveries.filter((r) => r.after === after).map(({ ms }) => ms) : [],
  );
}

/** Writes the page. */
export function writeCertificate(run: Run): void {
  writeFileSync(PAGE, page(run));
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

function spread(ms: readonly number[]): string {
  const [middle, most, worst] = [50, 95, 100].map((percent) => seconds(percentile(ms, percent)));
  return `p50 ${middle}, p95 ${most}, worst ${worst}, of ${ms.length}`;
}

function page(run: Run): string {
  const { seed, rounds, simulations, left, minutes, machine, red } = run;
  const results = rounds.map(({ result }) => result);
  const violations = [
    ...simulations.flatMap((s) => s.violations),
    ...results.flatMap((r) => r.violations.map((v) => `${v.check}: ${v.problem}`)),
  ];
  const rests = results.flatMap((r) => (r.restMs === null ? [] : [r.restMs]));
  const random = rounds.filter(({ part }) => part === 'random').length;
  const sum = (of: (r: RoundResult) => number) => results.reduce((n, r) => n + of(r), 0);
  return `<!-- Written by \`npm run certify\`; do not edit. -->

# The crash certificate

${verdict(red, left)} ${violations.length} violations of P1–P6 (docs/guarantees.md) in ${minutes.toFixed(0)} minutes.

| | |
|---|---|
| code | ${run.code} |
| machine | ${machine.cores} cores, ${machine.memoryGb} GB, ${process.platform} ${process.arch}, Node ${process.version} |
| load of the machine | ${machine.load[0].toFixed(1)} in the minute before, ${machine.load[1].toFixed(1)} in the last five minutes |
| seed | ${seed}; all other seeds are drawn from it: \`npm run certify -- --seed ${seed}\` |
| on real parts | ${results.length} rounds (${results.length - random} of the matrix, ${random} drawn with ${run.schedulesARound} schedules each), ${sum((r) => r.sessions)} sessions, ${sum((r) => r.struck.reduce((n, s) => n + s, 0))} times a fault struck |
| single facts checked | ${sum((r) => r.counted)} |
| questions of backends that got no answer at first, and were asked again | ${sum((r) => r.unanswered)} |
| from a SIGKILL (or the reason to settle, if that came later) to the next commit, in rounds of the matrix | ${spread(recoveriesIn(rounds, 'SIGKILL', ['matrix']))} |
| the same in drawn rounds, where ${run.schedulesARound - 1} other faults strike as well | ${spread(recoveriesIn(rounds, 'SIGKILL', ['random']))} |
| from PostgreSQL’s return to the next commit, in rounds of the matrix | ${spread(recoveriesIn(rounds, 'PostgreSQL’s return', ['matrix']))} |
| the same in drawn rounds | ${spread(recoveriesIn(rounds, 'PostgreSQL’s return', ['random']))} |
| from “all is well again” to rest | ${spread(rests)} |
${simulations.map((s) => `| simulated on ${s.name} | ${s.schedules} schedules, ${s.steps} steps, ${s.violations.length === 0 ? 'green' : 'RED'}, ${seconds(s.ms)} |`).join('\n')}
${left === 0 ? '' : `\n${left} rounds were not played, since the time was over.\n`}
${
  violations.length === 0
    ? ''
    : `## What was broken\n\n${violations
        .slice(0, 50)
        .map((v) => `- ${v}`)
        .join('\n')}\n`
}
## What is checked after every round

${Object.entries(CHECKS)
  .map(([name, meaning]) => `- **${name}**: ${meaning}`)
  .join('\n')}

## What is independent of what

- **The books** (certify/books) compute, for each session, every result that is allowed: verdicts, the payments row, the ending and its
  ledger, the exact bytes of each event, what may come before what, and what is held. One of these results must explain everything that
  was seen. Their sources are the sandbox core (envelopes that were signed, effects of operations, close times), and what was asked and
  answered, noted by the asker with the newest ledger of then. They import the Stellar SDK and Node's crypto, and nothing from src: lint
  and a test enforce it. The product's rows are what is judged, never what it is judged by.
- **Where the contract leaves room**, the books allow a set. A cancellation counts from any ledger that some node showed as its newest
  between question and answer. An edit may have come before or after a decision. Where nodes hid history, a payment may count behind what
  was decided without it.
- **The audit** has its own intervals, fold, verdicts, endings, events and ids, and reads facts of sessions by the statement that settle
  reads them by. A property compares both writings on random cases (test/domain/audit-agrees.test.ts). With the address of another Horizon,
  \`settle audit --horizon URL\` compares hashes, counts and payments with a source that the workers never asked.
- **What reached the receiver** is the receiver's own list; signatures are verified by its own code.
- **Shared by all**: the contract (docs/events.md: words, keys, limits, and the namespace of ids, since merchants remember ids), and the
  Stellar SDK.

## The fault matrix

Each cell is played with a workload of sessions of every kind (paid exactly, in parts, too much, twice, a stroop short, in another
issuer's asset, late, not at all, cancelled, cancelled while paid, by the backend's own hand, reported, sent again) on two worker
processes, PostgreSQL, Temporal's dev server on a file, the sandbox ledger and a receiver. “Struck” counts that the fault really
came about; a SIGKILL is noted by the worker that dies. Faults of drawn rounds count, too.

| row | fault | rounds | struck | violations | seeds |
|---|---|---:|---:|---:|---|
${CELLS.map(({ row, name }) => rowOf(row, name, results)).join('\n')}

Rows F1–F21 are: F1 killed before a commit, F2 after it, F3 after a POST; F4 workers gone, frozen, replaced; F5 a COMMIT in doubt; F6 connections
cut; F7 PostgreSQL stopped; F8 an older state of it; F9 no disk, no connections, read-only; F10 rivals and locks; F11 Temporal killed; F12 away or slow; F13 messages
doubled, reordered, lost; F14 Horizon without an answer, F15 with a wrong one; F16 wrong clocks; F17 two of what there should be one of; F18 receivers;
F19 deployments; F20 poison; F21 secrets.

## Covered by tests instead

These have no cell, or only a part of them has. The tests are part of \`npm test\`.

| row | fault | tests |
|---|---|---|
${ELSEWHERE.map(({ row, fault, tests }) => `| ${row} | ${fault} | ${tests.map((path) => `[${path}](../${path})`).join(', ')} |`).join('\n')}

## Mutants

That green means something is shown by \`npm run certify:mutants\`: ${SLICED.length} deliberate breakages of the product, each of which must turn a slice of this red.

${SLICED.map(({ name }) => `- ${name}`).join('\n')}

${Object.values(TESTED).flat().length} more break a rule that no round is needed for. Each names a test that must fail, which takes seconds instead of minutes.
\`npm run certify:mutants -- doors\` plays one area, \`-- 'READ COMMITTED'\` the mutants with these words in their name.

| area | mutants | tests that must fail |
|---|---:|---|
${Object.entries(TESTED)
  .map(([area, mutants]) => rowOfArea(area, mutants))
  .join('\n')}

## What this does not show

- One machine, one disk, one PostgreSQL: no failover to a replica that lags (F8; an older state of the database is a test's), no partition
  between machines, no power cut. A full disk is a proxy that says so; a read-only database is one that is told to be.
- Temporal's dev server on SQLite, not a cluster on PostgreSQL. Workers of two versions side by side (F19) are not played; recorded runs are replayed.
- The sandbox ledger stands for Horizon; that it answers like the real one is shown by test/oracle.
- A wrong clock is the workers', not PostgreSQL's or Temporal's; it is wrong by an hour and then right again.
- Pauses of the retry schedule last hours; here they are cut short in the database. That they are kept is a test's, with skipped time.
- ${run.schedulesARound} drawn schedules share a round, its stack and its faults: ${random} rounds make ${random * run.schedulesARound} schedules.
- Timing on real parts is the machine's: a seed draws the same workload and faults again, not the same interleaving. Only the simulation on the model repeats exactly.
- The books take the word of the sandbox core for what the ledger is, and of the contract for what is right: a wrong sentence in docs/events.md
  would be wrong on both sides. They see what a session became, not when: that is bounded by “rest”, by answers, and by no ending before its ledger.
- Money that is assigned or returned by an operator, and terms that a backend edits, are in the books and in their tests. Events of a
  session are compared in full; texts for people (attention, \`why\`) are not.
- What the audit reads by settle's own statement (a session's row, its payments, whether another session has its reference) it does not
  doubt. The books do.
- On the simulation a process dies at five points of a transaction, drawn; on real parts at named points, once a round.
`;
}

function verdict(red: boolean, left: number): string {
  if (red) return '**Red.** What follows did not hold.';
  return left === 0 ? '**Green.**' : '**Green, but not whole: the time was over.**';
}

function rowOf(row: string, name: string, results: readonly RoundResult[]): string {
  const played = results.filter(({ cells }) => cells.includes(name));
  const struck = played.reduce((n, r) => n + (r.struck[r.cells.indexOf(name)] ?? 0), 0);
  const violations = played.reduce((n, r) => n + r.violations.length, 0);
  const seeds = played.map(({ seed }) => seed);
  const shown = seeds.slice(0, 3).join(', ') + (seeds.length > 3 ? ', …' : '');
  return `| ${row} | ${name} | ${played.length} | ${struck} | ${violations} | ${shown || 'not played'} |`;
}

function rowOfArea(area: string, mutants: readonly TestedMutant[]): string {
  const files = [...new Set(mutants.map(({ test }) => test.file))].toSorted();
  const links = files.map((path) => `[${path.replace(/^test\/|\.test\.ts$/g, '')}](../${path})`);
  return `| ${area} | ${mutants.length} | ${links.join(', ')} |`;
}

/** The commit, and whether the files are what it says. */
export function commit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).trim();
  try {
    const changed = git('status', '--porcelain', '--', 'src', 'drizzle', 'certify').length > 0;
    return `${git('rev-parse', 'HEAD')}${changed ? ', with changes that are not committed' : ''}`;
  } catch {
    return 'not a git repository';
  }
}
