/** All deliberate breakages: those that a slice of the certificate must notice, and, by area, those that a test must. */
import { BOOKS_MUTANTS } from './books.ts';
import { BOUNDED_MUTANTS } from './bounded.ts';
import { DOORS_MUTANTS } from './doors.ts';
import { EVIDENCE_MUTANTS } from './evidence.ts';
import { MUTANTS, type Mutant } from './list.ts';
import { NET_MUTANTS } from './net.ts';
import { READING_MUTANTS } from './reading.ts';
import { RIGHTS_MUTANTS } from './rights.ts';
import { SETTLEMENT_MUTANTS, type TestedMutant } from './settlement.ts';
import { TOLD_MUTANTS } from './told.ts';

/** The name by which the mutants of the certificate itself are chosen. */
export const CERTIFICATE = 'certificate';

/** Those that a slice of the certificate must notice. */
export const SLICED: readonly Mutant[] = [...MUTANTS, ...BOOKS_MUTANTS];

/** Mutants that a test must notice, by the name of their area: `npm run certify:mutants -- doors` plays one area. */
export const TESTED: Readonly<Record<string, readonly TestedMutant[]>> = {
  evidence: EVIDENCE_MUTANTS,
  reading: READING_MUTANTS,
  settlement: SETTLEMENT_MUTANTS,
  told: TOLD_MUTANTS,
  doors: DOORS_MUTANTS,
  bounded: BOUNDED_MUTANTS,
  net: NET_MUTANTS,
  rights: RIGHTS_MUTANTS,
};

/** Those of an area, or those whose name contains one of the words; all of them where nothing is asked for. */
export function chosenMutants(words: readonly string[]): readonly (Mutant | TestedMutant)[] {
  const all = [[CERTIFICATE, SLICED] as const, ...Object.entries(TESTED)];
  return all.flatMap(([area, mutants]) =>
    mutants.filter(
      ({ name }) =>
        words.length === 0 || words.some((word) => word === area || name.includes(word)),
    ),
  );
}
