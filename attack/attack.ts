/**
 * The hostile workload against the real processes: payers, merchants, backends, reporters and neighbours beside a quiet
 * merchant, who must not notice. `npm run attack`, or `-- --quick` in under four minutes; `--only payer` or
 * `--only payer:giants` for one actor or attack. Exits 1 when a bound was passed or a promise broke.
 */
import { readArguments } from './arguments.ts';
import { runAttacks } from './run.ts';
import { shown } from './shown.ts';
import { tableOf } from './table.ts';

const say = (line: string) => void process.stdout.write(`${line}\n`);
const wanted = readArguments(process.argv.slice(2));
say(`Seed ${wanted.seed}. The same attacks again: -- --seed ${wanted.seed}`);
const { phases, unconserved, seconds } = await runAttacks(wanted, say);
say(tableOf(phases));
for (const what of unconserved.slice(0, 10)) say(`conservation: ${shown(what)}`);
const red = phases.some(({ passed }) => passed.length > 0) || unconserved.length > 0;
say(`${red ? 'RED' : 'GREEN'}: ${phases.length - 1} actors, ${seconds} s.`);
process.exit(red ? 1 : 0);
