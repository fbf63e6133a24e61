/** P4, and the journal: no ending without its proof, no change of a status that must not be. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { goodDatabase, type Good } from './audited.ts';

let good: Good;
beforeAll(async () => {
  good = await goodDatabase();
});
afterAll(() => good.close());

const account = `account = (SELECT receiving_account FROM checkout_sessions WHERE id = $1)`;
const watched = (set: string) => `UPDATE settlement.watched_accounts SET ${set} WHERE ${account}`;
const parked = (parkedAt: string, resolvedAt: string) => `
  INSERT INTO settlement.parked_records (account, operation_id, ledger, raw, problem, parked_at, resolved_at)
  SELECT receiving_account, '1', 1, '{}', 'no amount', ${parkedAt}, ${resolvedAt} FROM checkout_sessions WHERE id = $1`;
const ago = (minutes: number) => `now() - interval '${minutes} minutes'`;

describe('P4: an ending is proven by what was read before it', () => {
  test.each<[string, keyof Good['sessions'], string[]]>([
    ['beyond the coverage of now', 'expired', [watched('through_ledger = through_ledger - 1')]],
    [
      'by a coverage that ends before the deadline',
      'expired',
      [watched(`through_time = through_time - interval '2 minutes'`)],
    ],
    [
      'by a coverage that ends before the cancellation',
      'cancelled',
      [watched(`through_time = through_time - interval '2 minutes'`)],
    ],
    [
      'by a coverage that begins after the opening',
      'expired',
      [watched(`from_time = from_time + interval '2 minutes'`)],
    ],
    ['of a session that was honoured later', 'honoured', [watched('through_ledger = from_ledger')]],
    [
      'in another ledger than the journal says',
      'expired',
      [
        `UPDATE checkout_sessions SET closed_through_ledger = closed_through_ledger - 1 WHERE id = $1`,
      ],
    ],
    [
      'in a ledger that closed before the deadline, as a later payment shows',
      'cancelled',
      [
        `INSERT INTO settlement.ledger_payments (tx_hash, op_index, sub_index, operation_id, ledger, closed_at, type,
           account, sender, asset_code, amount, verdict)
         SELECT repeat('9', 64), 0, 0, (closed_through_ledger + 5) << 32, closed_through_ledger + 5,
           cancel_at - interval '1 second', 'payment', receiving_account, 'G', 'XLM', 1, 'unmatched'
         FROM checkout_sessions WHERE id = $1`,
      ],
    ],
    ['while a record of its account could not be read', 'expired', [parked(ago(10), 'NULL')]],
    [
      'while one could not be read that was dealt with later',
      'cancelled',
      [parked(ago(10), `now() + interval '5 minutes'`)],
    ],
  ])('not one %s', async (_, name, statements) => {
    const found = await good.brokenBy(good.sessions[name], ...statements);
    // The event of an ending names its ledger.
    expect(found.filter((finding) => !/event_bytes/.test(finding))).toEqual(['P4 ending session']);
  });

  // A full page proves the time up to its last record, and the ledgers before that record's.
  test('one that names a ledger of before the deadline, when the next one closed after it', async () => {
    const paidInIt = (ledger: string, closedAt: string, digit: number) => `
      INSERT INTO settlement.ledger_payments (tx_hash, op_index, sub_index, operation_id, ledger, closed_at, type,
        account, sender, asset_code, amount, verdict)
      SELECT repeat('${digit}', 64), 0, 0, (${ledger}) << 32, ${ledger}, ${closedAt}, 'payment', receiving_account,
        'G', 'XLM', 1, 'unmatched' FROM checkout_sessions WHERE id = $1`;
    const found = await good.brokenBy(
      good.sessions.cancelled,
      paidInIt('closed_through_ledger', `cancel_at - interval '1 second'`, 7),
      paidInIt('closed_through_ledger + 1', `cancel_at + interval '4 seconds'`, 8),
    );
    expect(found).toEqual([]);
  });

  test.each<[string, string]>([
    ['a record that was dealt with before', parked(ago(10), ago(5))],
    ['a record that came afterwards', parked('now()', 'NULL')],
  ])('but one beside %s', async (_, statement) => {
    expect(await good.brokenBy(good.sessions.expired, statement)).toEqual([]);
  });

  test('unless the network was reset since', async () => {
    expect(
      await good.brokenBy(
        good.sessions.expired,
        watched('from_ledger = 1, through_ledger = 1'),
        `UPDATE settlement.network SET reset_at = now() + interval '1 second'`,
      ),
    ).toEqual([]);
  });
});

describe('the journal explains every status', () => {
  const entry = (from: string, to: string, actor: string) => `
    INSERT INTO settlement.session_journal (session_id, from_status, to_status, cause, actor)
    VALUES ($1, '${from}', '${to}', 'x', '${actor}')`;
  const set = (status: string) => `UPDATE checkout_sessions SET status = '${status}' WHERE id = $1`;

  test.each<[string, keyof Good['sessions'], string[], string]>([
    ['settle un-paid a session', 'paid', [entry('paid', 'pending', 'settle')], 'P2'],
    [
      'an operator changed a status',
      'expired',
      [entry('expired', 'cancelled', 'an operator')],
      'P4',
    ],
    [
      'settle opened an ended session again',
      'expired',
      [entry('expired', 'pending', 'settle')],
      'P4',
    ],
    ['a session was opened twice', 'paid', [entry('none', 'pending', 'client')], 'P2'],
    ['somebody else called an ended session pending', 'cancelled', [set('pending')], 'P4'],
    ['somebody else called a paid session cancelled', 'paid', [set('cancelled')], 'P2'],
  ])('%s', async (_, name, statements, promise) => {
    const found = await good.brokenBy(good.sessions[name], ...statements);
    expect(found).toContain(`${promise} transition session`);
  });

  test.each<[string, string[]]>([
    [
      'notes of operators and clients',
      [entry('paid', 'paid', 'an operator'), entry('pending', 'pending', 'client')],
    ],
    ['what settle has found and repaired', [entry('pending', 'paid', 'settle')]],
  ])('%s are in order', async (_, statements) => {
    expect(await good.brokenBy(good.sessions.paid, ...statements)).toEqual([]);
  });

  test('a write of somebody else that settle has seen is named', async () => {
    const { foreignWrites } = await good.auditAfter(
      good.sessions.paid,
      entry('pending', 'paid', 'settle'),
    );
    expect(foreignWrites).toEqual({
      count: 1,
      examples: [
        {
          subject: `session ${good.sessions.paid.id}`,
          problem:
            'It was changed from paid to pending by somebody else; settle has seen it since.',
        },
      ],
    });
  });
});
