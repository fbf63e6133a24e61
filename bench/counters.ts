/** What a run cost, as the kernel and PostgreSQL count it. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Pool } from 'pg';

/** Linux counts processor time in hundredths of a second. */
const MS_PER_TICK = 10;

type Stat = { pid: number; parent: number; ms: number };

function statOf(pid: string): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    // Its own time and that of its children that have ended.
    const ticks = [11, 12, 13, 14].map((i) => Number(fields[i]));
    const ms = ticks.reduce((sum, t) => sum + t, 0) * MS_PER_TICK;
    return { pid: Number(pid), parent: Number(fields[1]), ms };
  } catch {
    return null; // it has just ended
  }
}

/** Processor time of a process and everything below it, in milliseconds; null where there is no /proc. */
export function cpuMsOf(pid: number): number | null {
  let names: string[];
  try {
    names = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return null;
  }
  const stats = names.map(statOf).filter((s) => s !== null);
  const tree = new Set([pid]);
  for (let before = 0; before !== tree.size;) {
    before = tree.size;
    for (const s of stats) if (tree.has(s.parent)) tree.add(s.pid);
  }
  return stats.reduce((sum, s) => sum + (tree.has(s.pid) ? s.ms : 0), 0);
}

/** Memory of a process in MB; null where there is no /proc. */
export function rssMbOf(pid: number): number | null {
  try {
    const found = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return found ? Number(found[1]) / 1024 : null;
  } catch {
    return null;
  }
}

/** PostgreSQL's own counters. Those of the WAL are of the whole server. */
export type PostgresCounters = {
  commits: number;
  rollbacks: number;
  walFsyncs: number;
  walBytes: number;
  sessionUpdates: number;
  sessionHot: number;
  inboxUpdates: number;
  inboxHot: number;
};

/** Reads them. A backend tells its numbers when it ends or after a while: end the others first. */
export async function postgresCounters(pool: Pool): Promise<PostgresCounters> {
  const { rows } = await pool.query<PostgresCounters>(`
    SELECT xact_commit::float8 AS commits, xact_rollback::float8 AS rollbacks,
      (SELECT coalesce(sum(fsyncs), 0)::float8 FROM pg_stat_io WHERE object = 'wal') AS "walFsyncs",
      (pg_current_wal_lsn() - '0/0')::float8 AS "walBytes",
      s.n_tup_upd::float8 AS "sessionUpdates", s.n_tup_hot_upd::float8 AS "sessionHot",
      i.n_tup_upd::float8 AS "inboxUpdates", i.n_tup_hot_upd::float8 AS "inboxHot"
    FROM pg_stat_database, pg_stat_user_tables s, pg_stat_user_tables i
    WHERE datname = current_database() AND s.relid = 'checkout_sessions'::regclass
      AND i.relid = 'settlement.ledger_payments'::regclass`);
  const [row] = rows;
  if (!row) throw new Error('PostgreSQL has no counters of this database.');
  return row;
}
