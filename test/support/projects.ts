/**
 * Which tests need something that runs beside them. It is read off their imports, so nobody keeps a list: a test is
 * `pure` when no module that it reaches starts a process or asks for what the run has started. All others are `servers`.
 * jest.config.js makes two projects of them. `npm test -- --selectProjects pure` starts nothing and takes seconds.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** The one module that knows the addresses and files of what runs for all tests. */
export const GIVEN = 'test/support/given.ts';

/** Type imports are erased. A path that is computed is not seen: such a test finds nothing given, and fails. */
const IMPORT =
  /^(?:import|export)\s(?!type\s)[^;]*?from\s*'([^']+)'|^import\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm;

/**
 * The test files below `root`, as paths relative to it.
 * @throws what reading a file throws
 */
export function projects(root: string): { pure: string[]; servers: string[] } {
  const reaches = reachFrom(root);
  const files = globSync('test/**/*.test.ts', { cwd: root }).map(normalize).toSorted();
  const needy = new Set(files.filter((file) => reaches(file, startsOrIsGiven)));
  return {
    pure: files.filter((file) => !needy.has(file)),
    servers: files.filter((file) => needy.has(file)),
  };
}

const startsOrIsGiven = (file: string, imports: readonly string[]) =>
  file === GIVEN || imports.includes('node:child_process');

type Wanted = (file: string, imports: readonly string[]) => boolean;

/** Whether a file, or one that it imports directly or through others, is wanted. */
function reachFrom(root: string): (file: string, wanted: Wanted) => boolean {
  const known = new Map<string, string[]>();
  const importsOf = (file: string): string[] => {
    const imports = known.get(file) ?? readImports(root, file);
    known.set(file, imports);
    return imports;
  };
  return (file, wanted) => {
    const seen = new Set([file]);
    for (const next of seen) {
      const imports = importsOf(next);
      if (wanted(next, imports)) return true;
      for (const path of imports) if (existsSync(join(root, path))) seen.add(path);
    }
    return false;
  };
}

/** What a file imports: paths below the root for files, names for packages. */
function readImports(root: string, file: string): string[] {
  if (!/\.(ts|mjs|js)$/.test(file)) return [];
  return [...readFileSync(join(root, file), 'utf8').matchAll(IMPORT)].map((found) => {
    const name = found[1] ?? found[2] ?? found[3] ?? '';
    return name.startsWith('.') ? normalize(join(dirname(file), name)) : name;
  });
}
