/**
 * Stands between the workers and PostgreSQL, understands just enough of the wire protocol to see transactions begin
 * and end, and does to a COMMIT what networks and full disks do. It also notes every transaction that writes a
 * session's state without SERIALIZABLE or without having locked first: the constraints would hide that for a long time.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** What happens to one COMMIT. */
export type CommitFault =
  /** PostgreSQL commits; its answer is lost with the connection. */
  | 'answer lost'
  /** It never reaches PostgreSQL; the connection is lost. */
  | 'request lost'
  /** PostgreSQL says 53100, disk full, and has rolled back. */
  | 'disk full';

export type PostgresProxy = {
  readonly port: number;
  /** The next COMMIT of a transaction that has written meets this; resolves when it has. */
  breakNextCommit(fault: CommitFault): { struck: Promise<void>; callOff(): void };
  /** Transactions that broke the discipline of settle, in words. */
  readonly undisciplined: string[];
  /** Transactions that wrote a session's state, and kept it. */
  readonly disciplined: () => number;
  stop(): Promise<void>;
};

type Pending = { fault: CommitFault; struck: () => void };

type Shared = {
  readonly upstreamPort: number;
  pending: Pending[];
  undisciplined: string[];
  disciplined: number;
};

/** Starts a proxy in front of PostgreSQL on this port of the loopback address. */
export async function startPostgresProxy(upstreamPort: number): Promise<PostgresProxy> {
  const shared: Shared = { upstreamPort, pending: [], undisciplined: [], disciplined: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    sockets.add(client);
    client.once('close', () => sockets.delete(client));
    serve(client, shared);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    breakNextCommit: (fault) => {
      let struck: () => void = () => undefined;
      const done = new Promise<void>((resolve) => (struck = resolve));
      const pending: Pending = { fault, struck };
      shared.pending.push(pending);
      return {
        struck: done,
        callOff: () => {
          shared.pending = shared.pending.filter((one) => one !== pending);
        },
      };
    },
    undisciplined: shared.undisciplined,
    disciplined: () => shared.disciplined,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A transaction as far as its statements show it. */
type Transaction = { serializable: boolean; locked: boolean; wrote: boolean; told: boolean };

function serve(client: Socket, shared: Shared): void {
  const server = connect({ port: shared.upstreamPort, host: '127.0.0.1' });
  const end = () => {
    client.destroy();
    server.destroy();
  };
  for (const socket of [client, server]) {
    socket.setNoDelay(true);
    socket.on('error', end);
    socket.on('close', end);
  }
  let transaction: Transaction | null = null;
  /** What becomes of the server's next answer. */
  let answer: 'pass' | 'drop' | 'say disk full' = 'pass';
  server.on('data', (chunk: Buffer) => {
    if (answer === 'drop') return end();
    if (answer === 'say disk full') {
      answer = 'pass';
      client.write(diskFull());
      return;
    }
    client.write(chunk);
  });
  let rest = Buffer.alloc(0);
  let started = false;
  client.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const header = started ? 1 : 0; // the startup message has no type
      if (rest.length < header + 4) return;
      const length = header + rest.readInt32BE(header);
      if (rest.length < length) return;
      const message = rest.subarray(0, length);
      rest = rest.subarray(length);
      const text = started ? statementOf(message) : null;
      started = true;
      if (text !== null) transaction = follow(transaction, text, shared);
      if (text !== null && /^(commit|rollback)$/i.test(text)) {
        const fault = transaction?.wrote && /^commit$/i.test(text) ? shared.pending.shift() : null;
        transaction = null;
        if (fault) {
          fault.struck();
          if (fault.fault === 'request lost') return end();
          if (fault.fault === 'disk full') {
            answer = 'say disk full';
            server.write(simpleQuery('ROLLBACK'));
            continue;
          }
          answer = 'drop';
        }
      }
      server.write(message);
    }
  });
}

/** The SQL of a simple query or of a Parse message; null for everything else. */
function statementOf(message: Buffer): string | null {
  const type = String.fromCharCode(message[0] ?? 0);
  if (type === 'Q') return message.toString('utf8', 5, message.length - 1).trim();
  if (type !== 'P') return null;
  const nameEnd = message.indexOf(0, 5);
  return message.toString('utf8', nameEnd + 1, message.indexOf(0, nameEnd + 1)).trim();
}

const WRITES = /\b(insert\s+into|delete\s+from|update\s+\S+(\s+\w+)?\s+set)\b/i;
/** The writing statement of settle: it alone sets this column. */
const SETTLES = /\bclosed_through_ledger\s*=\s*x\./i;

function follow(before: Transaction | null, text: string, shared: Shared): Transaction | null {
  if (/^begin/i.test(text)) {
    const serializable = /serializable/i.test(text);
    return { serializable, locked: false, wrote: false, told: false };
  }
  const settles = SETTLES.test(text);
  if (before === null) {
    if (settles) shared.undisciplined.push('settle wrote outside of a transaction');
    return null;
  }
  if (/for update/i.test(text)) before.locked = true;
  if (WRITES.test(text)) before.wrote = true;
  if (settles && !before.told) {
    before.told = true;
    if (!before.serializable) shared.undisciplined.push('settle wrote, but was not SERIALIZABLE');
    if (!before.locked) shared.undisciplined.push('settle wrote sessions it had not locked');
    if (before.serializable && before.locked) shared.disciplined += 1;
  }
  return before;
}

function simpleQuery(text: string): Buffer {
  const body = Buffer.from(`${text}\0`);
  const head = Buffer.alloc(5);
  head.write('Q', 0);
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
}

/** ErrorResponse and ReadyForQuery (idle), as PostgreSQL sends them. */
function diskFull(): Buffer {
  const fields = 'SERROR\0VERROR\0C53100\0Mcould not extend file: No space left on device\0\0';
  const head = Buffer.alloc(5);
  head.write('E', 0);
  head.writeInt32BE(4 + Buffer.byteLength(fields), 1);
  return Buffer.concat([head, Buffer.from(fields), Buffer.from([0x5a, 0, 0, 0, 5, 0x49])]);
}
