import { loadCadence, loadDatabaseConfig } from '../config.ts';
import { settledNetwork } from '../db/check.ts';
import { connect } from '../db/connection.ts';
import { WrongNetwork } from '../db/wrong-network.ts';

/**
 * Whose reconciliation is meant, and how often it runs. Where DATABASE_URL is set, it must be the network of that
 * database: a schedule under another name would run beside the right one. @throws ConfigError, WrongNetwork
 */
export async function cadenceOf(
  env: NodeJS.ProcessEnv,
): Promise<{ networkName: string; everyMs: number }> {
  const cadence = loadCadence(env);
  if ((env['DATABASE_URL'] ?? '') === '') return cadence;
  const { DATABASE_URL, NETWORK_PASSPHRASE } = loadDatabaseConfig(env);
  const database = connect(DATABASE_URL, { max: 1, applicationName: 'settle' });
  try {
    const settled = await settledNetwork(database.db);
    if (settled !== null && settled !== NETWORK_PASSPHRASE) {
      throw new WrongNetwork(settled, NETWORK_PASSPHRASE);
    }
  } finally {
    await database.close();
  }
  return cadence;
}
