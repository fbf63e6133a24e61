/** Simulates beside what is played on real parts, which mostly wait, and behind it when both want the processor. */
import { fork } from 'node:child_process';
import { getPriority, setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Simulated, SimulationResult } from './simulate.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

/** Resolves to the results. A simulation that breaks is a red one. */
export function simulateAside(seed: number, size: Simulated): Promise<SimulationResult[]> {
  const child = fork(MAIN, [JSON.stringify({ seed, ...size })]);
  if (child.pid !== undefined) setPriority(child.pid, Math.max(10, getPriority()));
  return new Promise((resolve) => {
    child.once('message', (results) => resolve(results as SimulationResult[]));
    child.once('exit', (code) => {
      const violations = [`The simulation ended with ${code} before it was done.`];
      resolve([{ name: 'its own process', schedules: 0, steps: 0, violations, ms: 0 }]);
    });
  });
}
