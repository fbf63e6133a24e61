import { Client, Connection } from '@temporalio/client';
import { temporalSettings } from '../temporal-settings.ts';

/** Asks Temporal something, on a connection of its own. */
export async function withTemporal<T>(ask: (client: Client) => Promise<T>): Promise<T> {
  const { connectionOptions, namespace = 'default', client } = temporalSettings();
  const connection = await Connection.connect(connectionOptions);
  try {
    return await ask(new Client({ ...client, connection, namespace }));
  } finally {
    await connection.close();
  }
}
