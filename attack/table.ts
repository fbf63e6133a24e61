/** What people read of a run. */
import Table from 'cli-table3';
import { inMs, ratio } from './bounds.ts';
import type { Phase } from './phase.ts';

/** The table: actor, what it did, what it reached, the quiet merchant's times beside those alone, memory, workers dead. */
export function tableOf(phases: readonly Phase[]): string {
  const [alone] = phases;
  const table = new Table({
    head: [
      'actor',
      'did',
      'reached',
      'payment → commit',
      'payment → webhook',
      'memory',
      'dead',
      'bounds',
    ],
    colWidths: [11, 40, 38, 22, 22, 15, 6, 12],
    wordWrap: true,
    style: { head: [], border: [] },
  });
  for (const phase of phases) {
    const { memory } = phase;
    table.push([
      phase.actor ?? 'nobody',
      counted(phase.did),
      counted(phase.reached),
      latencies(phase, alone, 'commit'),
      latencies(phase, alone, 'webhook'),
      memory ? `${Math.round(memory.beforeMb)} → ${Math.round(memory.peakMb)} MB` : '–',
      phase.dead.length,
      phase.passed.length === 0 ? 'kept' : `${phase.passed.length} passed`,
    ]);
  }
  return table.toString();
}

function counted(what: ReadonlyMap<string, number>): string {
  return [...what].map(([name, times]) => `${times.toLocaleString('en-US')} ${name}`).join('\n');
}

function latencies(phase: Phase, alone: Phase | undefined, what: 'commit' | 'webhook'): string {
  return (['p50', 'p99'] as const)
    .map((p) => {
      const [now, then] = [phase[what][p], alone?.[what][p]];
      const times =
        alone === undefined || alone === phase ? '' : ` ${ratio(now, then ?? 1).toFixed(1)} ×`;
      return `${p} ${inMs(now)}${times}`;
    })
    .join('\n');
}
