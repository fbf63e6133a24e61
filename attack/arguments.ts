/** What `npm run attack` was asked to do. */
import { parseArgs } from 'node:util';
import { ACTORS, type ActorName } from './actors/list.ts';

/** What was asked for. */
export type Wanted = {
  /** Smaller numbers and shorter phases: under four minutes on two cores. */
  readonly quick: boolean;
  readonly seed: number;
  /** The attacks of each actor that are made; an actor that is not there is left out. */
  readonly plan: readonly Planned[];
};

/** An actor, and its attacks. */
export type Planned = { readonly actor: ActorName; readonly attacks: readonly string[] };

/** Reads the command line. `--only` takes an actor, or one attack of it: `payer`, `payer:giants`. @throws Error that says what may be given */
export function readArguments(args: readonly string[]): Wanted {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      seed: { type: 'string' },
      only: { type: 'string', multiple: true, default: [] },
    },
  });
  const seed = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);
  if (!Number.isInteger(seed))
    throw new Error(`--seed: must be a whole number, not "${values.seed}".`);
  return { quick: values.quick, seed, plan: planOf(values.only) };
}

/** The actors of a run and their attacks, in the order of the list. @throws Error that names what there is */
export function planOf(only: readonly string[]): Planned[] {
  const every = Object.entries(ACTORS).flatMap(([actor, attacks]) =>
    Object.keys(attacks).map((attack) => ({ actor: actor as ActorName, attack })),
  );
  for (const name of only) {
    if (every.some((one) => isNamed(one, name))) continue;
    const there = every.map(({ actor, attack }) => `${actor}:${attack}`).join(', ');
    throw new Error(
      `--only: there is no "${name}". There are ${Object.keys(ACTORS).join(', ')}, and of those ${there}.`,
    );
  }
  const chosen = every.filter(
    (one) => only.length === 0 || only.some((name) => isNamed(one, name)),
  );
  return [...Map.groupBy(chosen, ({ actor }) => actor)].map(([actor, some]) => ({
    actor,
    attacks: some.map(({ attack }) => attack),
  }));
}

function isNamed({ actor, attack }: { actor: string; attack: string }, name: string): boolean {
  return name === actor || name === `${actor}:${attack}`;
}
