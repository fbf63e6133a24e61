/** Counts what a process asks PostgreSQL, on its sockets: the same for every library, and free of its own opinion. */
import { Socket } from 'node:net';

/** `Q`: a simple query. `S`: Sync, the end of an extended one. Each is answered once. */
const ASKS = new Set(['Q'.charCodeAt(0), 'S'.charCodeAt(0)]);
const MESSAGE_TYPES = /[A-Za-z]/;

/** Counts the round trips of this process to a port from now on. Returns what reads the count. */
export function countRoundTrips(port: number): () => number {
  let count = 0;
  const prototype = Socket.prototype as { write: (...args: unknown[]) => boolean };
  const { write } = prototype;
  prototype.write = function counted(this: Socket, ...args: unknown[]): boolean {
    if (this.remotePort === port && Buffer.isBuffer(args[0])) count += asksIn(args[0]);
    return write.apply(this, args);
  };
  return () => count;
}

/** node-postgres writes whole messages: a type, a length, a body. The first of a connection has no type. */
function asksIn(chunk: Buffer): number {
  let asks = 0;
  for (let at = 0; at + 5 <= chunk.length; at += 1 + chunk.readUInt32BE(at + 1)) {
    const type = chunk[at] ?? 0;
    if (!MESSAGE_TYPES.test(String.fromCharCode(type))) break;
    if (ASKS.has(type)) asks += 1;
  }
  return asks;
}
