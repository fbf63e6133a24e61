import { describe, expect, test } from '@jest/globals';
import type { SessionStatus } from '../../src/domain/session.ts';
import { decide } from '../../src/domain/settle.ts';
import { readJournal, type JournalEntry } from '../../src/domain/transitions.ts';
import { covered, facts, minute, pay, row, session } from './build.ts';

const ALL: readonly SessionStatus[] = ['pending', 'processing', 'paid', 'expired', 'cancelled'];
const entry = (from: string, to: string, actor = 'settle'): JournalEntry => ({ from, to, actor });
const read = (status: SessionStatus, ...journal: JournalEntry[]) =>
  readJournal({ status, closedThroughLedger: null, isKnown: false }, journal);

describe('what settle may change', () => {
  test.each<[SessionStatus, SessionStatus[]]>([
    ['pending', ['processing', 'paid', 'expired', 'cancelled']],
    ['processing', ['pending', 'paid', 'expired', 'cancelled']],
    ['expired', ['paid', 'expired', 'cancelled']],
    ['cancelled', ['paid', 'expired', 'cancelled']],
    ['paid', []],
  ])('%s becomes %s, and nothing else', (from, allowed) => {
    for (const to of ALL) {
      const { forbidden } = read(to, entry(from, to));
      expect([from, to, forbidden]).toEqual([
        from,
        to,
        allowed.includes(to)
          ? []
          : [`was changed from ${from} to ${to} by settle, which nothing allows.`],
      ]);
    }
  });

  test('everything that settle decides is allowed', () => {
    for (const status of ALL) {
      for (const closedThroughLedger of [null, 777]) {
        for (const cancelAt of [null, minute(10), minute(40)]) {
          for (const paymentRow of [null, row(1, '10')]) {
            for (const payments of [[], [pay(1, '10')], [pay(1, '4')]]) {
              for (const coverage of [null, covered(0, 12), covered(0, 31)]) {
                for (const reportedAt of [null, minute(31)]) {
                  const found = facts({
                    session: session({ status, closedThroughLedger, cancelAt }),
                    paymentRow,
                    payments,
                    coverage,
                    reportedAt,
                    everReported: reportedAt !== null,
                    now: minute(31),
                  });
                  const decision = decide(found);
                  const isJournaled =
                    decision.status !== status ||
                    decision.closedThroughLedger !== closedThroughLedger;
                  if (!isJournaled) continue;
                  const { forbidden } = read(decision.status, entry(status, decision.status));
                  expect(forbidden).toEqual([]);
                }
              }
            }
          }
        }
      }
    }
  });
});

describe('who writes it', () => {
  test('a session is opened once, as pending', () => {
    expect(read('pending', entry('none', 'pending', 'client')).forbidden).toEqual([]);
    expect(read('paid', entry('none', 'paid', 'client')).forbidden).toEqual([
      'was opened as paid.',
    ]);
    expect(
      read('pending', entry('pending', 'paid'), entry('none', 'pending', 'client')).forbidden,
    ).toEqual(['was opened as pending, after it had been paid.']);
  });

  test('a session whose row was deleted is opened again', () => {
    expect(
      read('pending', entry('pending', 'paid'), entry('deleted', 'pending', 'client')),
    ).toEqual({
      forbidden: [],
      foreign: ['was deleted by somebody else after it had been paid, and opened again.'],
    });
  });

  test('operators and clients leave notes, and change nothing', () => {
    expect(read('paid', entry('pending', 'paid'), entry('pending', 'pending', 'client'))).toEqual({
      forbidden: [],
      foreign: [],
    });
    expect(read('paid', entry('pending', 'paid', 'reconcile')).forbidden).toEqual([
      'was changed from pending to paid by reconcile: only settle may do that.',
    ]);
  });

  test('a journal without changes says nothing about the row', () => {
    for (const status of ALL) {
      expect(read(status, entry('pending', 'pending', 'client'))).toEqual({
        forbidden: [],
        foreign: [],
      });
    }
  });

  test('a gap is a write of somebody else that settle has seen', () => {
    expect(read('paid', entry('pending', 'paid'), entry('expired', 'paid'))).toEqual({
      forbidden: [],
      foreign: ['was changed from paid to expired by somebody else; settle has seen it since.'],
    });
  });

  test.each<[SessionStatus, SessionStatus, boolean]>([
    ['pending', 'expired', true],
    ['pending', 'cancelled', true],
    ['pending', 'processing', true],
    ['processing', 'expired', true],
    ['pending', 'paid', false],
    ['expired', 'pending', false],
    ['cancelled', 'expired', false],
    ['paid', 'pending', false],
  ])('the older backend turning %s into %s is its business: %s', (last, status, allowed) => {
    const first = last === 'pending' ? entry('none', last, 'client') : entry('pending', last);
    const { forbidden, foreign } = read(status, first);
    expect([forbidden.length, foreign.length]).toEqual(allowed ? [0, 1] : [1, 0]);
  });

  test('but an ending of ours stands in the journal, and what settle knows of is in order', () => {
    const journal = [entry('none', 'pending', 'client')];
    const ended = readJournal(
      { status: 'expired', closedThroughLedger: 7, isKnown: false },
      journal,
    );
    expect(ended.forbidden).toEqual([
      'was changed from pending to expired by somebody else: its journal ends with pending.',
    ]);
    const known = readJournal(
      { status: 'paid', closedThroughLedger: null, isKnown: true },
      journal,
    );
    expect(known).toEqual({
      forbidden: [],
      foreign: ['was changed from pending to paid by somebody else.'],
    });
  });
});
