/** A name server that answers nothing, or leads inside. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** A running name server. */
export type NameServer = {
  readonly address: string;
  readonly port: number;
  /** Questions that were left without an answer, and those that were answered with an address inside. */
  readonly asked: { silent: number; inside: number };
  stop(): void;
};

/** Names below this get an answer: an address inside. All others get none. */
export const INSIDE = 'inside.test';

/** Where names below INSIDE lead; one after the other, so that the second answer differs from the first. */
const WITHIN = ['127.0.0.1', '0.0.0.0', '10.0.0.1', '169.254.169.254', '192.168.0.1'];

/** Starts it on a UDP port of an address of this machine (0: a free one). Rejects when the port cannot be had. */
export async function startNameServer(address: string, port: number): Promise<NameServer> {
  const socket = createSocket('udp4');
  const asked = { silent: 0, inside: 0 };
  socket.on('message', (question, from) => {
    const { name, type, end } = readQuestion(question);
    if (!name.endsWith(INSIDE)) {
      asked.silent += 1;
      return;
    }
    const to = type === A ? [WITHIN[asked.inside++ % WITHIN.length] ?? '127.0.0.1'] : [];
    socket.send(answer(question, end, to), from.port, from.address);
  });
  socket.bind(port, address);
  await once(socket, 'listening');
  return { address, port: socket.address().port, asked, stop: () => socket.close() };
}

/** Type A of RFC 1035, 3.2.2. */
const A = 1;
const HEADER_BYTES = 12;

/** The name and type of the first question of a message, and where it ends (RFC 1035, 4.1.2). */
function readQuestion(message: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.subarray(at + 1, at + 1 + length).toString('latin1'));
    at += 1 + length;
  }
  const type = message.length >= at + 3 ? message.readUInt16BE(at + 1) : 0;
  return { name: labels.join('.').toLowerCase(), type, end: at + 5 };
}

/** An answer without a lifetime, so that every question is asked anew. */
function answer(question: Buffer, end: number, addresses: readonly string[]): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  question.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8180, 2); // an answer, recursion desired and available, no error
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(addresses.length, 6);
  const records = addresses.map((address) =>
    Buffer.from([
      0xc0,
      HEADER_BYTES,
      0,
      A,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      4,
      ...address.split('.').map(Number),
    ]),
  );
  return Buffer.concat([header, question.subarray(HEADER_BYTES, end), ...records]);
}
