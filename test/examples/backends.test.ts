/**
 * docs/backends.md against the code, and every command in it against real parts. With RECORD_DOCS=1 the answers that it
 * shows are written anew.
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { findTemporalCli } from '../../src/sandbox/find-temporal.ts';
import { startReceiver, type Receiver } from '../../src/sandbox/receiver.ts';
import {
  sessionWorkflowId,
  SESSION_WORKFLOW,
  SETTLEMENT_QUEUE,
} from '../../src/workflows/contract.ts';
import { foundOr, say } from '../support/required.ts';
import { shownCode, started, typed } from './commands.ts';
import { pythonWith, quoted } from './python.ts';
import { given } from '../support/given.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (name: string) => readFileSync(ROOT + name, 'utf8');
const PAGE = 'docs/backends.md';
const page = read(PAGE);
const contract = read('src/workflows/contract.ts');

describe('docs/backends.md says of the contract', () => {
  test('each name', () => {
    const id = sessionWorkflowId('<session id>');
    for (const name of [SESSION_WORKFLOW, SETTLEMENT_QUEUE, id])
      expect(page).toContain(`\`${name}\``);
    const shown = read('examples/python/settlement.py');
    for (const name of [SESSION_WORKFLOW, SETTLEMENT_QUEUE, sessionWorkflowId('')]) {
      expect(shown).toContain(name);
    }
  });

  test('each message with its kind', () => {
    const messages = [...contract.matchAll(/define(Signal|Update|Query)<[^;]*?\(\s*'(\w+)'/g)];
    const kinds = messages.map(([, kind = '', name = '']) => [name, kind.toLowerCase()]);
    const rows = [...page.matchAll(/^\| `(\w+)` +\| (signal|update|query)/gm)];
    const shown = rows.map(([, name, kind]) => [name, kind]);
    expect(kinds).toHaveLength(7);
    expect(new Set(shown)).toEqual(new Set(kinds));
  });

  test('each type, as the code has it', () => {
    const from = contract.indexOf("/** What starts a session's run");
    const types = contract.slice(from, contract.indexOf('/** The messages, by the names'));
    expect(shownCode(PAGE, 'ts')).toEqual([`// src/workflows/contract.ts\n${types.trimEnd()}\n`]);
  });

  test('each refusal', () => {
    const [, union = ''] = /RefusalCode =([^;]*);/.exec(read('src/domain/failure.ts')) ?? [];
    const codes = [...union.matchAll(/'(\w+)'/g)].map(([, code]) => code);
    const [, section = ''] = /^## Refusals\n(.*?)^## /ms.exec(page) ?? [];
    const shown = [...section.matchAll(/^\| `(\w+)`/gm)].map(([, code]) => code);
    expect(codes.length).toBeGreaterThan(3);
    expect(new Set(shown)).toEqual(new Set(codes));
  });
});

type Shown = { readonly commands: string; readonly answer: string | undefined };

/** The commands of a section, and the answer that is shown below them. */
function shownIn(title: string): Shown[] {
  const [, section = ''] =
    new RegExp(`^## ${title}\\n(.*?)(?=^## |$(?![^]))`, 'ms').exec(page) ?? [];
  const blocks = section.matchAll(/^```sh\n(.*?)^```$(?:\n\n```json\n(.*?)^```$)?/gms);
  return [...blocks].map(([, commands = '', answer]) => ({ commands, answer }));
}

const [prepare, ...withCli] = shownIn("With Temporal's CLI");
const [venv, ...inPython] = shownIn('In Python');
const python = await foundOr(
  pythonWith(venv?.commands ?? '', say),
  'The examples in Python are skipped.',
);

let receiver: Receiver;
let sandbox: { stop(): Promise<void> };
let run: (shown: readonly Shown[]) => Promise<{ code: number; printed: string; shown: Shown }[]>;
beforeAll(async () => {
  receiver = await startReceiver();
  const settings = join(mkdtempSync(join(tmpdir(), 'settle-test-')), 'sandbox.env');
  const options = `--webhook ${receiver.url}/hook --settings ${settings}`;
  const cli = await findTemporalCli(say);
  const env = { ...process.env, PATH: `${dirname(cli)}:${process.env['PATH'] ?? ''}` };
  const here = { ...env, TEMPORAL_ADDRESS: '', DATABASE_URL: given('postgres') };
  sandbox = await started(`npm run sandbox -- ${options}`, 'The sandbox runs', {
    cwd: '.',
    env: here,
  });
  run = async (shown) => {
    // One shell for all, since the commands of a page build on each other.
    const all = [{ commands: prepare?.commands ?? '', answer: undefined }, ...shown];
    const script = all
      .map(({ commands }) => `${commands}echo "--- $?"\n`)
      .join('')
      .replaceAll('examples/.sandbox.env', quoted(settings))
      .replaceAll('.venv', quoted(python ?? ''));
    const printed = (await typed(script, { cwd: '.', env })).split(/^--- (\d+)\n/m);
    return all
      .map((block, i) => ({
        shown: block,
        printed: printed[2 * i] ?? '',
        code: Number(printed[2 * i + 1]),
      }))
      .slice(1);
  };
}, 300_000);
afterAll(async () => {
  await sandbox?.stop();
  await receiver.stop();
});

/** What an answer looks like: its keys, its words, and the types of the rest. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shape);
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, part]) => [key, shape(part)] as const);
    return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }
  return typeof value === 'string' && /^[a-z_.]+$/i.test(value) ? value : typeof value;
}

function expectAsShown(ran: Awaited<ReturnType<typeof run>>): void {
  for (const { shown, printed } of ran) {
    if (shown.answer === undefined) continue;
    const answer = printed.slice(printed.lastIndexOf('\n{') + 1);
    if (process.env['RECORD_DOCS'] === '1') {
      const recorded = read(PAGE).replace(`json\n${shown.answer}`, () => `json\n${answer}`);
      writeFileSync(ROOT + PAGE, recorded);
    } else {
      expect(shape(JSON.parse(answer))).toEqual(shape(JSON.parse(shown.answer)));
    }
  }
}

test("the commands with Temporal's CLI answer as is shown", async () => {
  const ran = await run(withCli);
  expectAsShown(ran);
  expect(ran.map(({ code }) => code)).toEqual([...withCli.slice(1).map(() => 0), 1]);
  await receiver.waitFor(({ event }) => event === 'payment.confirmed', 2);
}, 120_000);

(python === null ? test.skip : test)(
  'the commands in Python answer as is shown',
  async () => {
    const ran = await run(inPython);
    expectAsShown(ran);
    expect(ran.map(({ code }) => code)).toEqual([0, 0, 1]);
  },
  120_000,
);
