/**
 * The real Horizon where it is to be had: found or built when this is loaded. Elsewhere the comparison is skipped, and
 * says so; with ORACLE=required that is an error.
 */
import { describe } from '@jest/globals';
import { foundOr, say } from '../support/required.ts';
import { findHorizon } from './find-horizon.ts';

const found = await foundOr(findHorizon(say), 'The comparison with the real Horizon is skipped.');

/** The path of Horizon; empty where there is none. */
export const binary = found ?? '';

/** `describe` for what needs it. */
export const reality = found === null ? describe.skip : describe;
