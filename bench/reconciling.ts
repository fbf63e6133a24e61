/** What reconciliation costs to look: bench/reconcile.ts in a process of its own, its table read back. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** One size: over all kinds of discrepancy that a run looks for. */
export type Reconciling = {
  sessions: number;
  brokenRows: number;
  buffers: number;
  ms: number;
  /** The kind that reads the most for each row it finds. */
  worst: { kind: string; buffersPerRow: number };
};

const SCRIPT = fileURLToPath(new URL('./reconcile.ts', import.meta.url));
/** kind, sessions, found, buffers, buffers per row, milliseconds, and what it reads by; without the daily look */
const ROW = /^(\w+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([\d.]+)\s+([\d.]+)\s/gm;
/** Fewer rows than this say nothing about the cost of one. */
const ENOUGH = 50;

/** Runs it for the given numbers of sessions. @throws Error when its table cannot be read */
export async function reconciling(sizes: readonly number[]): Promise<Reconciling[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, ...sizes.map(String)]);
  const rows = [...stdout.matchAll(ROW)].map(([, kind = '', ...numbers]) => {
    const [sessions = 0, found = 0, buffers = 0, perRow = 0, ms = 0] = numbers.map(Number);
    return { kind, sessions, found, buffers, perRow, ms };
  });
  if (rows.length === 0) throw new Error('bench/reconcile.ts has printed no table.');
  return [...Map.groupBy(rows, (row) => row.sessions)].map(([sessions, kinds]) => {
    const many = kinds.filter(({ found }) => found >= ENOUGH);
    const [worst] = many.sort((a, b) => b.perRow - a.perRow);
    return {
      sessions,
      brokenRows: kinds.reduce((sum, { found }) => sum + found, 0),
      buffers: kinds.reduce((sum, { buffers }) => sum + buffers, 0),
      ms: kinds.reduce((sum, { ms }) => sum + ms, 0),
      worst: { kind: worst?.kind ?? 'none', buffersPerRow: worst?.perRow ?? 0 },
    };
  });
}
