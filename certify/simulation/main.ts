/** The simulation as a process of its own: its argument is what `simulate` takes, as JSON; its message is the results. */
import { simulate, type Simulated } from './simulate.ts';

const { seed, ...size } = JSON.parse(process.argv[2] ?? '') as Simulated & { seed: number };
process.once('disconnect', () => process.exit(1));
process.send?.(await simulate(seed, size), () => process.exit(0));
