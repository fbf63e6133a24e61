import type { Tally } from '../../domain/discrepancy.ts';

/** A page of one kind of discrepancy that is to be looked for and repaired. */
export type PageRequest = {
  /** The `next` of the page before; null for the first. */
  readonly after: string | null;
  /** Only say what there is. */
  readonly dryRun: boolean;
  /** Look also for what is looked for once a day only. */
  readonly thorough: boolean;
};

/** What became of it, and where the next page begins; null: this was the last one. */
export type PageOutcome = Tally & { readonly next: string | null };
