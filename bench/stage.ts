/** Everything around the arms, the same for each: PostgreSQL with fsync, the sink, the ledger, the servers that an arm needs. */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { BUNDLED } from '../src/worker-code.ts';
import { migrate } from '../src/db/migrate.ts';
import { startSandboxLedger, type SandboxLedger } from '../src/sandbox/ledger/start.ts';
import { postgresBinaries } from '../src/sandbox/postgres-binaries.ts';
import { ensureDataDir, temporaryDataDir } from '../src/sandbox/postgres-data.ts';
import { startPostgres, type Postgres } from '../src/sandbox/postgres.ts';
import { startSink, type Sink } from './sink.ts';
import { SECRET } from './work.ts';

/** What stands for the whole of the bench. */
export type Stage = {
  readonly postgres: Postgres;
  readonly sink: Sink;
  readonly ledger: SandboxLedger;
  readonly bundles: { readonly ours: string; readonly naive: string };
  /** A migrated, empty database of its own for one run. */
  createDatabase(): Promise<string>;
  close(): Promise<void>;
};

const quiet = { progress: () => undefined };
/** Where the sandbox's history begins. */
export const FIRST_LEDGER = 1_000;
const TEMPLATE = 'bench_template';
/** The time of each commit is what latency is measured by, for every arm alike. The WAL may grow so that no checkpoint falls into a run. */
const SETTINGS = 'track_commit_timestamp = on\nmax_wal_size = 4GB\nshared_buffers = 512MB\n';

/** Starts what stands for the whole of the bench. */
export async function setStage(): Promise<Stage> {
  const binaries = await postgresBinaries(quiet.progress);
  const dataDir = temporaryDataDir(binaries.runAs);
  await ensureDataDir(dataDir, binaries, true);
  appendFileSync(join(dataDir, 'postgresql.auto.conf'), SETTINGS);
  const [postgres, sink, ledger, bundles] = await Promise.all([
    startPostgres({ ...quiet, dataDir }),
    startSink(SECRET),
    startSandboxLedger({ firstLedger: FIRST_LEDGER }),
    bundleBoth(),
  ]);
  const template = await postgres.createDatabase(TEMPLATE);
  await migrate(template, { networkPassphrase: ledger.networkPassphrase });
  let databases = 0;
  return {
    postgres,
    sink,
    ledger,
    bundles,
    createDatabase: () => postgres.createDatabase(`bench_${++databases}`, TEMPLATE),
    close: async () => {
      await Promise.all([sink.stop(), ledger.stop(), postgres.stop()]);
      rmSync(dirname(dataDir), { recursive: true, force: true });
      rmSync(dirname(bundles.ours), { recursive: true, force: true });
    },
  };
}

/** Bundling takes 2 s: once, not at every start of a worker. */
async function bundleBoth(): Promise<Stage['bundles']> {
  const folder = mkdtempSync(join(tmpdir(), 'settle-bench-'));
  const bundle = async (made: { workflowsPath: string }, name: string) => {
    const { code } = await bundleWorkflowCode({
      ...made,
      logger: new DefaultLogger('WARN'),
    });
    writeFileSync(join(folder, name), code);
    return join(folder, name);
  };
  const naive = fileURLToPath(new URL('./arms/naive-workflow.ts', import.meta.url));
  const ours = await bundle(BUNDLED, 'ours.js');
  return { ours, naive: await bundle({ workflowsPath: naive }, 'naive.js') };
}
