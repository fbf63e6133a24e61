#!/usr/bin/env node
/** `settle`: the system on the command line. One sentence for an error, and an exit code that says whose it was. */
import { runSettle } from './cli/program.ts';

await runSettle(process.argv.slice(2));
// SDK workers that were made and never ran keep the process alive, and nothing but its end ends them.
if (process.exitCode) process.exit();
