/** Runs that went through faults, kept so that every later version of the workflows is replayed on them. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { Stack } from './stack.ts';

const FILE = fileURLToPath(new URL('../../test/histories/certified.jsonl.gz', import.meta.url));
/** Stack traces name where the repository lies; that is nobody's business. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** More would make the repository larger and show little more. */
const MOST = 200;

/** Collects runs while rounds are played. */
export type Histories = {
  /** Takes the runs of a stack that have ended since it was last asked, if there is none yet with the same events in the same order. */
  take(stack: Stack): Promise<void>;
  /** Writes what was taken. Returns how many runs those are. */
  write(): number;
};

/** Begins to collect. */
export function collectHistories(): Histories {
  const taken = new Map<string, string>();
  const seen = new WeakMap<Stack, Date>();
  return {
    take: async (stack) => {
      const since = seen.get(stack) ?? new Date(0);
      seen.set(stack, new Date());
      const query = `ExecutionStatus = 'Completed' AND CloseTime >= '${since.toISOString()}'`;
      for await (const { workflowId, runId } of stack.temporal.workflow.list({ query })) {
        if (taken.size === MOST) return;
        const history = await stack.temporal.workflow.getHandle(workflowId, runId).fetchHistory();
        const recorded = JSON.parse(historyToJSON(history).replaceAll(ROOT, '')) as Recorded;
        const shape = shapeOf(recorded);
        if (!taken.has(shape)) taken.set(shape, JSON.stringify({ workflowId, history: recorded }));
      }
    },
    write: () => {
      writeFileSync(FILE, gzipSync([...taken.values()].join('\n'), { level: 9 }));
      return taken.size;
    },
  };
}

type Recorded = {
  events: {
    eventType: string;
    activityTaskScheduledEventAttributes?: { activityType: { name: string } };
  }[];
};

/** What a replay depends on: the events, and the names of the activities. */
function shapeOf({ events }: Recorded): string {
  return events
    .map((e) => e.activityTaskScheduledEventAttributes?.activityType.name ?? e.eventType)
    .join();
}
