/**
 * The real Horizon where it is to be had: found or built when this is loaded. Elsewhere the comparison is skipped, and
 * says so; with ORACLE=required that is an error.
 */
import { describe } from '@jest/globals';
import { findHorizon } from './find-horizon.ts';

const say = (line: string) => process.stderr.write(`  ${line}\n`);

const found = await findHorizon(say).catch((error: Error) => {
  if (process.env['ORACLE'] === 'required') throw error;
  say(`The comparison with the real Horizon is skipped. ${error.message}`);
  return null;
});

/** The path of Horizon; empty where there is none. */
export const binary = found ?? '';

/** `describe` for what needs it. */
export const reality = found === null ? describe.skip : describe;
