/** The process of an arm's worker, which the bench kills: `worker.ts <arm>`, its Place in BENCH_PLACE. */
import { countRoundTrips } from './round-trips.ts';
import { loadArm, type ArmName } from './arms/list.ts';
import type { Payment, Place } from './arms/arm.ts';

/** What the driver says. */
export type ToWorker = { pay: readonly Payment[]; id: number } | { count: true };
/** What the worker answers. */
export type FromWorker =
  | { ready: true }
  | { accepted: number }
  | { failed: number; reason: string }
  | { counted: Record<string, number> };

const place = JSON.parse(process.env['BENCH_PLACE'] ?? '') as Place;
const roundTrips = countRoundTrips(Number(new URL(place.databaseUrl).port));
const arm = await loadArm(process.argv[2] as ArmName);
const worker = await arm.work(place);
const say = (message: FromWorker) => void process.send?.(message);

process.on('message', (message: ToWorker) => {
  if ('count' in message) {
    const { user, system } = process.cpuUsage();
    const own = { roundTrips: roundTrips(), cpuMs: (user + system) / 1000 };
    say({ counted: { ...own, rssMb: process.memoryUsage.rss() / 2 ** 20, ...worker.counted?.() } });
    return;
  }
  const { pay, id } = message;
  void (worker.pay?.(pay) ?? Promise.resolve()).then(
    () => say({ accepted: id }),
    (error: unknown) => say({ failed: id, reason: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
say({ ready: true });
