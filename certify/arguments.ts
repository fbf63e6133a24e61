/** What `npm run certify` was asked to do. */
import { parseArgs } from 'node:util';

/** A part of the certificate: the simulation on the model of storage or on PostgreSQL, and what is played on real parts. */
export type Part = (typeof PARTS)[number];

/** What was asked for. */
export type Wanted = {
  /** The slice that fits into three minutes. */
  readonly quick: boolean;
  readonly seed: number;
  /** No round is begun later than this; null: as the budget has it. */
  readonly minutes: number | null;
  /** Only cells whose name contains one of these. */
  readonly cells: readonly string[];
  /** These cells in one round, as a drawn round has them. */
  readonly together: boolean;
  /** Only these parts. */
  readonly parts: readonly Part[];
  /** Sessions that are drawn for a round; null: as many as it usually has. */
  readonly drawn: number | null;
  /** Only these sessions of a round, by their number in the draw. */
  readonly sessions: readonly number[] | null;
  /** Keep runs in test/histories, instead of those that are there. */
  readonly keepHistories: boolean;
  /** Write the certificate. */
  readonly write: boolean;
};

const PARTS = ['model', 'postgres', 'matrix', 'random'] as const;

/** Reads the command line. @throws Error that says what may be given */
export function readArguments(args: readonly string[]): Wanted {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      seed: { type: 'string' },
      minutes: { type: 'string' },
      cell: { type: 'string', multiple: true, default: [] },
      together: { type: 'boolean', default: false },
      part: { type: 'string', multiple: true, default: [] },
      drawn: { type: 'string' },
      sessions: { type: 'string' },
      'keep-histories': { type: 'boolean', default: false },
      'no-write': { type: 'boolean', default: false },
    },
  });
  const parts = values.part.map((name) => {
    const part = PARTS.find((one) => one === name);
    if (!part) throw new Error(`There is no part "${name}"; there are ${PARTS.join(', ')}.`);
    return part;
  });
  const seed = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);
  if (!Number.isInteger(seed)) throw new Error(`A seed is a whole number, not "${values.seed}".`);
  const minutes = values.minutes === undefined ? null : Number(values.minutes);
  if (minutes !== null && !(minutes > 0))
    throw new Error(`Minutes are a number, not "${values.minutes}".`);
  const isWhole = parts.length === 0 && values.cell.length === 0 && values.sessions === undefined;
  return {
    quick: values.quick,
    seed,
    minutes,
    cells: values.cell,
    together: values.together,
    parts: parts.length > 0 ? parts : values.cell.length > 0 ? ['matrix'] : PARTS,
    drawn: values.drawn === undefined ? null : Number(values.drawn),
    sessions: values.sessions?.split(',').map(Number) ?? null,
    keepHistories: values['keep-histories'],
    write: isWhole && !values.quick && !values['no-write'],
  };
}
