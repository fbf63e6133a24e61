/** What payers, merchants, backends and Horizon wrote reaches an operator's terminal as text, and as nothing else. */
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Command } from 'commander';
import { print, printError, printOneOf, printProgress } from '../src/cli/output.ts';
import { storeFindings } from '../src/db/inbox.ts';
import { markUnmatched } from '../src/db/worklists.ts';
import { createLog } from '../src/log.ts';
import { chain, insertSession, paymentFor, type StoredSession } from './db/build.ts';
import { settle as run } from './support/settle-command.ts';
import { createTestDatabase, type TestDatabase } from './support/database.ts';
import { settleTogether } from './support/settle.ts';

/** Erases the screen, sets the clipboard and the title, forges a line, reorders, and hides: each in its own way. */
const HOSTILE =
  '\u001b]52;c;cm0gLXJmIH4K\u0007\u001b[2J\n9999 XLM paid\r\b\u007f\u009b2J\u202egnp\u2066\u2028\u200b';
/** The least that a terminal obeys or hides; only line feeds are ours. */
const RAW = /[^\P{Cc}\n]|[\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
/** How the beginning of it is shown. */
const SHOWN = '\\u001b]52;c;';

let database: TestDatabase;
let session: StoredSession;
let stray: string;
let deliveryId: string;
beforeAll(async () => {
  database = await createTestDatabase();
  session = await insertSession(database);
  await chain(database, 30);
  const paid = paymentFor(session, '10');
  const named = paymentFor({ account: session.account, reference: HOSTILE }, '3');
  stray = named.txHash;
  await storeFindings(database.pool, {
    payments: [paid, named],
    undecoded: [
      {
        operationId: '77',
        account: session.account,
        ledger: 7,
        raw: JSON.stringify({ memo: HOSTILE }),
        problem: `type: ${HOSTILE}`,
      },
    ],
  });
  await settleTogether(database.pool, [session.id]);
  await markUnmatched(database.db);
  await disarm();
  const [delivery] = await database.rows<{ delivery_id: string }>(
    'SELECT delivery_id FROM webhook_deliveries WHERE session_id = $1',
    [session.id],
  );
  deliveryId = delivery?.delivery_id ?? '';
  await database.rows(
    `INSERT INTO settlement.attention (subject, kind, detail) VALUES ($1, 'foreign_payment', $1)`,
    [HOSTILE],
  );
  await database.rows(
    `INSERT INTO webhook_endpoints (merchant_id, url, events, secret) VALUES ($1, $2, $3, $4)`,
    [session.merchantId, `https://m.example/${HOSTILE}`, JSON.stringify([HOSTILE]), HOSTILE],
  );
});
afterAll(() => database.close());

const settle = (args: readonly string[]) => run(args, { DATABASE_URL: database.url });

/** Every command that only reads, and needs nothing but the database. */
const commands = () => [
  ['payments', 'held'],
  ['payments', 'why', stray],
  ['payments', 'parked'],
  ['attention', 'list'],
  ['merchant', 'list'],
  ['merchant', 'show', session.merchantId],
  ['endpoint', 'list'],
  ['account', 'list'],
  ['account', 'show', session.account],
  ['webhook', 'list', '--status', 'pending,failed,delivered,dead'],
  ['webhook', 'show', deliveryId],
  ['secrets', 'list'],
  ['audit'],
  ['status'],
  ['adopt', '--check'],
];

/** Columns of free text: what a stranger may write there, and which command shows it. */
const COLUMNS: readonly (readonly [string, string, string])[] = [
  ['merchants', 'business_name', 'merchant list'],
  ['merchants', 'email', 'merchant show'],
  ['settlement.watched_accounts', 'problem', 'account list'],
  ['settlement.ledger_payments', 'reference', 'payments held'],
  ['settlement.ledger_payments', 'sender', 'payments why'],
  ['settlement.ledger_payments', 'asset_code', 'payments held'],
  ['settlement.parked_records', 'problem', 'payments parked'],
  ['settlement.attention', 'subject', 'attention list'],
  ['settlement.attention', 'detail', 'attention list'],
  ['webhook_deliveries', 'event', 'webhook list'],
];

/** Puts hostile text into a column of every row, and returns how to take it out; null where a key forbids it. */
async function poison(table: string, column: string): Promise<(() => Promise<unknown>) | null> {
  const [type] = await database.rows<{ is_json: boolean; required: boolean }>(
    `SELECT atttypid = 'jsonb'::regtype AS is_json, attnotnull AS required FROM pg_attribute
     WHERE attrelid = $1::regclass AND attname = $2`,
    [table, column],
  );
  const before = `left(${column}, length(${column}) - length($1::text))`;
  const [bad, good] =
    type?.is_json === true
      ? [`jsonb_build_object($1::text, ${column})`, `${column} -> $1::text`]
      : [
          `coalesce(${column}, '') || $1::text`,
          type?.required === true ? before : `nullif(${before}, '')`,
        ];
  try {
    await database.rows(`UPDATE ${table} SET ${column} = ${bad}`, [HOSTILE]);
  } catch {
    return null;
  }
  return () => database.rows(`UPDATE ${table} SET ${column} = ${good}`, [HOSTILE]);
}

/** Takes away what keeps hostile text out here: an older backend's tables, or a superuser's hand, have no such checks. */
async function disarm(): Promise<void> {
  const checks = await database.rows<{ place: string; name: string }>(
    `SELECT conrelid::regclass::text AS place, conname AS name FROM pg_constraint
     JOIN pg_namespace n ON n.oid = connamespace
     WHERE contype = 'c' AND conrelid <> 0 AND nspname IN ('public', 'settlement')`,
  );
  for (const { place, name } of checks) {
    await database.rows(`ALTER TABLE ${place} DROP CONSTRAINT "${name}"`);
  }
  const tables = await database.rows<{ place: string }>(
    `SELECT DISTINCT tgrelid::regclass::text AS place FROM pg_trigger WHERE NOT tgisinternal`,
  );
  for (const { place } of tables) {
    await database.rows(`ALTER TABLE ${place} DISABLE TRIGGER USER`);
  }
}

async function requireClean(args: readonly string[]): Promise<string> {
  const words = await settle(args);
  expect([args, words.out + words.err]).toEqual([args, expect.not.stringMatching(RAW)]);
  const json = await settle([...args, '--json']);
  expect([args, json.out + json.err]).toEqual([args, expect.not.stringMatching(RAW)]);
  if (json.out !== '') JSON.parse(json.out);
  return words.out + words.err;
}

describe('a terminal gets nothing that it obeys', () => {
  test.each(COLUMNS)(
    'from %s.%s, and `settle %s` shows that it was there',
    async (table, column, shows) => {
      const undo = await poison(table, column);
      const args = commands().find((command) => command.join(' ').startsWith(shows)) ?? [];
      expect(await requireClean(args)).toContain(SHOWN);
      expect(undo).not.toBeNull();
      await undo?.();
    },
  );

  test('from any text column of any table, by any command that reads the database', async () => {
    const columns = await database.rows<{ place: string; name: string }>(
      `SELECT attrelid::regclass::text AS place, attname AS name FROM pg_attribute a
       JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
       WHERE relkind = 'r' AND nspname IN ('public', 'settlement') AND attnum > 0 AND NOT attisdropped
         AND atttypid IN ('text'::regtype, 'varchar'::regtype, 'jsonb'::regtype) ORDER BY 1, 2`,
    );
    const reading = commands().filter(([first]) => first !== 'status');
    let poisoned = 0;
    for (const place of new Set(columns.map((column) => column.place))) {
      const undo = [];
      for (const { name } of columns.filter((column) => column.place === place)) {
        undo.push(await poison(place, name));
      }
      poisoned += undo.filter((done) => done !== null).length;
      for (const args of reading) {
        const { out, err } = await settle(args);
        expect([place, args, out + err]).toEqual([place, args, expect.not.stringMatching(RAW)]);
      }
      for (const back of undo.toReversed()) await back?.();
    }
    expect(poisoned).toBeGreaterThan(25);
  }, 300_000);

  test('from what was typed, or from an error that quotes it', async () => {
    await requireClean(['payments', 'why', HOSTILE]);
    await requireClean(['session', HOSTILE]);
    await requireClean(['account', 'show', HOSTILE]);
    await requireClean(['endpoint', 'show', HOSTILE]);
    const refused = await settle(['account', 'show', HOSTILE]);
    expect(refused.err.trimEnd().split('\n')).toHaveLength(1);
  });

  test('and a held payment takes three lines, whatever its memo says', async () => {
    const { out } = await settle(['payments', 'held']);
    expect(out).toContain(`reference ${SHOWN}`);
    const held = (await settle(['payments', 'held', '--all', '--json'])).out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(out.trimEnd().split('\n')).toHaveLength(3 * held.length);
    expect(held).toContainEqual(expect.objectContaining({ reference: HOSTILE }));
  });

  test('from any of the ways to print, nor from a line of the log', () => {
    const said: string[] = [];
    const spies = [process.stdout, process.stderr].map((stream) =>
      jest.spyOn(stream, 'write').mockImplementation((chunk) => said.push(String(chunk)) > 0),
    );
    const words = new Command();
    const json = new Command().option('--json').parse(['--json'], { from: 'user' });
    for (const command of [words, json]) {
      print(command, { [HOSTILE]: HOSTILE }, (shown) => JSON.stringify(Object.entries(shown)));
      printOneOf(command, [HOSTILE], ([shown = '']) => shown);
    }
    printProgress(HOSTILE);
    printError(HOSTILE);
    for (const spy of spies) spy.mockRestore();
    expect(said).toHaveLength(6);
    expect(said.filter((text) => RAW.test(text))).toEqual([]);
    expect(said[4]?.trimEnd()).not.toContain('\n');
    expect(createLog('info')).toBeDefined();
  });
});
