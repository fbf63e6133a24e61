/** docker-compose.yml and Dockerfile, as far as they can be judged without an engine. */
import { existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { SA_NAMES } from '../../src/temporal.ts';
import { SEARCH_ATTRIBUTES } from '../../src/workflows/search-attributes.ts';
import { makePasswords, parseCompose, ROOT, type Composed } from './composed.ts';
import { deployable } from './programs.ts';

const text = (name: string) => readFileSync(join(ROOT, name), 'utf8');

describe('the files of a deployment', () => {
  test('contain no password: each one must be given', () => {
    const compose = text('docker-compose.yml');
    const values = [...compose.matchAll(/^ *\w*PASSWORD: *(.*)$/gm)].map(([, value = '']) => value);
    expect(values.length).toBeGreaterThan(5);
    for (const value of values) expect(value).toMatch(/^\$\{\w+:\?/);
    for (const [url] of compose.matchAll(/postgres:\/\/\S+/g)) expect(url).toMatch(/:\$\{\w+:\?/);
    expect(compose).not.toMatch(/PASSWORD:-/);
  });

  test('passwords are made once, for the eyes of their owner, and differ', async () => {
    const file = await makePasswords();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const values = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.slice(line.indexOf('=') + 1));
    expect(values).toHaveLength(6);
    expect(new Set(values).size).toBe(6);
    for (const value of values) expect(value.length).toBeGreaterThan(40);
    expect(text('.gitignore')).toContain('.env');
    expect(text('.dockerignore').split('\n')[0]).toBe('*');
  });

  test('a file that was there is closed to others, and its last line stays what it is', async () => {
    const file = await makePasswords('MINE=1\nLAST=no line end');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    expect(lines.slice(0, 2)).toEqual(['MINE=1', 'LAST=no line end']);
    expect(lines[2]).toMatch(/^POSTGRES_PASSWORD=[0-9a-f]{48}$/);
    expect(lines).toHaveLength(8);
  });

  test('the image is built from files that are there and let through, and runs as nobody of weight', () => {
    const lines = text('Dockerfile').split('\n');
    const through = text('.dockerignore').split('\n');
    const copied = lines
      .filter((line) => line.startsWith('COPY') && !line.includes('--from'))
      .flatMap((line) => line.split(' ').slice(1, -1));
    expect(copied.length).toBeGreaterThan(5);
    for (const name of copied) {
      expect(existsSync(join(ROOT, name))).toBe(true);
      expect(through).toContain(`!${name}`);
    }
    const user = lines.findIndex((line) => line === 'USER node');
    expect(user).toBeGreaterThan(lines.findLastIndex((line) => /^(RUN|COPY)/.test(line)));
    const [major] = /(?<=node:)\d+/.exec(text('Dockerfile')) ?? [];
    expect(JSON.parse(text('package.json')).engines.node).toContain(`>=${major}`);
  });
});

deployable('docker-compose.yml, by the parser of Compose', () => {
  let composed: Composed;
  let envFile: string;
  beforeAll(async () => {
    envFile = await makePasswords();
    composed = await parseCompose(envFile);
  });

  test('is understood, and consists of what it should', () => {
    expect(Object.keys(composed.services).toSorted()).toEqual([
      'migrate',
      'postgres',
      'roles',
      'schedule',
      'temporal',
      'temporal-namespace',
      'temporal-schema',
      'temporal-ui',
      'worker',
    ]);
    expect(Object.keys(composed.volumes)).toEqual(['postgres']);
  });

  test('without passwords is refused, with what to do', async () => {
    const empty = join(mkdtempSync(join(tmpdir(), 'settle-test-deploy-')), '.env');
    writeFileSync(empty, '');
    await expect(parseCompose(empty)).rejects.toThrow('sh deploy/passwords.sh makes it');
  });

  test.each([
    ['a service that is not there', 'roles: { condition', 'rules: { condition'],
    ['a condition that does not exist', 'service_healthy', 'service_health'],
    ['a volume that is not there', "['postgres:/var", "['pgdata:/var"],
    ['a duration that is none', 'stop_grace_period: 40s', 'stop_grace_period: 40 sheep'],
    ['an unknown key', 'start_period: 30s', 'starting_period: 30s'],
  ])('with %s would be refused', async (_mistake, right, wrong) => {
    const file = join(mkdtempSync(join(tmpdir(), 'settle-test-deploy-')), 'docker-compose.yml');
    expect(text('docker-compose.yml')).toContain(right);
    writeFileSync(file, text('docker-compose.yml').replace(right, wrong));
    await expect(parseCompose(envFile, {}, file)).rejects.toThrow();
  });

  test('names every image by its version, opens no port to the network, and waits for what it needs', () => {
    for (const [name, service] of Object.entries(composed.services)) {
      expect(service.image).toMatch(/^(stellar-settlement|[\w/-]+:\d+\.\d+(\.\d+)?)$/);
      for (const port of service.ports ?? []) expect(port.host_ip).toBe('127.0.0.1');
      if (name !== 'postgres') expect(Object.keys(service.depends_on ?? {})).not.toEqual([]);
    }
    for (const name of ['postgres', 'temporal', 'worker']) {
      expect(composed.services[name]?.healthcheck?.test.length).toBeGreaterThan(1);
      expect(composed.services[name]?.restart).toBe('unless-stopped');
    }
    expect(composed.services['postgres']?.volumes).toMatchObject([
      { type: 'volume', source: 'postgres', target: '/var/lib/postgresql/data' },
    ]);
  });

  test('registers every search attribute there is', () => {
    const job = composed.services['temporal-namespace']?.command?.join('\n') ?? '';
    for (const { name, type } of SEARCH_ATTRIBUTES)
      expect(job).toContain(`${name}=${SA_NAMES[type]}`);
  });

  test('gives the owner’s password to the migration only, and the worker that of the app', () => {
    const withOwner = Object.entries(composed.services)
      .filter(([, s]) => JSON.stringify(s.environment ?? {}).includes('settlement_owner'))
      .map(([name]) => name);
    expect(withOwner).toEqual(['migrate']);
    expect(composed.services['worker']?.environment?.['DATABASE_URL']).toContain('settlement_app');
  });
});
