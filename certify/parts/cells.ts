/** The fault matrix: each cell is one fault, how it is made to happen, and how everything becomes well again. */
import { FAILPOINTS } from './cells/failpoints.ts';
import { SECRETS, SIGNALS, TWICE } from './cells/messages.ts';
import { POSTGRES } from './cells/postgres.ts';
import { CLOCK, TEMPORAL, WORKERS } from './cells/processes.ts';
import type { Cell } from './cells/scene.ts';
import { HORIZON, RECEIVER } from './cells/world.ts';

export type { Cell } from './cells/scene.ts';

/** Every cell, in the order of the certificate. */
export const CELLS: readonly Cell[] = [
  ...FAILPOINTS,
  ...WORKERS,
  ...TEMPORAL,
  ...POSTGRES,
  ...HORIZON,
  ...RECEIVER,
  ...SIGNALS,
  ...TWICE,
  ...SECRETS,
  ...CLOCK,
];
