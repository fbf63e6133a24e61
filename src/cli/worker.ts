import type { Command } from 'commander';

/** `settle worker` */
export function workerCommand(top: Command): Command {
  return top.action(async () => {
    // Loaded only here: it brings Temporal's native library.
    const { runWorker } = await import('../worker.ts');
    await runWorker(process.env);
  });
}
