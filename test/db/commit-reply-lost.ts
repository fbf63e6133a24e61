/** A way to PostgreSQL on which the first COMMIT arrives, and its answer does not. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';

/** A proxy before the server of `url`. */
export type LossyWay = { readonly url: string; lost(): number; close(): void };

/** The frontend message `Query` with the text COMMIT. */
const COMMIT = Buffer.from('Q\0\0\0\x0bCOMMIT\0', 'latin1');

/**
 * Starts a proxy that forwards everything. When the first COMMIT passes, it waits for the server's answer (so the
 * transaction has happened) and then breaks the connection instead of passing the answer on.
 */
export async function commitReplyLost(url: string): Promise<LossyWay> {
  const { hostname, port } = new URL(url);
  let lost = 0;
  const proxy = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    let losing = false;
    client.on('data', (data) => {
      if (lost === 0 && data.includes(COMMIT)) losing = true;
      upstream.write(data);
    });
    upstream.on('data', (data) => {
      if (!losing) return client.write(data);
      lost += 1;
      losing = false;
      client.destroy();
      return upstream.destroy();
    });
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('close', () => to.destroy());
      from.on('error', () => to.destroy());
    }
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const way = new URL(url);
  way.port = String((proxy.address() as AddressInfo).port);
  return { url: way.toString(), lost: () => lost, close: () => proxy.close() };
}
