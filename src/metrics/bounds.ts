/**
 * Bounds of docs/decisions/0016-blast-radius.md that are counted when they are reached, as `settlement_bounds_reached`. They lie
 * in many parts of the process; each publishes, and the process that has metrics subscribes (runtime.ts).
 */
import { channel } from 'node:diagnostics_channel';

/** Each label of the metric, and the constant that it stands for. A test compares both with the decision's tables. */
export const BOUNDS = {
  wakes: 'WAKES_PER_TURN',
  followed: 'FOLLOWED_PER_TURN',
  due_list: 'BATCH',
  commit_ms: 'TOGETHER_MS',
  portions: 'MOST_PORTIONS',
  told_together: 'TOLD_ONE_BY_ONE',
  view: 'SHOWN_AT_EACH_END',
  endpoints: 'MOST_ENDPOINTS',
  endpoint_posts: 'AT_ONCE',
  merchant_posts: 'MERCHANT_AT_ONCE',
  posts_beside_commits: 'BESIDE_COMMITS',
  answer_bytes: 'LARGEST_ANSWER',
  resolve_ms: 'RESOLVE_WITHIN_MS',
  addresses: 'ADDRESSES_TRIED',
  request: 'METADATA_BYTES',
  log_line: 'LOG_LINE_BYTES',
} as const;

/** A label. */
export type Bound = keyof typeof BOUNDS;

const CHANNEL = channel('stellar-settlement:bound-reached');

/** Counts that a bound was reached. */
export function reached(bound: Bound): void {
  CHANNEL.publish(bound);
}

/** Calls `count` each time that a bound is reached in this process. Returns how to end it. */
export function onReached(count: (bound: Bound) => void): () => void {
  const listen = (bound: unknown) => count(bound as Bound);
  CHANNEL.subscribe(listen);
  return () => {
    CHANNEL.unsubscribe(listen);
  };
}
