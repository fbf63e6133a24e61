/** A TCP connection that can be slow, or cut: between the workers and Temporal. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export type Link = {
  readonly address: string;
  /** Every piece of data, in both directions, comes so much later from now on. */
  delay(ms: number): void;
  /** Resets every connection there is; how many there were. */
  cut(): number;
  stop(): Promise<void>;
};

/** Starts a link to this port of the loopback address. */
export async function startLink(port: number): Promise<Link> {
  const sockets = new Set<Socket>();
  let delayMs = 0;
  const server = createServer((client) => {
    const upstream = connect({ port, host: '127.0.0.1' });
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      let last = Promise.resolve();
      from.on('data', (chunk: Buffer) => {
        const due = Date.now() + delayMs;
        last = last.then(() => handOver(to, chunk, due));
      });
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const cut = () => {
    const count = sockets.size / 2;
    for (const socket of sockets) socket.resetAndDestroy();
    return Math.ceil(count);
  };
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    delay: (ms) => {
      delayMs = ms;
    },
    cut,
    stop: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function handOver(to: Socket, chunk: Buffer, due: number): Promise<void> {
  const left = due - Date.now();
  if (left > 0) await sleep(left);
  if (!to.destroyed) to.write(chunk);
}
