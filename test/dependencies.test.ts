/** Few dependencies, each with a reason, each with a hash. */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

const read = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
const manifest = JSON.parse(read('package.json')) as Record<string, Record<string, string>>;
const lock = JSON.parse(read('package-lock.json')) as {
  packages: Record<string, { integrity?: string; link?: boolean; resolved?: string }>;
};
const declared = {
  ...manifest['dependencies'],
  ...manifest['devDependencies'],
  ...manifest['optionalDependencies'],
};

test('every dependency has a line that says why, and no line is left of one that went', () => {
  const lines = [...read('docs/dependencies.md').matchAll(/^\| `([^`]+)` +\| (.*?) *\|$/gm)];
  expect(lines.map(([, name = '']) => name).toSorted()).toEqual(Object.keys(declared).toSorted());
  for (const [, , why = ''] of lines) expect(why.length).toBeGreaterThan(3);
});

test('every version is exact', () => {
  for (const version of Object.values(declared)) expect(version).toMatch(/^\d+\.\d+\.\d+[\w.-]*$/);
});

test('every package in the lock has its hash, and comes from the registry that is configured', () => {
  const packages = Object.entries(lock.packages).filter(([path]) => path !== '');
  expect(packages.length).toBeGreaterThan(300);
  const unhashed = packages.filter(([, { integrity = '' }]) => !/^sha512-.{86,}/.test(integrity));
  expect(unhashed.map(([path]) => path)).toEqual([]);
  expect(packages.filter(([, { resolved, link }]) => resolved !== undefined || link)).toEqual([]);
});

test('no package runs a script when it is installed, wherever `npm ci` is run', () => {
  for (const folder of ['', 'bench/', 'examples/nestjs/']) {
    expect(read(`${folder}.npmrc`).split('\n')).toContain('ignore-scripts=true');
    // npm runs what is not listed there, too: a list enforces nothing.
    expect(JSON.parse(read(`${folder}package.json`))).not.toHaveProperty('allowScripts');
  }
  for (const [, copied = ''] of read('Dockerfile').matchAll(/^COPY (package\.json.*)$/gm)) {
    expect(copied).toContain('.npmrc');
  }
});
