import type { Command } from 'commander';
import { describeSchedule, ensureSchedule } from '../schedule.ts';
import { cadenceOf } from './cadence.ts';
import { fields, print } from './output.ts';
import { withTemporal } from './temporal.ts';

/** `settle schedule` */
export function scheduleCommand(top: Command): Command {
  return top.action(async (_options: unknown, command: Command) => {
    const { networkName, everyMs } = await cadenceOf(process.env);
    const found = await withTemporal(async (client) => {
      const outcome = await ensureSchedule(client, { networkName, everyMs });
      const schedule = await describeSchedule(client, networkName);
      return {
        schedule: schedule?.scheduleId ?? null,
        outcome,
        everyMs,
        paused: schedule?.state.paused ?? false,
        runs: schedule?.info.numActionsTaken ?? 0,
        missed: schedule?.info.numActionsMissedCatchupWindow ?? 0,
        skippedBecauseOneRan: schedule?.info.numActionsSkippedOverlap ?? 0,
        lastRun: schedule?.info.recentActions.at(-1)?.takenAt.toISOString() ?? null,
        nextRun: schedule?.info.nextActionTimes[0]?.toISOString() ?? null,
      };
    });
    const inWords = (shown: typeof found) =>
      fields([
        ['schedule', `${shown.schedule} (${shown.outcome})`],
        ['every', `${shown.everyMs / 60_000} min${shown.paused ? ', PAUSED' : ''}`],
        ['runs', shown.runs],
        ['missed', shown.missed],
        ['skipped, one ran', shown.skippedBecauseOneRan],
        ['last run', shown.lastRun],
        ['next run', shown.nextRun],
      ]);
    print(command, found, inWords);
  });
}
