import { z } from 'zod';
import { ConfigError } from './config-error.ts';
import { databaseUrlProblem } from './db/database-url.ts';
import { reasonOf } from './domain/failure.ts';
import { parseKeyRing, type KeyRing } from './keys/key-ring.ts';
import { withSecretFiles } from './secret-files.ts';

export { ConfigError };

/** The passphrases by which Stellar's networks tell themselves apart; each signature covers it. */
export const NETWORKS: Readonly<Record<string, string>> = {
  public: 'Public Global Stellar Network ; September 2015',
  testnet: 'Test SDF Network ; September 2015',
  futurenet: 'Test SDF Future Network ; October 2022',
};

const milliseconds = (fallback: number, least: number) =>
  z.coerce.number().int().min(least).default(fallback);

const listOf = z
  .string()
  .default('')
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  );

/** Keys for encryption, read into what encrypts; the text itself goes no further. */
const keys = z
  .string()
  .transform((text, context): KeyRing | typeof z.NEVER => {
    try {
      return parseKeyRing(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: reasonOf(error) });
      return z.NEVER;
    }
  })
  .optional();

/** Every setting, as environment variables. `.env.example` lists the same names with their reasons. */
export const configSchema = z.object({
  DATABASE_URL: z
    .string({ error: 'is missing: postgres://user:password@host:5432/database' })
    .regex(/^postgres(ql)?:\/\//, 'is no PostgreSQL address (postgres://…)')
    .superRefine((url, context) => {
      const message = databaseUrlProblem(url);
      if (message !== null) context.addIssue({ code: 'custom', message });
    }),
  HORIZON_URL: z.url({ protocol: /^https?$/, error: 'is no http(s) address of a Horizon' }),
  NETWORK_PASSPHRASE: z
    .string()
    .min(1)
    .default(NETWORKS.testnet ?? ''),
  HORIZON_REQUESTS_PER_HOUR: z.coerce.number().int().min(0).default(3600),
  POLL_INTERVAL_MS: milliseconds(5_000, 100),
  RECONCILE_INTERVAL_MS: milliseconds(300_000, 10_000),
  READ_STRATEGY: z.enum(['accounts', 'ledgers']).default('accounts'),
  DATABASE_POOL: z.coerce.number().int().min(4).default(10),
  WEBHOOK_ALLOW: listOf,
  WEBHOOK_PLAIN_HTTP: z.enum(['allow', 'refuse']).optional(),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
  METRICS_ADDRESS: z
    .string()
    .regex(/^[^:]+:\d+$/, 'is no host:port')
    .optional(),
  HEALTH_ADDRESS: z
    .string()
    .regex(/^[^:]+:\d+$/, 'is no host:port')
    .optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/, error: 'is no http(s) address of a collector' })
    .optional(),
  SHUTDOWN_GRACE_MS: milliseconds(25_000, 0),
  WORKER_BUILD_ID: z
    .string()
    .regex(/^[\w.-]{1,100}$/, 'is no build id (letters, digits, dots, dashes)')
    .optional(),
  WEBHOOK_SECRET_KEYS: keys,
  APP_ROLE: z.string().optional(),
  READ_ROLE: z.string().optional(),
  TRUSTED_DATABASE_CODE: listOf,
});

/** The settings of one process, checked. */
export type Config = z.infer<typeof configSchema> & {
  /** A short stable name of the network, part of the watcher's workflow id. */
  readonly networkName: string;
};

/** Reads the configuration from the environment. @throws ConfigError naming every problem at once. */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const settings = read(configSchema, env, opensInside(env) ? [OPENS_INSIDE] : []);
  return { ...settings, networkName: networkName(settings.NETWORK_PASSPHRASE) };
}

function opensInside(env: NodeJS.ProcessEnv): boolean {
  const isPublic = (env['NETWORK_PASSPHRASE'] ?? '') === NETWORKS['public'];
  return isPublic && (env['WEBHOOK_ALLOW'] ?? '') !== '';
}

const OPENS_INSIDE =
  'WEBHOOK_ALLOW lets webhooks reach private addresses; on the public network it must be empty.';

const secretsSchema = configSchema.pick({ DATABASE_URL: true, WEBHOOK_SECRET_KEYS: true });

/** What reading and writing webhook secrets needs. @throws ConfigError naming every problem at once. */
export function loadSecretsConfig(env: NodeJS.ProcessEnv): z.infer<typeof secretsSchema> {
  return read(secretsSchema, env, []);
}

const databaseSchema = configSchema.pick({ DATABASE_URL: true, NETWORK_PASSPHRASE: true });

/** The settings of commands that need the database alone. @throws ConfigError naming every problem at once. */
export function loadDatabaseConfig(env: NodeJS.ProcessEnv): z.infer<typeof databaseSchema> {
  return read(databaseSchema, env, []);
}

const migrationSchema = configSchema.pick({
  DATABASE_URL: true,
  NETWORK_PASSPHRASE: true,
  APP_ROLE: true,
  READ_ROLE: true,
  TRUSTED_DATABASE_CODE: true,
});

/** What a migration needs to know. @throws ConfigError naming every problem at once. */
export function loadMigrationConfig(env: NodeJS.ProcessEnv): z.infer<typeof migrationSchema> {
  return read(migrationSchema, env, []);
}

const senderSchema = configSchema.pick({
  NETWORK_PASSPHRASE: true,
  WEBHOOK_ALLOW: true,
  WEBHOOK_PLAIN_HTTP: true,
});

/** Where webhooks may be sent, as `createWebhookSender` takes it: on the public network by HTTPS, unless said otherwise. */
export function senderOptions(config: z.infer<typeof senderSchema>): {
  allowPrivate: readonly string[];
  plainHttp: boolean;
} {
  const isPublic = config.NETWORK_PASSPHRASE === NETWORKS['public'];
  const { WEBHOOK_ALLOW, WEBHOOK_PLAIN_HTTP = isPublic ? 'refuse' : 'allow' } = config;
  return { allowPrivate: WEBHOOK_ALLOW, plainHttp: WEBHOOK_PLAIN_HTTP === 'allow' };
}

/** Where this process may send webhooks. @throws ConfigError naming every problem at once. */
export function loadSenderConfig(env: NodeJS.ProcessEnv): z.infer<typeof senderSchema> {
  return read(senderSchema, env, opensInside(env) ? [OPENS_INSIDE] : []);
}

const scheduleSchema = configSchema.pick({ NETWORK_PASSPHRASE: true, RECONCILE_INTERVAL_MS: true });

/** What the schedule of reconciliation needs to know. @throws ConfigError naming every problem at once. */
export function loadCadence(env: NodeJS.ProcessEnv): { networkName: string; everyMs: number } {
  const { NETWORK_PASSPHRASE, RECONCILE_INTERVAL_MS } = read(scheduleSchema, env, []);
  return { networkName: networkName(NETWORK_PASSPHRASE), everyMs: RECONCILE_INTERVAL_MS };
}

function read<T>(schema: z.ZodType<T>, env: NodeJS.ProcessEnv, known: readonly string[]): T {
  const { set, problems: unread } = withSecretFiles(env);
  const parsed = schema.safeParse(set);
  const problems = [
    ...(parsed.success ? [] : parsed.error.issues.map((i) => `${i.path.join('.')} ${i.message}`)),
    ...unread,
    ...known,
  ];
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  return parsed.data;
}

/** The known name of a network, or a readable form of its passphrase. */
export function networkName(passphrase: string): string {
  const known = Object.entries(NETWORKS).find(([, p]) => p === passphrase)?.[0];
  return (
    known ??
    passphrase
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .slice(0, 40)
  );
}
