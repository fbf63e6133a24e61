import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ConfigError, loadConfig, loadDatabaseConfig } from '../src/config.ts';
import { SECRET_SETTINGS } from '../src/secret-files.ts';
import { temporalSettings } from '../src/temporal-settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'settle-test-'));
const file = (name: string, content: string) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const URL = 'postgres://settlement:passwordInTheFile@db:5432/settlement';

const refusalOf = (read: () => unknown): string => {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  return 'accepted';
};

describe('a secret in a file', () => {
  test('is read without the line end behind it, as if it were set', () => {
    const config = loadDatabaseConfig({ DATABASE_URL_FILE: file('url', `${URL}\n`) });
    expect(config.DATABASE_URL).toBe(URL);
    const { connectionOptions } = temporalSettings({
      TEMPORAL_API_KEY_FILE: file('key', 'an api key\n'),
    });
    expect(connectionOptions.apiKey).toBe('an api key');
  });

  test.each(SECRET_SETTINGS)('and in the environment at once is refused: %s', (name) => {
    const env = { [name]: 'a secret', [`${name}_FILE`]: file('twice', 'another secret') };
    const read = name.startsWith('TEMPORAL_') ? temporalSettings : loadConfig;
    const said = refusalOf(() => read(env));
    expect(said).toContain(`${name} and ${name}_FILE are both set`);
    expect(said).not.toMatch(/a(nother)? secret/);
  });

  test('that is not there is named, with every other problem', () => {
    const said = refusalOf(() =>
      loadConfig({
        DATABASE_URL_FILE: join(folder, 'nowhere'),
        WEBHOOK_SECRET_KEYS_FILE: file('keys', 'k1:tooShortAsAKey'),
      }),
    );
    expect(said).toContain('DATABASE_URL_FILE cannot be read: ENOENT');
    expect(said).toContain('HORIZON_URL is no http');
    expect(said).toContain('WEBHOOK_SECRET_KEYS has a key ("k1")');
    expect(said).not.toContain('tooShortAsAKey');
  });

  test('with keys for Temporal that are none is refused before anything is connected', () => {
    const said = refusalOf(() => temporalSettings({ TEMPORAL_CODEC_KEYS: 'k1:tooShortAsAKey' }));
    expect(said).toContain('TEMPORAL_CODEC_KEYS has a key ("k1")');
    expect(said).not.toContain('tooShortAsAKey');
  });
});
