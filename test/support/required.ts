/** What not every machine has: other tests go on without it, and say so; with ORACLE=required its absence is an error. */

/** Tells whoever runs the tests. */
export const say = (line: string): void => void process.stderr.write(`  ${line}\n`);

/** What was looked for, or null where it cannot be had. `skipped` says what is not tested then. */
export async function foundOr<T>(found: Promise<T>, skipped: string): Promise<T | null> {
  return found.catch((error: Error) => {
    if (process.env['ORACLE'] === 'required') throw error;
    say(`${skipped} ${error.message}`);
    return null;
  });
}
