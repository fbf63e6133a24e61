import type { TestedMutant } from './settlement.ts';

export const RIGHTS_MUTANTS: readonly TestedMutant[] = [];
