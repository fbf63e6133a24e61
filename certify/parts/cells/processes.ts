/** Processes that end, hang, or have a wrong clock: workers and Temporal. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '../stack.ts';
import { soon, type Cell, type Scene } from './scene.ts';

/** A cell that ends all workers that run while customers pay. `end` resolves when others have taken their place. */
function endingWorkers(
  name: string,
  end: (old: Stack['workers'], scene: Scene) => Promise<unknown>,
): Cell {
  return {
    row: 'F4',
    name,
    rivals: 'workers',
    strike: async (scene) => {
      await soon(scene);
      const old = scene.stack.workers;
      await end(old, scene);
      return old.length;
    },
  };
}

/** All workers at once, or one by one. */
export const WORKERS: readonly Cell[] = [
  endingWorkers('SIGKILL of all workers, one by one, while customers pay', async (old, scene) => {
    for (const worker of old) {
      const at = Date.now();
      worker.signal('SIGKILL');
      await worker.ended;
      scene.settlesAgain('SIGKILL', at);
      await scene.stack.addWorker();
    }
  }),
  endingWorkers(
    'SIGKILL of all workers at once; nobody is there for five seconds',
    async (old, { stack }) => {
      for (const worker of old) worker.signal('SIGKILL');
      await Promise.all(old.map((worker) => worker.ended));
      await sleep(5_000);
      await Promise.all(old.map(() => stack.addWorker()));
    },
  ),
  endingWorkers('SIGTERM of each worker in turn, as a deployment does', async (old, { stack }) => {
    for (const worker of old) {
      await stack.addWorker();
      worker.signal('SIGTERM');
      await worker.ended;
    }
  }),
];

/** Temporal away, hanging, or hard to reach. */
export const TEMPORAL: readonly Cell[] = [
  ...[0, 5_000].map((awayMs) => ({
    row: awayMs === 0 ? 'F11' : 'F12',
    name: `SIGKILL of Temporal, back after ${awayMs / 1000} s`,
    rivals: 'Temporal',
    strike: async (scene: Scene) => {
      await soon(scene);
      await scene.stack.killTemporal();
      await sleep(awayMs);
      await scene.stack.restartTemporal();
      return 1;
    },
  })),
  {
    row: 'F12',
    name: 'SIGSTOP of Temporal for 6 s',
    rivals: 'Temporal',
    strike: async (scene) => {
      await soon(scene);
      scene.stack.signalTemporal('SIGSTOP');
      await sleep(6_000);
      scene.stack.signalTemporal('SIGCONT');
      return 1;
    },
  },
  {
    row: 'F12',
    name: 'Temporal answers workers 2 s late, for 8 s',
    rivals: 'Temporal',
    strike: async (scene) => {
      const { link } = scene.stack;
      await soon(scene);
      link.delay(1_000); // there, and back
      await sleep(8_000);
      link.delay(0);
      return 1;
    },
  },
  {
    row: 'F12',
    name: 'connections to Temporal are reset, once a second, for five seconds',
    rivals: 'Temporal',
    strike: async (scene) => {
      let cut = 0;
      await soon(scene);
      for (let i = 0; i < 5; i += 1) {
        cut += scene.stack.link.cut();
        await sleep(1_000);
      }
      return cut;
    },
  },
];

/** Workers whose clock is wrong. */
export const CLOCK: readonly Cell[] = [3_600_000, -3_600_000].map((ms) => ({
  row: 'F16',
  name: `the workers’ clocks are an hour ${ms > 0 ? 'ahead' : 'behind'}, and then right again`,
  rivals: 'workers',
  strike: async ({ stack }: Scene) => {
    for (const shift of [ms, 0]) {
      const old = stack.workers;
      await Promise.all(old.map(() => stack.addWorker({ CERTIFY_CLOCK_SHIFT_MS: String(shift) })));
      for (const worker of old) worker.signal('SIGTERM');
      await Promise.all(old.map((worker) => worker.ended));
      if (shift !== 0) await sleep(6_000);
    }
    return 1;
  },
}));
