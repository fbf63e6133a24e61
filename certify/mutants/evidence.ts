/** Deliberate breakages of what one answer proves and of what is stored for it, and the test that turns red for each. */
import type { TestedMutant } from './settlement.ts';

const EVIDENCE = 'src/domain/evidence.ts';
const PAGE = 'src/domain/account-page.ts';
const COVERAGE = 'src/db/coverage.ts';
const CHAIN = 'src/activities/watch/chain.ts';

const ofEvidence = (name: string) => ({ file: 'test/domain/evidence.test.ts', name });
const ofCoverage = (name: string) => ({ file: 'test/db/coverage.test.ts', name });
const ofRecounted = (name: string) => ({ file: 'test/db/recounted-ledgers.test.ts', name });
const neverUnread = (name: string) => ({
  file: 'test/pipeline/never-covered-unread.test.ts',
  name,
});

/** Those of the chain, of coverage, of openings and of cancellations. */
export const EVIDENCE_MUTANTS: readonly TestedMutant[] = [
  {
    name: 'a ledger follows whatever it says is before it',
    edits: [
      { file: EVIDENCE, from: ' || header.previousHash !== last.hash) break;', to: ') break;' },
    ],
    test: ofEvidence('ends before a ledger that names another before it'),
  },
  {
    name: 'a run may begin with another ledger of the same number',
    edits: [
      { file: EVIDENCE, from: 'if (first.hash === known.hash) return true;', to: 'return true;' },
    ],
    test: ofEvidence('of another chain is a contradiction'),
  },
  {
    name: 'a ledger is whole, however few of its operations are shown',
    edits: [
      {
        file: EVIDENCE,
        from: 'if (operations.length < header.operationCount) return null;',
        to: '',
      },
    ],
    test: ofEvidence('is exactly its operations, in order'),
  },
  {
    name: 'a page may begin anywhere',
    edits: [{ file: PAGE, from: 'if (!begins) return null;', to: '' }],
    test: ofEvidence('begins with the known record'),
  },
  {
    name: 'the ledger that last moved an entry is covered, too',
    edits: [{ file: COVERAGE, from: 'from: since + 1', to: 'from: since' }],
    test: ofCoverage('by an entry begins behind the ledger that last changed it'),
  },
  {
    name: 'an entry is as new as the chain',
    edits: [{ file: COVERAGE, from: 'through: Math.min(to, newest)', to: 'through: newest' }],
    test: neverUnread('an entry of a node that lags'),
  },
  {
    name: 'a whole ledger is covered before its rows are stored',
    edits: [
      {
        file: 'src/db/inbox.ts',
        from: `  return inTransaction(pool, async (tx) => {
    const stored = await storeRecords(tx, whole);
    const { sequence } = whole;`,
        to: `  const { sequence } = whole;
  await inTransaction(pool, (tx) => addCoverage(tx, [...whole.accounts], EVERY_ASSET,
    { from: sequence, through: sequence }));
  return inTransaction(pool, async (tx) => {
    const stored = await storeRecords(tx, whole);`,
      },
    ],
    test: neverUnread('a worker that dies before it has stored the rows'),
  },
  {
    name: 'a ledger of the network counts for accounts that it was not read for',
    edits: [
      {
        file: 'src/db/network-reading.ts',
        from: 'WHERE network_from IS NULL AND account = ANY(${sql.param([...whole.accounts])}::text[])',
        to: 'WHERE network_from IS NULL',
      },
    ],
    test: neverUnread('an account that is registered while a ledger is read'),
  },
  {
    name: 'a ledger of the deadline’s own second is the end',
    edits: [
      {
        file: COVERAGE,
        from: 'WHERE le.closed_at > ${instant}',
        to: 'WHERE le.closed_at >= ${instant}',
      },
      { file: COVERAGE, from: " - interval '1 microsecond'", to: '' },
    ],
    test: neverUnread('a ledger that closes in the second of the deadline ends nothing'),
  },
  {
    name: 'a cancellation is as of what was known before it was asked for',
    edits: [
      {
        file: CHAIN,
        from: 'const advanced = await extendChain(deps);',
        to: 'await completeCancels(db, cancels);\n  const advanced = await extendChain(deps);',
      },
    ],
    test: {
      file: 'test/pipeline/cancel-by-the-ledger.test.ts',
      name: 'nothing that is on the ledger becomes late by a cancellation',
    },
  },
  {
    name: 'a node with a gap dates cancellations',
    edits: [
      {
        file: CHAIN,
        from: 'return { newest, isShown: run.isWhole };',
        to: 'return { newest, isShown: true };',
      },
    ],
    test: neverUnread('and lacks the next one, dates no cancellation'),
  },
  {
    name: 'what was read whole by a smaller count stays proven',
    edits: [
      {
        file: 'src/db/ledgers.ts',
        from: 'for (const ledger of grown) await withdraw(tx, ledger);',
        to: '',
      },
    ],
    test: ofRecounted('takes back that the ledger was read whole'),
  },
  {
    name: 'a ledger that was read by a smaller count is stored as whole',
    edits: [
      {
        file: 'src/db/inbox.ts',
        from: 'if (await hasGrown(tx, whole)) return stored;',
        to: '',
      },
    ],
    test: ofRecounted('makes no evidence of what is read by the smaller one'),
  },
  {
    name: 'a ledger whose count grew is not read again',
    edits: [
      {
        file: 'src/activities/watch/evidence.ts',
        from: '...(await recountedLedgers(db)),',
        to: '',
      },
    ],
    test: {
      file: 'test/pipeline/recounted-ledger.test.ts',
      name: 'the ledger is read again for every account',
    },
  },
  {
    name: 'a session was opened behind the newest ledger of the last look, to the ledger',
    edits: [
      {
        file: 'src/db/care.ts',
        from: 'least(last.ledger - ${MARGIN_LEDGERS}, (',
        to: 'least(last.ledger, (',
      },
    ],
    test: {
      file: 'test/db/openings.test.ts',
      name: 'lies behind the newest ledger of the last look',
    },
  },
];
