/** Deliberate breakages of the product. Each is some edits of its sources, and a slice of the certificate that must notice. */

/** Text of a file that is replaced; it must be there exactly once. */
export type Edit = { readonly file: string; readonly from: string; readonly to: string };

/** A breakage. */
export type Mutant = {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** What is played: arguments of certify. */
  readonly slice: readonly string[];
};

const MODEL = ['--part', 'model'];
const POSTGRES = ['--part', 'postgres'];
const cell = (name: string) => ['--cell', name];

/** Every one of them; docs/certificate.md names them. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: 'settle does not lock the sessions (no FOR UPDATE)',
    edits: [{ file: 'src/db/settle.ts', from: `\n      .for('update')`, to: '' }],
    slice: POSTGRES,
  },
  {
    name: 'settle is READ COMMITTED',
    edits: [
      {
        file: 'src/db/serializable.ts',
        from: 'BEGIN ISOLATION LEVEL SERIALIZABLE',
        to: 'BEGIN ISOLATION LEVEL READ COMMITTED',
      },
    ],
    slice: POSTGRES,
  },
  {
    name: 'events are written after the transaction, not in it',
    edits: [
      {
        file: 'src/db/settle.ts',
        from: 'if (changed.length > 0) await write(tx, changed);\n    return answers(decided);\n  };\n  return serializable(pool, settle, statementMs);',
        to: `if (changed.length > 0) await write(tx, changed, ['events', 'deliveries']);
    return { answer: answers(decided), changed };
  };
  return serializable(pool, settle, statementMs).then(async ({ value: { answer, changed }, retries }) => {
    const later = ['sessions', 'verdicts', 'payments', 'journal', 'attention', 'gone'];
    if (changed.length > 0) await serializable(pool, (tx) => write(tx, changed, later));
    return { value: answer, retries };
  });`,
      },
      {
        file: 'src/db/settle.ts',
        from: 'async function write(tx: Db, changed: readonly Decided[]): Promise<void> {\n  await WRITE(tx, { document: JSON.stringify(documentOf(changed)) });',
        to: `async function write(tx: Db, changed: readonly Decided[], without: readonly string[]): Promise<void> {
  const all = Object.entries(documentOf(changed));
  const kept = Object.fromEntries(all.map(([k, v]) => [k, without.includes(k) ? [] : v]));
  await WRITE(tx, { document: JSON.stringify(kept) });`,
      },
    ],
    // Where it dies between the two, be it at the first commit or the second.
    slice: cell('SIGKILL at watchLedger settle:'),
  },
  {
    name: 'cursor and coverage are saved before the rows',
    edits: [
      {
        file: 'src/db/inbox.ts',
        from: `    if (moved.rowCount === 0) return false;
    await storeRecords(tx, page);
    return true;
  });`,
        to: `    return moved.rowCount !== 0;
  }).then(async (moved) => {
    if (moved) await inTransaction(pool, (tx) => storeRecords(tx, page));
    return moved;
  });`,
      },
    ],
    slice: POSTGRES,
  },
  {
    name: 'a transaction is one payment: dedupe by its hash alone',
    edits: [
      {
        file: 'src/db/inbox.ts',
        from: `::jsonb)
      ON CONFLICT (tx_hash, op_index, sub_index) DO NOTHING`,
        to: `::jsonb) p
      WHERE p.op_index = 0 AND NOT EXISTS (SELECT FROM settlement.ledger_payments o WHERE o.tx_hash = p.tx_hash)
      ON CONFLICT (tx_hash, op_index, sub_index) DO NOTHING`,
      },
    ],
    slice: POSTGRES,
  },
  {
    name: 'a session expires by our clock',
    edits: [
      {
        file: 'src/domain/settle.ts',
        from: 'return coverage.provenThrough >= coverage.endLedger - 1 ? coverage.endLedger : null;',
        to: 'return now >= effectiveDeadline(session) ? coverage.newestLedger : null;',
      },
      {
        file: 'src/domain/settle.ts',
        from: 'if (coverage === null || coverage.endLedger === null || undecoded) return null;',
        to: 'if (coverage === null || undecoded) return null;',
      },
      {
        file: 'src/domain/settle.ts',
        from: 'function endingProven(session: Session, { coverage, undecoded }: SessionFacts)',
        to: 'function endingProven(session: Session, { coverage, undecoded, now }: SessionFacts)',
      },
    ],
    slice: MODEL,
  },
  {
    name: 'a run completes without draining its handlers and signals',
    edits: [
      {
        file: 'src/workflows/checkout-session.ts',
        from: 'if (run.hasReason || !(await run.quiet())) continue;\n      return view.found',
        to: 'return view.found',
      },
    ],
    slice: cell('sessions that are over are cancelled'),
  },
  {
    name: 'late is what comes after expires_at, whatever was cancelled',
    edits: [
      {
        file: 'src/domain/judge.ts',
        from: 'if (payment.closedAt > effectiveDeadline(session))',
        to: 'if (payment.closedAt > session.expiresAt)',
      },
    ],
    slice: MODEL,
  },
  {
    name: 'a stroop less is close enough',
    edits: [
      {
        file: 'src/domain/judge.ts',
        from: 'if (completing !== null || credited < session.price) continue;',
        to: 'if (completing !== null || credited + 1n < session.price) continue;',
      },
    ],
    slice: MODEL,
  },
  {
    name: 'an asset is its code, whoever issued it',
    edits: [
      {
        file: 'src/domain/asset.ts',
        from: 'a.code === b.code && a.issuer === b.issuer',
        to: 'a.code === b.code',
      },
    ],
    slice: MODEL,
  },
  {
    name: 'a COMMIT without an answer counts as done',
    edits: [
      {
        file: 'src/db/inbox.ts',
        from: `const { command } = await client.query('COMMIT');`,
        to: `const { command } = await client.query('COMMIT').catch(() => ({ command: 'COMMIT' }));`,
      },
    ],
    slice: cell('COMMIT: request lost'),
  },
  {
    name: 'every attempt has an event id of its own',
    edits: [
      {
        file: 'src/webhook/sign.ts',
        from: 'import { createHmac } from',
        to: 'import { createHmac, randomUUID } from',
      },
      {
        file: 'src/webhook/sign.ts',
        from: 'const content = `${event.eventId}.',
        to: 'const attempt = randomUUID();\n  const content = `${attempt}.',
      },
      {
        file: 'src/webhook/sign.ts',
        from: "'webhook-id': event.eventId,",
        to: "'webhook-id': attempt,",
      },
    ],
    slice: cell('the receiver answers 500'),
  },
  {
    name: 'the body is made anew at each attempt',
    edits: [
      {
        file: 'src/activities/send-due.ts',
        from: 'const { url, body, endpointId } = head;',
        to: `const { url, endpointId } = head;
  const body = JSON.stringify({ ...(JSON.parse(head.body) as object), timestamp: new Date() });
  head = { ...head, body };`,
      },
    ],
    slice: cell('the receiver answers 500'),
  },
  {
    name: 'a delivery is marked as delivered before its POST',
    edits: [
      {
        file: 'src/activities/send-due.ts',
        from: 'const outcome = await post(deps, head);',
        to: `const done = { kind: 'answered' as const, status: 200, retryAfterMs: null, detail: '' };
  await finishAttempt(db, head, { attempt: started.attempt, outcome: done, next: { kind: 'delivered' }, now: clock(), durationMs: 0 });
  const outcome = await post(deps, head);`,
      },
    ],
    slice: cell('the receiver answers 500'),
  },
  {
    name: 'the newest event is sent first',
    edits: [
      {
        file: 'src/db/deliveries.ts',
        from: 'ORDER BY o.sequence, o.created_at LIMIT 1) d',
        to: 'ORDER BY o.sequence DESC, o.created_at LIMIT 1) d',
      },
    ],
    slice: cell('the receiver takes each event in another mood'),
  },
];

/** The source with the edit made. @throws Error when it has changed so that the mutant is not one any more */
export function mutated(source: string, { file, from, to }: Edit): string {
  const times = source.split(from).length - 1;
  if (times !== 1) {
    throw new Error(
      `${file} has this text ${times} times, not once; certify/mutants/list.ts must follow it:\n${from}`,
    );
  }
  return source.replace(from, () => to);
}
