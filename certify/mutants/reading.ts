/** Deliberate breakages of the chain, of holes, of openings and of what the backend edits, and the test that turns red for each. */
import type { TestedMutant } from './settlement.ts';

const CHAIN = 'src/activities/watch/chain.ts';
const CARE = 'src/activities/watch/care.ts';
const WHOLE = 'src/activities/watch/whole-ledgers.ts';

const longChain = (name: string) => ({ file: 'test/pipeline/long-chain.test.ts', name });
const edited = (name: string) => ({ file: 'test/pipeline/edited-by-the-backend.test.ts', name });

/** Those that a fresh review found without a test of their own, and those of edited terms. */
export const READING_MUTANTS: readonly TestedMutant[] = [
  {
    name: 'the newest ledger of a long way is the tip, wherever the turn ended',
    edits: [
      {
        file: CHAIN,
        from: 'isShown: run.isWhole };\n  }\n  return { newest, isShown: false };',
        to: 'isShown: run.isWhole };\n  }\n  return { newest, isShown: true };',
      },
    ],
    test: longChain('counts from the last ledger of the node, however many the chain lacks'),
  },
  {
    name: 'a full page of headers is the end of what the node has',
    edits: [
      {
        file: 'src/horizon/ledgers.ts',
        from: 'isLast: page === null || headers.length < page.limit',
        to: 'isLast: page === null || headers.length < 200',
      },
    ],
    test: {
      file: 'test/horizon/ledgers.test.ts',
      name: 'a page of headers that had to shrink and is full shows no end',
    },
  },
  {
    name: 'a chain begins anew on another network',
    edits: [
      {
        file: CHAIN,
        from: 'head.networkPassphrase !== deps.networkPassphrase',
        to: 'head.networkPassphrase === null',
      },
    ],
    test: longChain('far ahead of the chain is a reset'),
  },
  {
    name: 'the chain is read back for each session that waits for it',
    edits: [{ file: CARE, from: "if (outcome === 'waits') mayReadBack = false;", to: '' }],
    test: longChain('is done once a turn, however many sessions wait'),
  },
  {
    name: 'one ledger that is not answered for ends the reading of all',
    edits: [
      {
        file: 'src/activities/watch/whole-ledgers.ts',
        from: "return 'unanswered';",
        to: 'throw error;',
      },
    ],
    test: longChain('a ledger that Horizon does not answer for keeps no other'),
  },
  {
    name: 'a hole is what was noted ten minutes ago, whether it was asked for again or not',
    edits: [
      {
        file: 'src/db/coverage.ts',
        from: '${hole}.asked_at > ${hole}.noted_at + ${HOLE_AFTER}',
        to: '${hole}.noted_at < now() - ${HOLE_AFTER}',
      },
    ],
    test: {
      file: 'test/db/coverage.test.ts',
      name: 'is not what was asked for again a minute later only',
    },
  },
  {
    name: 'a session of a young network was opened before its first ledger',
    edits: [{ file: 'src/db/care.ts', from: 'greatest(1, least(', to: 'greatest(-99, least(' }],
    test: {
      file: 'test/db/openings.test.ts',
      name: 'of a young network is its first ledger at the lowest',
    },
  },
  {
    name: 'the reading of the network begins anew from the accounts on',
    edits: [
      {
        file: 'src/db/network-reading.ts',
        from: 'lets an account join.\n    await tx.execute(sql`SELECT FROM settlement.network_reading FOR UPDATE`);',
        to: 'lets an account join.',
      },
    ],
    test: { file: 'test/db/coverage.test.ts', name: 'begins anew by locking the reading first' },
  },
  {
    name: 'a transaction that no page showed pays another',
    edits: [{ file: 'src/activities/prove-report.ts', from: ' && unread === 0', to: '' }],
    test: {
      file: 'test/pipeline/report-in-a-gap.test.ts',
      name: 'is answered with `unknown` while no node shows its ledger, and',
    },
  },
  {
    name: 'edited terms are not followed',
    edits: [
      { file: 'src/db/suspects.ts', from: '\n    OR seen_terms <> ${TERMS} END', to: ' END' },
    ],
    test: edited('a price that is edited counts within a turn'),
  },
  {
    name: 'what was credited in the old asset counts for the new one',
    edits: [
      {
        file: 'src/domain/judge.ts',
        from: "if (verdict === 'credited') return !isLate && isOfAsset;",
        to: "if (verdict === 'credited') return !isLate;",
      },
    ],
    test: edited('an asset that is edited: money in the old one no longer counts'),
  },
  {
    name: 'a page of another network says how wide a hole is',
    edits: [{ file: 'src/domain/not-shown.ts', from: ' && shown.hash === known.hash', to: '' }],
    test: {
      file: 'test/domain/not-shown.test.ts',
      name: 'begins with another ledger of that number',
    },
  },
  {
    name: 'no ledger of a hole is asked for by itself',
    edits: [{ file: WHOLE, from: 'const PROBES = 5;', to: 'const PROBES = 0;' }],
    test: {
      file: 'test/pipeline/holes.test.ts',
      name: 'headers of a node with a short history hide no payment',
    },
  },
  {
    name: 'a hole stays as it is when one of its ledgers is shown',
    edits: [
      {
        file: 'src/db/inbox.ts',
        from: 'await endHoles(tx, [...whole.accounts], sequence);',
        to: '',
      },
    ],
    test: { file: 'test/db/coverage.test.ts', name: 'ends before a ledger that is shown' },
  },
  {
    name: 'one node with a gap begins the chain anew',
    edits: [{ file: CHAIN, from: 'const ASKED_AGAIN = 3;', to: 'const ASKED_AGAIN = 0;' }],
    test: longChain('begins no new chain while another one shows it'),
  },
  {
    name: 'a price that is edited pays what has ended',
    edits: [
      {
        file: 'src/domain/settle.ts',
        from: ' && mayBecomePaid(session, judgement)',
        to: '',
      },
    ],
    test: edited('a session that has ended stays so'),
  },
  {
    name: 'what a session was paid with is given to another',
    edits: [
      {
        file: 'src/db/operator/assign.ts',
        from: 'if (orphaned && !paidWith) return;',
        to: 'if (orphaned) return;',
      },
    ],
    test: edited('a session that is paid stays as it is, whatever is edited'),
  },
  {
    name: 'the first ledger of a chain is asked for behind one that nobody knows',
    edits: [
      {
        file: WHOLE,
        from: 'deps.source.ledgersBefore(header)',
        to: 'deps.source.ledgersAfter({ sequence: header.sequence - 1, hash: header.previousHash })',
      },
    ],
    test: {
      file: 'test/pipeline/recounted-ledger.test.ts',
      name: 'the first ledger of the chain, which names none before it',
    },
  },
];
