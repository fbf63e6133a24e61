/**
 * What Temporal's SDK for tests downloads by itself, fetched in a process of its own: the SDK's call cannot be given
 * up, and it would settle the options of this process's Temporal runtime.
 */
import { readdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, type Progress } from './child.ts';

/** Offline this fails at once; behind a firewall that swallows packets, after this. */
const CONNECT_WITHIN_MS = 15_000;
/** For a connection that does bring something. */
const DONE_WITHIN_MS = 5 * 60_000;

/** What is downloaded, and where the executable goes: into an empty folder of its own. */
type Download = {
  readonly version: string;
  readonly to: string;
  readonly env: NodeJS.ProcessEnv;
  readonly progress: Progress;
};

/**
 * Lets the SDK download a server.
 * @throws Error with the SDK's own reason, when offline for instance.
 */
export async function sdkDownload(
  server: 'dev-server' | 'time-skipping',
  { version, to, env, progress }: Download,
): Promise<void> {
  const dir = dirname(to);
  const create = server === 'dev-server' ? 'createLocal' : 'createTimeSkipping';
  const executable = { type: 'cached-download', version, downloadDir: dir };
  const script = `
    import testing from '@temporalio/testing';
    try {
      const running = await testing.TestWorkflowEnvironment.${create}({ server: { executable: ${JSON.stringify(executable)} } });
      await running.teardown();
    } catch (error) {
      console.error(error.message);
      process.exit(1);
    }`;
  await run(process.execPath, ['--input-type=module', '-e', script], {
    env,
    cwd: fileURLToPath(new URL('../..', import.meta.url)), // where '@temporalio/testing' is found
    timeoutMs: DONE_WITHIN_MS,
    giveUp: { afterMs: CONNECT_WITHIN_MS, unless: () => readdirSync(dir).length > 0 },
    onWaiting: (seconds) => progress(`Temporal: downloading for ${seconds} s`),
  });
  const [downloaded] = readdirSync(dir);
  if (downloaded === undefined) throw new Error('the SDK downloaded nothing');
  renameSync(join(dir, downloaded), to);
}
