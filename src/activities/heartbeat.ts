import { Context } from '@temporalio/activity';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';

/** A third of the heartbeat timeout (workflows/options.ts): two beats may be late before a worker counts as dead. */
const BEAT_MS = 1_000;

/**
 * Heartbeats for every activity from a timer, so that no activity has to think of it, a worker that dies is noticed
 * within seconds, and a cancellation reaches the activity.
 */
export function heartbeatInterceptor(): ActivityInboundCallsInterceptor {
  return {
    async execute(input, next) {
      const { heartbeat } = Context.current();
      const timer = setInterval(() => heartbeat(), BEAT_MS);
      try {
        return await next(input);
      } finally {
        clearInterval(timer);
      }
    },
  };
}
