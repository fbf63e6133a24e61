/**
 * Deliberate breakages of the product, each of which must turn the certificate red: otherwise its green says nothing.
 * A mutant is made in a copy of the sources in a temporary folder; what is played on it is a slice of the certificate.
 */
import { spawn } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

type Edit = { readonly file: string; readonly from: string; readonly to: string };

type Mutant = {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** What is played: arguments of certify. */
  readonly slice: readonly string[];
};

const SIMULATION = ['--part', 'simulation'];
const cell = (name: string) => ['--cell', name];

const MUTANTS: readonly Mutant[] = [
  {
    name: 'settle does not lock the sessions (no FOR UPDATE)',
    edits: [{ file: 'src/db/settle.ts', from: `\n      .for('update')`, to: '' }],
    slice: SIMULATION,
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
    slice: SIMULATION,
  },
  {
    name: 'events are written after the transaction, not in it',
    edits: [
      {
        file: 'src/db/settle.ts',
        from: 'if (changed.length > 0) await write(tx, changed);\n    return answers(decided);\n  });',
        to: `if (changed.length > 0) await write(tx, changed, ['events', 'deliveries']);
    return { answer: answers(decided), changed };
  }).then(async ({ value: { answer, changed }, retries }) => {
    const later = ['sessions', 'verdicts', 'payments', 'journal', 'attention', 'gone'];
    if (changed.length > 0) await serializable(pool, (tx) => write(tx, changed, later));
    return { value: answer, retries };
  });`,
      },
      {
        file: 'src/db/settle.ts',
        from: 'async function write(tx: Db, changed: readonly Decided[]): Promise<void> {\n  const document = JSON.stringify(documentOf(changed));',
        to: `async function write(tx: Db, changed: readonly Decided[], without: readonly string[]): Promise<void> {
  const all = Object.entries(documentOf(changed));
  const document = JSON.stringify(Object.fromEntries(all.map(([k, v]) => [k, without.includes(k) ? [] : v])));`,
      },
    ],
    slice: cell('SIGKILL at watchLedger settle:committed'),
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
    slice: SIMULATION,
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
    slice: SIMULATION,
  },
  {
    name: 'a session expires by our clock',
    edits: [
      {
        file: 'src/domain/settle.ts',
        from: 'const toDeadline = coverage.throughTime >= effectiveDeadline(session);',
        to: 'const toDeadline = now >= effectiveDeadline(session);',
      },
      {
        file: 'src/domain/settle.ts',
        from: 'function endingProven(session: Session, { coverage, undecoded }: SessionFacts)',
        to: 'function endingProven(session: Session, { coverage, undecoded, now }: SessionFacts)',
      },
    ],
    slice: SIMULATION,
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
    slice: cell('duplicate and reordered wakes'),
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
    slice: SIMULATION,
  },
  {
    name: 'a stroop less is close enough',
    edits: [
      {
        file: 'src/domain/judge.ts',
        from: 'if (sum >= price) return payment;',
        to: 'if (sum + 1n >= price) return payment;',
      },
    ],
    slice: SIMULATION,
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
    slice: SIMULATION,
  },
  {
    name: 'a full page proves the whole of its last ledger',
    edits: [
      {
        file: 'src/horizon/coverage.ts',
        from: 'throughLedger: last.ledger - 1,\n    throughTime: new Date(last.closedAt.getTime() - 1000),',
        to: 'throughLedger: last.ledger,\n    throughTime: last.closedAt,',
      },
    ],
    slice: SIMULATION,
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
        file: 'src/activities/deliver-events.ts',
        from: 'const { url, body } = head;',
        to: `const { url } = head;
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
        file: 'src/activities/deliver-events.ts',
        from: 'const outcome = await post(deps, head);',
        to: `const done = { kind: 'answered' as const, status: 200, retryAfterMs: null, detail: '' };
  await finishAttempt(db, head, { attempt: started.attempt, outcome: done, next: { kind: 'delivered' }, now: clock(), durationMs: 0 });
  const outcome = await post(deps, head);`,
      },
    ],
    slice: cell('SIGKILL at deliverEvents recorded'),
  },
  {
    name: 'the newest event is sent first',
    edits: [
      {
        file: 'src/db/deliveries.ts',
        from: 'ORDER BY d.endpoint_id, d.sequence, d.created_at',
        to: 'ORDER BY d.endpoint_id, d.sequence DESC, d.created_at',
      },
    ],
    slice: cell('the receiver takes each event in another mood'),
  },
];

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** A slice with everything that waits for a rest that never comes. */
const PATIENCE_MS = 300_000;
const AT_ONCE = 2;

const only = process.argv.slice(2);
const chosen = MUTANTS.filter(
  ({ name }) => only.length === 0 || only.some((o) => name.includes(o)),
);
const waiting = [...chosen];
const survived: string[] = [];
await Promise.all(Array.from({ length: AT_ONCE }, work));
process.stdout.write(
  survived.length === 0
    ? `${chosen.length} of ${chosen.length} mutants turn the certificate red.\n`
    : `Not caught: ${survived.join('; ')}\n`,
);
process.exit(survived.length === 0 ? 0 : 1);

async function work(): Promise<void> {
  for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
    const started = Date.now();
    const { caught, said } = await attempt(mutant);
    const seconds = Math.round((Date.now() - started) / 1000);
    process.stdout.write(`${caught ? 'caught' : 'NOT CAUGHT'}: ${mutant.name} (${seconds} s)\n`);
    process.stdout.write(`    ${said}\n`);
    if (!caught) survived.push(mutant.name);
  }
}

async function attempt({ edits, slice }: Mutant): Promise<{ caught: boolean; said: string }> {
  const dir = mkdtempSync(join(tmpdir(), 'certify-mutant-'));
  try {
    copySources(dir);
    for (const edit of edits) apply(dir, edit);
    const { code, output } = await certify(dir, [...slice, '--quick', '--seed', '1']);
    const lines = output.trim().split('\n');
    const verdict = lines.at(-1) ?? '';
    // Red by a broken promise, not by a harness or a product that does not even start.
    const broken = lines.find((line) => /^ +[a-z]+: |^seed \d+: |^settle wrote/.test(line)) ?? '';
    const caught =
      code === 1 && verdict.startsWith('RED') && broken !== '' && !/round broke/.test(broken);
    return {
      caught,
      said: (caught ? broken : lines.slice(-8).join('\n    ')).trim().slice(0, 400),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function copySources(dir: string): void {
  for (const part of ['src', 'certify', 'drizzle', 'package.json', 'tsconfig.json']) {
    cpSync(join(ROOT, part), join(dir, part), { recursive: true });
  }
  mkdirSync(join(dir, 'test/pipeline'), { recursive: true });
  cpSync(join(ROOT, 'test/pipeline/model.ts'), join(dir, 'test/pipeline/model.ts'));
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
}

/** @throws Error when the source has changed so that the mutant is not one any more */
function apply(dir: string, { file, from, to }: Edit): void {
  const path = join(dir, file);
  const source = readFileSync(path, 'utf8');
  if (source.split(from).length !== 2) {
    throw new Error(`${file} does not have exactly once: ${from}`);
  }
  writeFileSync(
    path,
    source.replace(from, () => to),
  );
}

function certify(
  dir: string,
  args: readonly string[],
): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [join(dir, 'certify/certify.ts'), ...args], {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const keep = (chunk: Buffer) => void (output += chunk.toString());
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const timer = setTimeout(() => child.kill('SIGTERM'), PATIENCE_MS);
  return new Promise((resolve) => {
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, output });
    });
  });
}
