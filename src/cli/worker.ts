import { Command } from 'commander';

/** `settle worker` */
export function workerCommand(): Command {
  return new Command('worker')
    .description('run a worker until SIGTERM, then drain')
    .action(async () => {
      // Loaded only here: it brings Temporal's native library.
      const { runWorker } = await import('../worker.ts');
      await runWorker(process.env);
    });
}
