import { fileURLToPath } from 'node:url';

/**
 * The path of a file of this code, without its ending, as seen from the module at `from` (its import.meta.url): it runs as
 * TypeScript in the repository, as JavaScript in an image.
 */
export function codeFile(path: string, from: string): string {
  return fileURLToPath(new URL(`${path}${from.endsWith('.ts') ? '.ts' : '.js'}`, from));
}
