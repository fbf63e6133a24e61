/** Clocks that are wrong by a fixed time, one part at a time: a worker's, PostgreSQL's, Temporal's. */
import {
  connect,
  constants,
  createServer,
  type ClientHttp2Session,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { temporal } from '@temporalio/proto';
import { Client } from 'pg';

/** The environment of a worker whose `Date` is wrong, in each of its threads. `ms` above zero is ahead. */
export function workerClock(ms: number): NodeJS.ProcessEnv {
  const preload = new URL('../../certify/parts/clock.ts', import.meta.url).href;
  return { NODE_OPTIONS: `--import=${preload}`, CERTIFY_CLOCK_SHIFT_MS: String(ms) };
}

/**
 * Shifts the clock of one database: `now()` and `clock_timestamp()`, wherever a statement or the default of a column
 * calls them. PostgreSQL calls its own functions by a table that ignores pg_proc, but its planner inlines a function of
 * SQL before that. Only those two are shifted: the product uses no other (`CURRENT_TIMESTAMP` is syntax, no function).
 * `url` leads to the database as any role; the shift is made as the superuser, and holds for connections made later.
 */
export async function shiftDatabaseClock(url: string, ms: number): Promise<void> {
  const asSuperuser = new URL(url);
  asSuperuser.username = 'postgres';
  const client = new Client({ connectionString: asSuperuser.toString() });
  await client.connect();
  const shift = `interval '${ms} milliseconds'`;
  await client.query(`
    CREATE OR REPLACE FUNCTION pg_catalog.now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
      AS $$ SELECT transaction_timestamp() + ${shift} $$;
    CREATE OR REPLACE FUNCTION pg_catalog.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
      AS $$ SELECT timeofday()::timestamptz + ${shift} $$`);
  await client.end();
}

/** Temporal at another address, by a clock that is wrong. */
export type ShiftedTemporal = { readonly address: string; stop(): Promise<void> };

/**
 * A Temporal whose clock is wrong by `ms`: a proxy that shifts every instant in every answer of the server at `address`.
 * The server's binary has no clock that a test could turn. But what it does by itself depends on differences of its own
 * clock alone (timers and timeouts are durations), and what others learn of the clock is the instants in its answers.
 * Nothing of the product sends it an instant. Payloads (arguments and results, which are ours) pass as they are.
 */
export async function shiftTemporalClock(address: string, ms: number): Promise<ShiftedTemporal> {
  const sessions = new Set<Http2Session>();
  const server = createServer();
  let upstream: ClientHttp2Session | undefined;
  const connected = () => {
    if (upstream === undefined || upstream.closed || upstream.destroyed) {
      upstream = connect(`http://${address}`);
      upstream.on('error', () => undefined);
    }
    return upstream;
  };
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => undefined);
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => pass(stream, headers, connected(), ms));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      for (const session of sessions) session.destroy();
      upstream?.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Passes one call on: its request as it is, its answer shifted. */
function pass(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  upstream: ClientHttp2Session,
  ms: number,
): void {
  const path = String(headers[':path']);
  const call = upstream.request(headers);
  const chunks: Buffer[] = [];
  let trailers: IncomingHttpHeaders = {};
  stream.on('error', () => call.close(constants.NGHTTP2_CANCEL));
  stream.on('close', () => call.close(constants.NGHTTP2_CANCEL));
  call.on('error', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
  call.on('response', (answer, flags) => {
    if (stream.destroyed) return;
    // An error is all in the first headers.
    const endStream = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    stream.respond(answer, { endStream, waitForTrailers: !endStream });
    if (!endStream) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  });
  call.on('data', (chunk: Buffer) => chunks.push(chunk));
  call.on('trailers', (received: IncomingHttpHeaders) => (trailers = received));
  call.on('end', () => {
    if (!stream.destroyed) stream.end(shiftedFrames(Buffer.concat(chunks), path, ms));
  });
  stream.pipe(call);
}

/** gRPC's framing: a byte that says whether the message is compressed, four of length, the message. Shifted ones are not. */
function shiftedFrames(data: Buffer, path: string, ms: number): Buffer {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < data.length;) {
    const length = data.readUInt32BE(at + 1);
    const sent = data.subarray(at + 5, at + 5 + length);
    const plain = data[at] === 1 ? gunzipSync(sent) : sent;
    const message = shiftedMessage(plain, path, ms);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    frames.push(head, message);
    at += 5 + length;
  }
  return Buffer.concat(frames);
}

type MessageType = {
  decode(bytes: Uint8Array): object;
  encode(message: object): { finish(): Uint8Array };
};

/** `/temporal.api.workflowservice.v1.WorkflowService/PollActivityTaskQueue` answers with a PollActivityTaskQueueResponse. */
function shiftedMessage(message: Buffer, path: string, ms: number): Uint8Array {
  const [, service = '', method = ''] = path.split('/');
  if (service !== 'temporal.api.workflowservice.v1.WorkflowService') return message;
  const types = temporal.api.workflowservice.v1 as unknown as Record<string, MessageType>;
  const type = types[`${method}Response`];
  if (type === undefined) throw new Error(`The answer of ${path} is not known.`);
  const answer = type.decode(message);
  shiftInstants(answer, ms);
  return type.encode(answer).finish();
}

type Instant = { seconds: { add(seconds: number): Instant['seconds'] } };

/** Protobuf's own field types say which objects are instants. */
function shiftInstants(value: unknown, ms: number): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  const { $type } = value as { $type?: { fullName: string } };
  if ($type?.fullName === '.google.protobuf.Timestamp') {
    const instant = value as Instant;
    instant.seconds = instant.seconds.add(ms / 1000);
    return;
  }
  for (const part of Object.values(value)) shiftInstants(part, ms);
}
