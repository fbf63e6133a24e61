/**
 * A quiet merchant beside an attacker: payment to commit and to webhook, alone and beside each hostile actor, in one run
 * of what `npm run attack` does. JSON and the table go into bench/results/ (a quick run's into bench/results/quick/).
 *   npm run bench:beside [-- --quick] [--seed n] [--only actor]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readArguments } from '../attack/arguments.ts';
import { MOST_RATIO } from '../attack/bounds.ts';
import type { Phase } from '../attack/phase.ts';
import { runAttacks, type Run } from '../attack/run.ts';
import { load, machine, measuredCommit } from './results.ts';

const wanted = readArguments(process.argv.slice(2));
const before = load();
const run = await runAttacks(wanted, (line) => console.error(line));
const folder = join(
  fileURLToPath(new URL('.', import.meta.url)),
  'results',
  wanted.quick ? 'quick' : '.',
);
mkdirSync(folder, { recursive: true });
const { quick, seed } = wanted;
const results = {
  at: new Date().toISOString(),
  commit: measuredCommit(),
  quick,
  seed,
  load: { before, after: load() },
  machine: machine('18.4'),
  seconds: run.seconds,
  phases: run.phases.map(({ did, reached, ...phase }) => ({
    ...phase,
    times: undefined,
    did: Object.fromEntries(did),
    reached: Object.fromEntries(reached),
  })),
  left: run.left,
  unconserved: run.unconserved,
};
writeFileSync(join(folder, 'beside.json'), `${JSON.stringify(results, null, 1)}\n`);
const text = tableFor(run);
writeFileSync(join(folder, 'beside.md'), text);
console.log(text);
process.exit(run.phases.some(({ passed }) => passed.length > 0) || run.left.length > 0 ? 1 : 0);

/** In Markdown, with the bar. */
function tableFor({ phases }: Run): string {
  const [alone] = phases;
  const head = [
    'beside',
    'sessions',
    'commit p50',
    'p99',
    'webhook p50',
    'p99',
    'memory',
    'dead',
    `≤ ${MOST_RATIO} ×`,
  ];
  const rows = phases.map((phase) => [
    phase.actor ?? 'nobody',
    String(phase.sessions),
    ...times(phase, alone, 'commit'),
    ...times(phase, alone, 'webhook'),
    phase.memory ? `+${Math.round(phase.memory.peakMb - phase.memory.beforeMb)} MB` : '–',
    String(phase.dead.length),
    phase.passed.length === 0 ? 'reached' : 'missed',
  ]);
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return `${[line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')}\n`;
}

function times(phase: Phase, alone: Phase | undefined, what: 'commit' | 'webhook'): string[] {
  return (['p50', 'p99'] as const).map((p) => {
    const now = phase[what][p];
    if (!Number.isFinite(now)) return 'never';
    const share =
      alone === undefined || alone === phase
        ? ''
        : ` (${(now / Math.max(alone[what][p], 1)).toFixed(1)} ×)`;
    return `${Math.round(now)} ms${share}`;
  });
}
