import type { Command } from 'commander';
import { EXIT } from './errors.ts';
import { printLines } from './output.ts';

const TESTNET = 'https://horizon-testnet.stellar.org';

/** `settle demo` */
export function demoCommand(top: Command): Command {
  return top
    .option('--stay', 'keep everything running at the end, to play with')
    .option('--testnet', `play on Stellar's test network (or set HORIZON_URL)`)
    .action(async (options: { stay?: boolean; testnet?: boolean }) => {
      // Loaded only here: an installation without development dependencies has no sandbox.
      const { runDemo } = await import('../sandbox/demo/demo.ts');
      const started = Date.now();
      const progress = (line: string) => {
        const seconds = ((Date.now() - started) / 1000).toFixed(0).padStart(3);
        printLines(line.startsWith('\n') ? line : `${seconds} s  ${line}`);
      };
      const asExpected = await runDemo(
        {
          horizonUrl: options.testnet === true ? TESTNET : process.env['HORIZON_URL'] || null,
          stay: options.stay === true,
        },
        process.env,
        progress,
      );
      printLines(
        asExpected ? 'The demo ended as it should.' : 'The demo did NOT end as it should.',
      );
      process.exitCode = asExpected ? EXIT.done : EXIT.failed;
    });
}
