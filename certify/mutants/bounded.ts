import type { TestedMutant } from './settlement.ts';

export const BOUNDED_MUTANTS: readonly TestedMutant[] = [];
