/** The page: what a newcomer types from the first order to the reason why something went wrong, and what it prints. */
import { mkdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import { started, typed, type Shell, type Started } from '../../test/examples/commands.ts';
import { takePicture } from './screens.ts';

const EXAMPLE = 'examples/nestjs';
const SETTINGS = fileURLToPath(new URL('../../examples/.sandbox.env', import.meta.url));
const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url));
const WITHIN_MS = 60_000;

type Order = { order: { id: string; status: string }; session: { payments: unknown[] } };

/** Walks it. Returns the page. Pictures are written beside it. */
export async function walk(say: (line: string) => void): Promise<string> {
  mkdirSync(IMAGES, { recursive: true });
  const here: Shell = { cwd: EXAMPLE, env: process.env };
  const sandbox = await started('npm run --silent sandbox', 'The sandbox runs', here);
  const stops = [() => sandbox.stop()];
  try {
    const settings = parseEnv(readFileSync(SETTINGS, 'utf8'));
    const ui = /Temporal UI: (\S+)/.exec(sandbox.output())?.[1] ?? '';
    const shell: Shell = { cwd: EXAMPLE, env: { ...process.env, ...settings } };
    const shop = await started('npm start', 'successfully started', shell);
    stops.push(() => shop.stop());
    // It says so a moment before it listens.
    await until(
      () => fetch('http://127.0.0.1:3000').catch(() => null),
      (answer) => answer !== null,
    );
    say('The sandbox and the shop run.');
    return await story(shell, { ui, shop, sandboxSaid: sandbox.output() });
  } finally {
    for (const stop of stops.toReversed()) await stop();
  }
}

type Place = {
  readonly ui: string;
  readonly shop: Started;
  readonly sandboxSaid: string;
};

async function story(shell: Shell, { ui, shop, sandboxSaid }: Place): Promise<string> {
  const type = (command: string) => typed(command, shell);
  const settle = async (words: string, part: (text: string) => string = whole) => {
    // Its exit code says that something is wrong, where something is.
    const run = `npm --prefix ../.. run --silent settle -- ${words} || true`;
    return block(`npm run --silent settle -- ${words}`, part(await type(run)));
  };
  const order = async (id: string) =>
    JSON.parse(await type(`curl -s http://127.0.0.1:3000/orders/${id}`)) as Order;
  const open = (reference: string) =>
    type(
      `curl -s http://127.0.0.1:3000/orders --json '{ "reference": "${reference}", "lumens": "25" }'`,
    );
  const pay = async (uri: string) => (await type(`npm run --silent pay -- '${uri}'`)).trim();
  const picture = (name: string, path: string, height: number) =>
    takePicture(`${ui}/namespaces/default/${path}`, `${IMAGES}${name}.png`, {
      width: 1500,
      height,
    });

  const opened = await open('A-17');
  const { id } = (JSON.parse(opened) as Order).order;
  const uri = uriIn(opened);
  const firstHash = await pay(uri);
  const paid = await until(
    () => order(id),
    (o) => o.order.status === 'paid',
  );
  await picture('session', `workflows/checkout-session:${id}`, 1000);

  const secondHash = await pay(uri);
  await until(
    () => type(`npm --prefix ../.. run --silent settle -- payments held --json`),
    (text) => text.includes(secondHash),
  );
  const held = await settle('payments held');
  const why = await settle(`payments why ${secondHash}`);
  const show = await settle(`session show ${id}`);

  const second = await open('A-18');
  const other = (JSON.parse(second) as Order).order.id;
  shop.signal('SIGSTOP');
  const lost = await pay(uriIn(second));
  await until(
    () => type(`npm --prefix ../.. run --silent settle -- session show ${other}`),
    (text) => /payment\.confirmed failed, [1-9]/.test(text),
  );
  const unsent = await settle(`session show ${other}`);
  const troubled = await settle('endpoint list --troubled');
  const status = await settle('status');
  await picture(
    'running',
    `workflows?query=${encodeURIComponent('ExecutionStatus="Running"')}`,
    560,
  );
  const endpoint = /[0-9a-f-]{36}/.exec(troubled)?.[0] ?? '';
  shop.signal('SIGCONT');
  const resumed = await settle(`endpoint resume ${endpoint} --reason "the shop is back"`);
  const told = await until(
    () => order(other),
    (o) => o.order.status === 'paid',
  );
  const reconciled = await settle('reconcile');
  await picture(
    'reconcile',
    `workflows?query=${encodeURIComponent('WorkflowType="reconcile"')}`,
    560,
  );
  const audit = await settle('audit');

  return `<!-- Written by \`npm run docs:walkthrough\`, which did all this; do not edit. -->

# A walk through: from the first order to the reason why

Everything below was typed, and printed, on one machine with a clone and nothing else. \`npm run demo\` ([README](../README.md#try-it-60-seconds)) comes before it: it shows twelve sessions in a minute.

## 1. Start a shop

In \`examples/nestjs\`, a small NestJS backend. First the sandbox: a ledger, PostgreSQL, Temporal with its UI, and a worker.

${block('npm run sandbox', sandboxSaid)}

In a second terminal, in the same folder, the backend itself:

\`\`\`sh
npm start
\`\`\`

## 2. Order, pay, look

In a third:

${block(`curl -s http://127.0.0.1:3000/orders --json '{ "reference": "A-17", "lumens": "25" }'`, pretty(opened), 'json')}

The customer's wallet follows \`paymentUri\`. It prints the hash of the transaction:

${block(`npm run --silent pay -- '${uri}'`, firstHash)}

A moment later the shop knows, by a webhook whose signature it has verified:

${block(`curl -s http://127.0.0.1:3000/orders/${id}`, pretty(JSON.stringify(paid.order)), 'json', ' | jq .order')}

In the Temporal UI (its address stands above) the session is \`checkout-session:${id}\`:

![The run of the session](images/session.png)

## 3. The customer pays twice

The same command again, from another account. In the clone's folder, with the sandbox's settings, \`settle\` says what became of it:

\`\`\`sh
set -a; . examples/.sandbox.env; set +a
\`\`\`

${held}

${why}

The order is untouched: one payment counts, the other is held for an operator to return.

${show}

## 4. The shop hangs when the money comes

A second order, \`${other}\`; then Ctrl-Z in the shop's terminal, which stops it where it stands, and the customer pays (\`${lost.slice(0, 8)}…\`). Why does the shop not know?

${unsent}

It is paid, and the webhook had no answer. The endpoint:

${troubled}

The whole on one screen:

${status}

Its run waits for the next attempt. What runs at all is one query away:

![What runs](images/running.png)

\`fg\` in the shop's terminal. The next attempt comes by itself; an operator need not wait for it:

${resumed}

${block(`curl -s http://127.0.0.1:3000/orders/${other}`, pretty(JSON.stringify(told.order)), 'json', ' | jq .order')}

## 5. Is everything right?

Every five minutes everything is looked over; here it is done now:

${reconciled}

![Runs of reconciliation](images/reconcile.png)

${audit}

Ctrl-C in both terminals ends it. What each command does: [README](../README.md#run-it). What to do when something needs a person: [operations.md](operations.md).
`;
}

const whole = (text: string) => text;

/** A command and what it printed. */
function block(command: string, output: string, language = 'text', after = ''): string {
  const lines = output.replaceAll(/\/\S*\/(settle-demo-\w+|examples)\//g, '…/$1/').trim();
  return `\`\`\`sh\n${command}${after}\n\`\`\`\n\n\`\`\`${language}\n${lines}\n\`\`\``;
}

function pretty(json: string): string {
  return JSON.stringify(JSON.parse(json), null, 2);
}

function uriIn(answer: string): string {
  return (JSON.parse(answer) as { payment: { paymentUri: string } }).payment.paymentUri;
}

async function until<T>(ask: () => Promise<T>, isRight: (answer: T) => boolean): Promise<T> {
  for (const end = Date.now() + WITHIN_MS; ; await sleep(300)) {
    const answer = await ask();
    if (isRight(answer)) return answer;
    if (Date.now() > end) throw new Error(`In vain: ${JSON.stringify(answer)}`);
  }
}
