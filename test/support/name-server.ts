/** A name server on loopback that answers as a merchant's may: with what a test says, differently each time, or never. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import ipaddr from 'ipaddr.js';

/** What is said to one question: addresses (of any family; only those that were asked for are sent), or nothing at all. */
export type Said = readonly string[] | 'unknown name' | 'silence';

export type NameServer = {
  /** For `nameServers`. */
  readonly address: string;
  /** Each question, as `A merchant.example`, in the order in which they came. */
  readonly asked: readonly string[];
  /** Resolves when so many questions have come. */
  askedTimes(n: number): Promise<void>;
  stop(): Promise<void>;
};

const TYPES: Readonly<Record<number, string>> = { 1: 'A', 28: 'AAAA' };

/** Starts one. `say` is asked for each question. */
export async function startNameServer(
  say: (name: string, type: string) => Said,
): Promise<NameServer> {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  socket.on('message', (query, from) => {
    const { name, type, end } = question(query);
    asked.push(`${TYPES[type] ?? type} ${name}`);
    socket.emit('asked');
    const said = say(name, TYPES[type] ?? '');
    if (said !== 'silence') socket.send(answer(query.subarray(0, end), type, said), from.port);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${socket.address().port}`,
    asked,
    askedTimes: async (n) => {
      while (asked.length < n) await once(socket, 'asked');
    },
    stop: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

/** The one question of a query (RFC 1035 §4.1.2): labels behind the header of twelve bytes. */
function question(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function answer(asked: Buffer, type: number, said: readonly string[] | 'unknown name'): Buffer {
  const head = Buffer.from(asked);
  const unknown = said === 'unknown name';
  const records = unknown ? [] : said.map((text) => bytesOf(text)).filter((b) => fits(b, type));
  head.writeUInt16BE(0x8180 | (unknown ? 3 : 0), 2); // an answer, recursion available; 3: NXDOMAIN
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(records.length, 6);
  head.writeUInt32BE(0, 8);
  return Buffer.concat([head, ...records.map((bytes) => record(type, bytes))]);
}

function bytesOf(address: string): Buffer {
  return Buffer.from(ipaddr.parse(address).toByteArray());
}

function fits(bytes: Buffer, type: number): boolean {
  return TYPES[type] === (bytes.length === 4 ? 'A' : 'AAAA');
}

/** A pointer to the name in the question, type, class IN, no time to live, the address. */
function record(type: number, bytes: Buffer): Buffer {
  const fixed = Buffer.alloc(12);
  fixed.writeUInt16BE(0xc00c, 0);
  fixed.writeUInt16BE(type, 2);
  fixed.writeUInt16BE(1, 4);
  fixed.writeUInt16BE(bytes.length, 10);
  return Buffer.concat([fixed, bytes]);
}
