import { Command } from 'commander';
import { ConfigError, loadSecretsConfig } from '../config.ts';
import { connect, type Database } from '../db/connection.ts';
import { countSecrets, rewriteSecrets, type Rewritten, type SecretCount } from '../db/secrets.ts';
import type { KeyRing } from '../keys/key-ring.ts';
import { EXIT } from './errors.ts';
import { isWatched, print, printProgress } from './output.ts';

/** `settle secrets list|encrypt|decrypt` */
export function secretsCommand(top: Command): Command {
  const list = new Command('list')
    .description('how many webhook secrets are plain, and how many are under which key')
    .action(async (_options: unknown, command: Command) => {
      const counts = await onDatabase(({ db }) => countSecrets(db));
      print(command, counts, (c) => c.map(inWords).join('\n') || 'There is no webhook secret.');
    });
  const encrypt = new Command('encrypt')
    .alias('rotate')
    .description(
      'bring every webhook secret under the first of WEBHOOK_SECRET_KEYS: plain ones, and those of older keys; a backend that signs webhooks itself cannot read them then',
    )
    .action((_options: unknown, command: Command) => rewrite(command, 'first key'));
  const decrypt = new Command('decrypt')
    .description('make every webhook secret plain again, for a backend that must read them')
    .action((_options: unknown, command: Command) => rewrite(command, 'plain'));
  return top.addCommand(list).addCommand(encrypt).addCommand(decrypt);
}

async function rewrite(command: Command, to: 'first key' | 'plain'): Promise<void> {
  const done = await onDatabase(({ db }, keys) => {
    if (keys === null) {
      throw new ConfigError([
        'WEBHOOK_SECRET_KEYS is missing: `id:key`, the key 32 bytes in base64',
      ]);
    }
    return rewriteSecrets(db, keys, to, told);
  });
  print(command, done, rewritten);
  if (done.locked > 0) process.exitCode = EXIT.failed;
}

/** Progress, for a person who waits. */
function told(done: Rewritten): void {
  if (isWatched()) printProgress(rewritten(done));
}

function rewritten({ changed, right, locked }: Rewritten): string {
  const left = locked > 0 ? `, ${locked} left: none of the keys here reads them` : '';
  return `${changed} rewritten, ${right} were right already${left}.`;
}

function inWords({ place, key, secrets }: SecretCount): string {
  return `${place}  ${key === null ? 'plain' : `key ${key}`}  ${secrets}`;
}

async function onDatabase<T>(
  use: (database: Database, keys: KeyRing | null) => Promise<T>,
): Promise<T> {
  const { DATABASE_URL, WEBHOOK_SECRET_KEYS } = loadSecretsConfig(process.env);
  const database = connect(DATABASE_URL, { max: 2, applicationName: 'settle secrets' });
  try {
    return await use(database, WEBHOOK_SECRET_KEYS ?? null);
  } finally {
    await database.close();
  }
}
