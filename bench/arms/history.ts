import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowClient } from '@temporalio/client';

/** A run ends a moment after its webhook; one that waits for something is counted as it is then. */
const ENDS_WITHIN_MS = 3_000;

/** How many history events each workflow cost, over all of its runs. */
export async function historyLengths(
  workflow: WorkflowClient,
  workflowIds: readonly string[],
): Promise<number[]> {
  const until = Date.now() + ENDS_WITHIN_MS;
  const lengths: number[] = [];
  for (const id of workflowIds) {
    while ((await workflow.getHandle(id).describe()).status.name === 'RUNNING') {
      if (Date.now() > until) break;
      await sleep(50);
    }
    let events = 0;
    // The list knows the runs, but tells their lengths late.
    for await (const { runId } of workflow.list({ query: `WorkflowId = '${id}'` })) {
      events += (await workflow.getHandle(id, runId).describe()).historyLength;
    }
    lengths.push(events);
  }
  return lengths;
}
