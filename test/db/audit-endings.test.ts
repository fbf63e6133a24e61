/** P4, and the journal: no ending without its proof, no change of a status that must not be. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { goodDatabase, type Good } from './audited.ts';

let good: Good;
beforeAll(async () => {
  good = await goodDatabase();
});
afterAll(() => good.close());

const account = `account = (SELECT receiving_account FROM checkout_sessions WHERE id = $1)`;
/** Takes ledgers out of what is proven of the account; `from` and `through` in terms of the session's row. */
const unproven = (from: string, through: string) => `
  UPDATE settlement.coverage c SET ledgers = c.ledgers - int8multirange(int8range(${from}, ${through} + 1))
  FROM checkout_sessions s WHERE s.id = $1 AND c.account = s.receiving_account`;
const header = (set: string) => `
  UPDATE settlement.ledgers l SET ${set} FROM checkout_sessions s WHERE s.id = $1 AND l.sequence = s.closed_through_ledger`;
const parked = (parkedAt: string, resolvedAt: string, ledger = '1') => `
  INSERT INTO settlement.parked_records (account, operation_id, ledger, raw, problem, parked_at, resolved_at)
  SELECT receiving_account, '1', ${ledger}, '{}', 'no amount', ${parkedAt}, ${resolvedAt} FROM checkout_sessions WHERE id = $1`;
const ago = (minutes: number) => `now() - interval '${minutes} minutes'`;

describe('P4: an ending is proven by what was read before it', () => {
  test.each<[string, keyof Good['sessions'], string[]]>([
    [
      'of which the last ledger is not proven',
      'expired',
      [unproven('s.closed_through_ledger - 1', 's.closed_through_ledger - 1')],
    ],
    [
      'of which the first ledger is not proven',
      'cancelled',
      [unproven('s.opened_after + 1', 's.opened_after + 1')],
    ],
    ['of which a ledger is not proven', 'expired', [unproven('10100', '10100')]],
    [
      'that is proven for another asset only',
      'expired',
      [`UPDATE settlement.coverage SET asset = 'USDC:G' WHERE ${account}`],
    ],
    [
      'that pages have read, and nothing proves',
      'cancelled',
      [`DELETE FROM settlement.coverage WHERE ${account}`],
    ],
    ['of a session that was honoured later', 'honoured', [unproven('10200', '10210')]],
    [
      'in another ledger than the journal says',
      'expired',
      [
        `UPDATE checkout_sessions SET closed_through_ledger = closed_through_ledger + 1 WHERE id = $1`,
      ],
    ],
    [
      'in a ledger that closed in the second of the deadline',
      'cancelled',
      [header('closed_at = s.final_deadline')],
    ],
    [
      'in a ledger that the chain lacks',
      'cancelled',
      [
        `DELETE FROM settlement.ledgers l USING checkout_sessions s
         WHERE s.id = $1 AND l.sequence = s.closed_through_ledger`,
      ],
    ],
    [
      'of which the deadline is not written down',
      'expired',
      [`UPDATE checkout_sessions SET final_deadline = NULL WHERE id = $1`],
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
    expect(new Set(found.filter((finding) => !/event_bytes/.test(finding)))).toEqual(
      new Set(['P4 ending session']),
    );
  });

  test('not one in a ledger that closed before the deadline, as a later payment shows', async () => {
    const found = await good.brokenBy(
      good.sessions.cancelled,
      `INSERT INTO settlement.ledger_payments (tx_hash, op_index, sub_index, operation_id, ledger, closed_at, type,
         account, sender, asset_code, amount, verdict)
       SELECT repeat('9', 64), 0, 0, (closed_through_ledger + 5) << 32, closed_through_ledger + 5,
         cancel_at - interval '1 second', 'payment', receiving_account, 'G', 'XLM', 1, 'unmatched'
       FROM checkout_sessions WHERE id = $1`,
    );
    expect(found).toEqual(['P4 ending session', 'P1 differs_from_ledger payment']);
  });

  test('not one of a session whose price had arrived on time', async () => {
    const found = await good.brokenBy(
      good.sessions.expired,
      `UPDATE settlement.ledger_payments SET amount = 10, seen_at = ${ago(10)}
       WHERE session_id = $1 AND verdict = 'credited'`,
    );
    expect(found).toContain('P4 ending session');
  });

  test.each<[string, keyof Good['sessions'], string]>([
    ['later', 'expired', `expires_at = expires_at + interval '1 hour'`],
    ['earlier', 'expired', `expires_at = expires_at - interval '20 minutes'`],
    ['before the cancellation', 'cancelled', `expires_at = cancel_at - interval '1 minute'`],
  ])('an edit of the deadline after the end, to %s, changes nothing', async (_, name, set) => {
    const edit = `UPDATE checkout_sessions SET ${set} WHERE id = $1`;
    expect(await good.brokenBy(good.sessions[name], edit)).toEqual([]);
  });

  test('one of a version that kept no chain is excused, and named', async () => {
    const { findings, excused } = await good.auditAfter(
      good.sessions.expired,
      `UPDATE checkout_sessions SET opened_after = NULL, seen_status = NULL WHERE id = $1`,
      `DELETE FROM settlement.coverage WHERE ${account}`,
    );
    expect(findings).toEqual([]);
    const subject = `session ${good.sessions.expired.id}`;
    expect(excused.earlier_version?.examples).toContainEqual({
      subject,
      problem: expect.stringContaining('by a version that kept no chain of ledgers'),
    });
  });

  test.each<[string, string]>([
    ['a record that was dealt with before', parked(ago(10), ago(5))],
    ['a record that came afterwards', parked('now()', 'NULL')],
    ['a record of a later ledger', parked(ago(10), 'NULL', 'closed_through_ledger')],
  ])('but one beside %s', async (_, statement) => {
    expect(await good.brokenBy(good.sessions.expired, statement)).toEqual([]);
  });

  test('unless the network was reset since', async () => {
    expect(
      await good.brokenBy(
        good.sessions.expired,
        `DELETE FROM settlement.coverage WHERE ${account}`,
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
