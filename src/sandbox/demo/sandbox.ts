/** A sandbox to play on, as the demo leaves one behind, without the demo. */
import type { Progress } from '../child.ts';
import { startWorker } from '../worker-process.ts';
import { castPlayers } from './cast.ts';
import { announceSandbox, type RunningSandbox } from './running.ts';
import { setStage } from './stage.ts';

/** Starts one with a worker, a shop and two issuers. `file` is what SETTLE_SANDBOX names. */
export async function startSandbox(
  env: NodeJS.ProcessEnv,
  progress: Progress,
): Promise<RunningSandbox & { readonly file: string; stop(): Promise<void> }> {
  const stage = await setStage(null, env, progress);
  try {
    const [worker, cast] = await Promise.all([
      startWorker(stage.env, stage.logFile),
      castPlayers(stage, 0),
    ]);
    const { path, remove, sandbox } = announceSandbox(stage, cast);
    const stop = async () => {
      remove();
      await worker.kill();
      await stage.stop();
    };
    return { ...sandbox, file: path, stop };
  } catch (error) {
    await stage.stop();
    throw error;
  }
}
