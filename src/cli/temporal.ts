import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';

/** Asks Temporal something, on a connection of its own. */
export async function withTemporal<T>(ask: (client: Client) => Promise<T>): Promise<T> {
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
  const connection = await Connection.connect(connectionOptions);
  try {
    return await ask(new Client({ connection, namespace }));
  } finally {
    await connection.close();
  }
}
