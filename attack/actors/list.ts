/** Every actor, and the attacks that it makes side by side. */
import type { Attack } from './actor.ts';
import { backend } from './backend.ts';
import { merchant } from './merchant.ts';
import { neighbour } from './neighbour.ts';
import { neighbouringPayer, payer } from './payer.ts';
import { reporter } from './reporter.ts';

/** The actors. */
export const ACTORS = {
  payer,
  'same-account': neighbouringPayer,
  merchant,
  backend,
  reporter,
  neighbour,
} satisfies Record<string, Record<string, Attack>>;
/** The name of an actor. */
export type ActorName = keyof typeof ACTORS;
