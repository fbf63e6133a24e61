/**
 * The audit's own code against the code whose work it checks, on random cases: equal results, from two writings of one
 * rule (docs/guarantees.md). Where one of them is broken, they differ.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  deliveryId as auditDeliveryId,
  eventId as auditEventId,
  paymentId as auditPaymentId,
} from '../../src/db/audit-ids.ts';
import { deliveryId, eventId, paymentId } from '../../src/db/ids.ts';
import { expectedEvents } from '../../src/domain/audit-due.ts';
import { deadlineOf, endingName, foldOf } from '../../src/domain/audit-fold.ts';
import { firstMissing, hasLedger, unionOf } from '../../src/domain/audit-intervals.ts';
import {
  countToldOneByOne as auditCount,
  DEFAULT_EVENTS as AUDIT_DEFAULT,
  eventBody as auditBody,
  ranksToldTogether as auditRanks,
} from '../../src/domain/audit-told.ts';
import { DEFAULT_EVENTS, eventBody, type EventType } from '../../src/domain/event.ts';
import { countToldOneByOne, ranksToldTogether } from '../../src/domain/exceptions.ts';
import { ledgerPaymentKey } from '../../src/domain/ledger-payment.ts';
import { effectiveDeadline, endingOf } from '../../src/domain/session.ts';
import { decide, type SessionFacts } from '../../src/domain/settle.ts';
import { audited } from './audited.ts';
import { apply, covered, facts, FAKE_USDC, minute, pay, READ, session, USDC } from './build.ts';

const PAYMENT = fc.record({
  at: fc.constantFrom(1, 5, 5, 10, 29, 30, 31, 40),
  amount: fc.constantFrom('10', '4', '6', '0.0000001', '9.9999999', '12.5', '0'),
  asset: fc.constantFrom(USDC, USDC, USDC, USDC, FAKE_USDC, { code: 'XLM', issuer: null }),
  sameTransaction: fc.boolean(),
});

/** A session as settle leaves it: what it wrote, and the events that it called for on the way. */
const SETTLED = fc
  .record({
    payments: fc.oneof(
      fc.array(PAYMENT, { maxLength: 6 }),
      fc.array(PAYMENT, { minLength: 20, maxLength: 100 }),
    ),
    cancelAt: fc.constantFrom(null, null, 4, 10, 30, 35),
    isCovered: fc.boolean(),
    metadata: fc.jsonValue(),
  })
  .map(({ payments, cancelAt, isCovered, metadata }) => {
    const inbox = payments.map(({ at, amount, asset, sameTransaction }, n) =>
      pay(sameTransaction ? n : n + 1_000, amount, { closedAt: minute(at), asset, opIndex: n % 3 }),
    );
    const terms = session({ cancelAt: cancelAt === null ? null : minute(cancelAt), metadata });
    let found: SessionFacts = facts({
      session: terms,
      payments: inbox,
      coverage: isCovered ? covered(0, 60, Math.min(30, cancelAt ?? 30)) : READ,
    });
    const bodies = new Map<string, string>();
    for (let round = 0; round < 3; round += 1) {
      const decision = decide(found);
      for (const event of decision.newEvents) {
        const id = eventId(terms.id, event.type, event.fact);
        bodies.set(id, eventBody(id, event));
      }
      found = apply(found, decision);
    }
    return { found, bodies };
  });

const REASONS = ['overpaid', 'underpaid', 'duplicate', 'late', 'wrong_asset', 'nothing'];

test('events: the same ids and the same bytes', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(SETTLED, ({ found, bodies }) => {
      const evidence = audited({ ...found, existingEvents: new Set() });
      const fold = foldOf(found.session, found.payments, {
        openedAfter: evidence.ledger.openedAfter,
        olderRow: null,
        ambiguous: false,
      });
      const made = expectedEvents(evidence, fold).map((event) => {
        const id = auditEventId(found.session.id, event.type, event.fact);
        seen.add(event.type).add(String(event.data['reason']));
        if (event.fact.startsWith('together:')) seen.add('together');
        return [id, auditBody(id, event)] as const;
      });
      expect(new Map(made)).toEqual(bodies);
    }),
    { numRuns: 400 },
  );
  const wanted = ['payment.confirmed', 'session.expired', 'session.cancelled', 'payment.exception'];
  expect([...seen]).toEqual(expect.arrayContaining([...wanted, ...REASONS, 'together']));
});

test('verdicts, deadlines and endings: what settle wrote is what the audit allows, and it finds nothing', () => {
  fc.assert(
    fc.property(SETTLED, ({ found: { session, payments } }) => {
      const context = { openedAfter: READ.openedAfter, olderRow: null, ambiguous: false };
      for (const { payment, allowed } of foldOf(session, payments, context).placed) {
        if (payment.verdict !== null) expect([...allowed]).toContain(payment.verdict);
      }
      expect(deadlineOf(session)).toEqual(effectiveDeadline(session));
      expect(endingName(session)).toBe(endingOf(session));
    }),
    { numRuns: 400 },
  );
});

test('a verdict that settle would not have written is one that the audit does not allow', () => {
  let changed = 0;
  fc.assert(
    fc.property(SETTLED, fc.nat(), ({ found }, pick) => {
      const { session, payments } = found;
      const own = payments.filter(({ verdict }) => verdict === 'credited' || verdict === 'late');
      const victim = own[pick % Math.max(1, own.length)];
      if (victim === undefined) return;
      changed += 1;
      const wrong = victim.verdict === 'credited' ? 'late' : 'credited';
      const context = { openedAfter: READ.openedAfter, olderRow: null, ambiguous: false };
      const lied = payments.map((p) => (p === victim ? ({ ...p, verdict: wrong } as const) : p));
      const key = ledgerPaymentKey(victim);
      const placed = foldOf(session, lied, context).placed;
      const { allowed } = placed.find(({ payment }) => ledgerPaymentKey(payment) === key) ?? {};
      expect([...(allowed ?? [])]).not.toContain(wrong);
    }),
    { numRuns: 200 },
  );
  expect(changed).toBeGreaterThan(50);
});

test('ids, ranks and counts', () => {
  const uuid = fc.uuid();
  const types: EventType[] = ['payment.confirmed', 'session.expired', 'payment.exception'];
  fc.assert(
    fc.property(
      uuid,
      fc.constantFrom(...types),
      fc.string(),
      fc.nat(5_000),
      (id, type, fact, n) => {
        expect(auditEventId(id, type, fact)).toBe(eventId(id, type, fact));
        expect(auditDeliveryId(id, fact)).toBe(deliveryId(id, fact));
        expect(auditPaymentId(id, fact)).toBe(paymentId(id, fact));
        expect(auditRanks(n)).toEqual(ranksToldTogether(n));
      },
    ),
  );
  expect(AUDIT_DEFAULT).toEqual(DEFAULT_EVENTS);
  const hash = 'a'.repeat(64);
  const names = [
    `payment.exception ${hash}:0:0:late`,
    `payment.exception ${hash}:1:0:late`,
    'payment.exception together:late:21',
    'payment.confirmed paid',
  ];
  expect(auditCount(names)).toEqual(countToldOneByOne(names));
});

test('intervals: as sets of numbers have it', () => {
  const interval = fc
    .tuple(fc.nat(60), fc.integer({ min: -2, max: 8 }))
    .map(([from, length]) => ({ from, through: from + length }));
  fc.assert(
    fc.property(fc.array(interval, { maxLength: 8 }), interval, (intervals, wanted) => {
      const numbers = (some: readonly { from: number; through: number }[]) =>
        new Set(
          some.flatMap(({ from, through }) =>
            Array.from({ length: Math.max(0, through - from + 1) }, (_, i) => from + i),
          ),
        );
      const all = numbers(intervals);
      const union = unionOf(intervals);
      expect(numbers(union)).toEqual(all);
      union.forEach(({ from }, i) =>
        expect(from).toBeGreaterThan((union[i - 1]?.through ?? -9) + 1),
      );
      for (let n = 0; n < 70; n += 1) expect(hasLedger(union, n)).toBe(all.has(n));
      const missing = [...numbers([wanted])].find((n) => !all.has(n)) ?? null;
      expect(firstMissing(union, wanted)).toBe(missing);
    }),
  );
});

/**
 * What the audit takes from the code that it judges: the words by which an attention about an edit is known, and the
 * statement by which settle reads the facts of a session. No more.
 */
const SHARED = ['src/db/audit-evidence.ts ./care.ts', 'src/db/audit-sessions.ts ./facts.ts'];
const VOCABULARY =
  /^(\.\.?\/|\.\.\/domain\/)(audit[a-z-]*|asset|money|ledger-payment|failure|ledger-errors|row-check|transitions|connection|inbox-payment|operator\/evidence)\.ts$/;

test('the audit takes decisions and statements from itself alone', () => {
  const taken = ['src/db', 'src/domain'].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.startsWith('audit'))
      .flatMap((name) => {
        const source = readFileSync(`${folder}/${name}`, 'utf8');
        return [...source.matchAll(/^import (?!type)[^;]*? from '(\.[^']+)'/gm)]
          .filter(([line]) => !/^import \{( *type [^,}]+,?)+\s*\}/.test(line.replaceAll('\n', ' ')))
          .map(([, module = '']) => module)
          .filter((module) => !VOCABULARY.test(module))
          .map((module) => `${folder}/${name} ${module}`);
      }),
  );
  expect(taken).toEqual(SHARED);
});
