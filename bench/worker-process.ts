/** An arm's worker as the driver sees it: a child process that takes payments, counts, and can be killed. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ArmName } from './arms/list.ts';
import type { Payment, Place } from './arms/arm.ts';
import type { FromWorker, ToWorker } from './worker.ts';

export type WorkerProcess = {
  readonly pid: number;
  /** Hands payments over; rejects when the worker refuses them or is gone. */
  pay(payments: readonly Payment[]): Promise<void>;
  count(): Promise<Record<string, number>>;
  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Called with its last words when it ends by itself. */
  onCrash(listen: (said: string) => void): void;
};

const READY_WITHIN_MS = 60_000;
const PATH = fileURLToPath(new URL('./worker.ts', import.meta.url));

/** Starts the worker of an arm and resolves when it works. */
export async function startArmWorker(name: ArmName, place: Place): Promise<WorkerProcess> {
  const child = fork(PATH, [name], {
    env: { ...process.env, BENCH_PLACE: JSON.stringify(place) },
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)));
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const waiting = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  const counts: ((counted: Record<string, number>) => void)[] = [];
  const ready = new Promise<void>((resolve) => {
    child.on('message', (message: FromWorker) => {
      if ('ready' in message) resolve();
      else if ('counted' in message) counts.shift()?.(message.counted);
      else if ('accepted' in message) waiting.get(message.accepted)?.resolve();
      else waiting.get(message.failed)?.reject(new Error(message.reason));
    });
  });
  child.once('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('The worker is gone.'));
  });
  await within(READY_WITHIN_MS, ready, gone, () => `The worker of ${name} did not start:\n${said}`);
  let calls = 0;
  let killed = false;
  const send = (message: ToWorker) => {
    if (!child.connected) throw new Error('The worker is gone.');
    child.send(message);
  };
  return {
    pid: child.pid ?? 0,
    pay: async (payments) => {
      const id = ++calls;
      try {
        await new Promise<void>((resolve, reject) => {
          waiting.set(id, { resolve, reject });
          send({ pay: payments, id });
        });
      } finally {
        waiting.delete(id);
      }
    },
    count: () =>
      new Promise((resolve) => {
        counts.push(resolve);
        send({ count: true });
      }),
    kill: async () => {
      killed = true;
      child.kill('SIGKILL');
      await gone;
    },
    onCrash: (listen) => void gone.then(() => (killed ? undefined : listen(said))),
  };
}

async function within(
  ms: number,
  done: Promise<void>,
  gone: Promise<void>,
  words: () => string,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), ms);
  });
  const first = await Promise.race([done.then(() => 'done'), gone.then(() => 'gone'), late]);
  clearTimeout(timer);
  if (first !== 'done') throw new Error(words());
}
