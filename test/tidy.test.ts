/** Rules of this repository that no other tool checks. CONTRIBUTING.md has their reasons. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { configSchema } from '../src/config.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const files = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', '-z'],
  {
    cwd: ROOT,
    encoding: 'utf8',
  },
)
  .split('\0')
  .filter((name) => name !== '' && existsSync(join(ROOT, name)));
const text = (name: string) => readFileSync(join(ROOT, name), 'utf8');
const sources = files.filter((name) => /^(src|test|scripts)\/.*\.(ts|mjs)$/.test(name));

describe('the repository', () => {
  test('has no source file of more than 250 lines, and no test file of more than 450', () => {
    const long = sources.map((name) => [name, text(name).split('\n').length - 1] as const);
    const most = (name: string) => (name.startsWith('test/') ? 450 : 250);
    expect(long.filter(([name, lines]) => lines > most(name))).toEqual([]);
  });

  test('has no drawer where things are put that belong nowhere', () => {
    const drawers = /^(utils?|helpers?|common|misc|types|shared|constants)\.ts$/;
    expect(sources.filter((name) => drawers.test(basename(name)))).toEqual([]);
  });

  test('leaves nothing for later in a comment', () => {
    const words = ['TO_DO', 'FIX_ME', 'XX_X', 'HA_CK'].map((word) => word.replace('_', ''));
    const marks = new RegExp(`\b(${words.join('|')})\b`);
    expect(sources.filter((name) => marks.test(text(name)))).toEqual([]);
  });

  test('says of everything that src exports what it is', () => {
    const exported =
      /^export (?:declare )?(?:abstract )?(?:async )?(?:function|class|const|type|interface) (\w+)/;
    const silent = sources
      .filter((name) => name.startsWith('src/') && !/(schema|records)/.test(name))
      .flatMap((name) => {
        const lines = text(name).split('\n');
        return lines.flatMap((line, i) => {
          const found = exported.exec(line);
          const above = lines[i - 1] ?? '';
          const grouped = exported.test(above) || above === '' ? above !== '' : true;
          return found && !grouped ? [`${name}: ${found[1] ?? ''}`] : [];
        });
      });
    expect(silent).toEqual([]);
  });

  test('names no machine and no registry', () => {
    const machine = /(^|[\s"'`(=])\/(work|root|home)\//m;
    const registry = /registry\.(npmjs|yarnpkg)|repo1?\.maven|proxy\.golang/;
    const named = files
      .filter((name) => /\.(ts|mjs|js|json|md|yml|sql|xml)$|^\.|Dockerfile|\.ci\/run/.test(name))
      .filter((name) => machine.test(text(name)) || registry.test(text(name)));
    expect(named).toEqual([]);
  });

  test('names every setting in .env.example, and in docs/operations.md', () => {
    const settings = Object.keys(configSchema.shape);
    const shown = [...text('.env.example').matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name);
    // Temporal's are read by its own library, and by clients, too.
    expect(new Set(shown.filter((name) => !name?.startsWith('TEMPORAL_')))).toEqual(
      new Set(settings),
    );
    const table = text('docs/operations.md');
    expect(settings.filter((name) => !table.includes(`| \`${name}\``))).toEqual([]);
  });

  test('writes to a terminal through the printer alone', () => {
    const writes = /process\.(stdout|stderr)\.write|console\./;
    // The printer; and the sandbox's own processes, whose output a program of ours reads.
    const may = ['src/cli/output.ts', 'src/sandbox/ledger/main.ts', 'src/sandbox/sdk-download.ts'];
    const writing = sources.filter((name) => name.startsWith('src/') && writes.test(text(name)));
    expect(writing).toEqual(may);
    expect(writes.test("process.stderr.write('x')") && writes.test('console.log(x)')).toBe(true);
  });

  test('uses one version of everything of Temporal', () => {
    const { dependencies, devDependencies } = JSON.parse(text('package.json')) as Record<
      string,
      Record<string, string>
    >;
    const versions = Object.entries({ ...dependencies, ...devDependencies })
      .filter(([name]) => name.startsWith('@temporalio/'))
      .map(([, version]) => version);
    expect(new Set(versions).size).toBe(1);
  });
});
