import type { TestedMutant } from './settlement.ts';

export const DOORS_MUTANTS: readonly TestedMutant[] = [];
