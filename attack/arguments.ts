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

/** What is played, in the order of the list: an actor with all its attacks, or one attack by itself. @throws Error that names what there is */
export function planOf(only: readonly string[]): Planned[] {
  const every: Planned[] = Object.entries(ACTORS).flatMap(([name, attacks]) => {
    const actor = name as ActorName;
    const each = Object.keys(attacks);
    const single = each.length > 1 ? each.map((attack) => ({ actor, attacks: [attack] })) : [];
    return [{ actor, attacks: each }, ...single];
  });
  const names = every.map(nameOf);
  for (const name of only) {
    if (names.includes(name)) continue;
    throw new Error(`--only: there is no "${name}". There are ${names.join(', ')}.`);
  }
  return every.filter((one) => {
    const name = nameOf(one);
    return only.length === 0 ? !name.includes(':') : only.includes(name);
  });
}

/** `payer`, or `payer:giants` for one attack of several. */
export function nameOf({ actor, attacks }: Planned): string {
  const isWhole = attacks.length === Object.keys(ACTORS[actor]).length;
  return isWhole ? actor : `${actor}:${attacks.join('+')}`;
}
