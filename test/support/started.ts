/** What runs for all tests. Jest loads setup and teardown as two module graphs, so only `global` is shared. */
type Part = { stop(): Promise<void> };

const shared = globalThis as { startedForAllTests?: Part[] };

/** The parts that the teardown stops; the setup adds to it. */
export function startedForAllTests(): Part[] {
  return (shared.startedForAllTests ??= []);
}
