/**
 * A receiver of webhooks: verify, remember, answer, work afterwards. Set WEBHOOK_SECRET and, if you like, PORT; with
 * `backend-headers` as argument it verifies by the existing backend's headers.
 *
 *   WEBHOOK_SECRET=whsec_… node receiver.ts [backend-headers]
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const isBackends = process.argv[2] === 'backend-headers';
const { verified } = isBackends
  ? await import('./verify-backend-headers.ts')
  : await import('./verify-standard.ts');
const secret = process.env['WEBHOOK_SECRET'] ?? '';
/** In earnest a table with the id as its primary key, written in the same transaction as what follows from the event. */
const seen = new Set<string>();

const server = createServer((request, response) => {
  void (async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const headers = request.headers as Record<string, string>;
    response.writeHead(receive(Buffer.concat(chunks).toString('utf8'), headers)).end();
  })().catch(() => response.destroy());
});

/** The status to answer with. Anything but 2xx, and the event is sent again. */
function receive(rawBody: string, headers: Record<string, string>): number {
  try {
    const event = verified(rawBody, headers, secret);
    say(seen.has(event.id) ? `again ${event.id}` : `${event.type} ${event.id}`);
    seen.add(event.id);
    return 200;
  } catch (error) {
    say(`refused: ${(error as Error).message}`);
    return 400;
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

server.listen(Number(process.env['PORT'] ?? 0), '127.0.0.1', () => {
  say(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
