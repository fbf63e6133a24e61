import type { TestedMutant } from './settlement.ts';

export const NET_MUTANTS: readonly TestedMutant[] = [];
