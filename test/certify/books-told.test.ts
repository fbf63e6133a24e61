/** The certificate's own books: the exact bytes of events, against what docs/events.md shows that merchants got. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { explain, type Seen } from '../../certify/books/compare.ts';
import { allowed, type Outcome } from '../../certify/books/expect.ts';
import type { Asset, Movement } from '../../certify/books/ledger.ts';
import { decimalOf, stroopsOf } from '../../certify/books/money.ts';
import { asked, booksOf, closeOf, headAt, payment, terms, USDC } from './books.ts';

type Data = Record<string, string> & { metadata: unknown; operationIndex: number };
type Shown = { id: string; type: string; timestamp: string; data: Data };

const page = readFileSync(new URL('../../docs/events.md', import.meta.url), 'utf8');
const shown = (type: string): Shown =>
  JSON.parse(
    new RegExp(`### ${type}[^]*?\`\`\`json\\n([^]*?)\`\`\``).exec(page)?.[1] ?? '',
  ) as Shown;

const CALM = { hidesHistory: false };

/** The session of an example, paid by one movement, or by none. */
function play({ data, timestamp }: Shown, movements: Movement[], closedThrough = 51): Outcome {
  const at = Date.parse(timestamp);
  const asset: Asset = { code: data['asset'] ?? '', issuer: data['assetIssuer'] ?? null };
  const session = {
    id: data['sessionId'] ?? '',
    terms: terms({
      asset,
      reference: data['memo'] ?? '',
      price: stroopsOf(data['price'] ?? '25'),
      expiresAt: at,
      metadata: data.metadata,
    }),
  };
  const heads = [
    { sequence: closedThrough - 1, closedAt: at },
    { sequence: closedThrough, closedAt: at + 1 },
  ];
  const [outcome] = allowed(asked(session), { heads, movements }, CALM);
  if (outcome === undefined) throw new Error('No result.');
  return outcome;
}

const movementOf = ({ data, timestamp }: Shown, amount: string): Movement => ({
  ...payment(1, amount, {
    txHash: data['txHash'] ?? '',
    sender: data['sender'] ?? '',
    reference: data['memo'] ?? '',
    asset: USDC,
  }),
  closedAt: Date.parse(timestamp),
});

const bytes = (event: Shown) => JSON.stringify(event);

describe('what merchants got', () => {
  test('payment.confirmed, and the payment.exception of its surplus', () => {
    const [paid, exception] = [shown('payment.confirmed'), shown('payment.exception')];
    const { told } = play(paid, [movementOf(paid, paid.data['amount'] ?? '')]);
    expect(told.map(({ body }) => body)).toEqual([bytes(paid), bytes(exception)]);
    expect(told.map(({ id }) => id)).toEqual([paid.id, exception.id]);
    expect(told[1]?.after).toBe(paid.id);
  });

  test('session.expired', () => {
    const event = shown('session.expired');
    const through = Number(event.data['closedThroughLedger']);
    expect(play(event, [], through).told.map(({ body }) => body)).toEqual([bytes(event)]);
  });

  test('session.cancelled', () => {
    const event = shown('session.cancelled');
    const at = Date.parse(event.timestamp);
    // The example's clock has milliseconds; a network's ledgers have seconds.
    const heads = [
      { sequence: 25, closedAt: at },
      { sequence: 26, closedAt: at + 1_000 },
    ];
    const [head] = heads;
    if (head === undefined) throw new Error('No ledger.');
    const session = {
      id: event.data['sessionId'] ?? '',
      terms: terms({
        reference: event.data['memo'] ?? '',
        price: stroopsOf('25'),
        expiresAt: at + 60_000,
        metadata: event.data.metadata,
      }),
      cancellations: [{ lowest: head, seen: head, isCertain: true }],
    };
    const [outcome] = allowed(asked(session), { heads, movements: [] }, CALM);
    expect(outcome?.told.map(({ body }) => body)).toEqual([bytes(event)]);
  });
});

describe('many exceptions', () => {
  const dust = Array.from({ length: 45 }, (_, i) =>
    payment(60 + (i >> 1), '0.0000001', { txHash: `t${i}`, operationIndex: i & 1 }),
  );
  const [outcome] = allowed(asked(), booksOf(...dust), CALM);
  const told = outcome?.told ?? [];
  const together = told
    .map(({ body }) => JSON.parse(body) as { data: { together?: { payments: number } } })
    .flatMap(({ data }) => (data.together === undefined ? [] : [data.together]));

  test('the 21st and the 41st sum up all before them', () => {
    expect(together).toEqual(
      [21, 41].map((payments) => ({
        payments,
        sums: [
          {
            asset: 'USDC',
            assetIssuer: USDC.issuer,
            amount: decimalOf(BigInt(payments)),
            payments,
          },
        ],
        furtherAssets: 0,
      })),
    );
  });

  test('the first twenty are due one by one, the others may be', () => {
    expect(told.filter(({ isOptional }) => !isOptional)).toHaveLength(1 + 20 + 2);
    expect(told.filter(({ isOptional }) => isOptional)).toHaveLength(25);
  });
});

describe('metadata', () => {
  const carried = (metadata: unknown) => {
    const [outcome] = allowed(asked({ terms: terms({ metadata }) }), booksOf(), CALM);
    const { data } = JSON.parse(outcome?.told[0]?.body ?? '') as { data: object };
    return JSON.stringify(data).replace(/^.*"memo":"7",/, '{');
  };

  test('comes back with its keys as PostgreSQL keeps them', () => {
    expect(carried({ order: 1, é: 2, a: [{ zz: 1, y: 2 }] })).toBe(
      '{"metadata":{"a":[{"y":2,"zz":1}],"é":2,"order":1}}',
    );
  });

  test.each([
    ['bytes', { a: 'x'.repeat(16_384) }],
    ['values', Array.from({ length: 1_001 }, () => 0)],
    ['levels', Array.from({ length: 32 }).reduce((inner) => [inner], 0 as unknown)],
  ])('is left out beyond its limit of %s', (what, metadata) => {
    const right = '{"metadata":null,"metadataOmitted":true}';
    if (what !== 'levels') expect(carried(metadata)).toBe(right);
    else expect([carried(metadata), carried([metadata])]).toEqual([expect.anything(), right]);
  });
});

describe('what was seen', () => {
  const books = booksOf(payment(10, '10'), payment(11, '10'));
  const [right] = allowed(asked(), books, CALM);
  if (right === undefined) throw new Error('No result.');
  const seen: Seen = {
    status: 'paid',
    closedThroughLedger: null,
    paymentRows: [{ amount: '10.0000000', txHash: '10-10' }],
    events: right.told.map(({ id, type, body }) => ({ id, type, body })),
    verdicts: new Map([
      ['10-10:0:0', 'credited'],
      ['11-10:0:0', 'duplicate'],
    ]),
    held: ['11-10:0:0 duplicate 10.0000000'],
    answers: [],
    overBy: headAt(10),
  };
  const checks = (more: Partial<Seen>) =>
    explain(asked(), books, CALM, { ...seen, ...more }).differences.map(({ check }) => check);
  const answer = (said: { kind: string } & Record<string, string>) => ({
    answers: [{ asked: 'report' as const, txHash: '10-10', said }],
  });

  test('that is right', () => {
    expect(checks({})).toEqual([]);
    expect(
      checks(
        answer({
          kind: 'paid',
          price: '10.0000000',
          credited: '10.0000000',
          overpaid: '0.0000000',
        }),
      ),
    ).toEqual([]);
  });

  test.each<[string, Partial<Seen>, string[]]>([
    ['another status', { status: 'expired', closedThroughLedger: 51 }, ['outcome', 'outcome']],
    ['no row', { paymentRows: [] }, ['outcome']],
    [
      'a row of the other payment',
      { paymentRows: [{ amount: '10.0000000', txHash: '11-10' }] },
      ['outcome'],
    ],
    ['paid before the money was there', { overBy: headAt(9) }, ['outcome']],
    [
      'a verdict of another order',
      {
        verdicts: new Map([
          ['10-10:0:0', 'duplicate'],
          ['11-10:0:0', 'credited'],
        ]),
      },
      ['conservation', 'conservation'],
    ],
    [
      'money that is not its own',
      { verdicts: new Map([...seen.verdicts, ['x:0:0', 'late']]) },
      ['conservation'],
    ],
    ['a lost event', { events: seen.events.slice(1) }, ['told']],
    [
      'an event too many',
      { events: [...seen.events, { id: 'x', type: 'session.expired', body: '' }] },
      ['told'],
    ],
    [
      'other bytes',
      { events: seen.events.map((e) => ({ ...e, body: `${e.body} ` })) },
      ['bytes', 'bytes'],
    ],
    ['money that is held and not listed', { held: [] }, ['held']],
    ['a wrong answer', answer({ kind: 'late' }), ['answers']],
    [
      'an answer with another sum',
      answer({ kind: 'paid', price: '10.0000000', credited: '20.0000000', overpaid: '10.0000000' }),
      ['answers'],
    ],
    ['an answer to somebody else’s report', answer({ kind: 'pays_another' }), ['answers']],
    [
      'a cancellation of a paid session',
      { answers: [{ asked: 'cancel', said: { kind: 'cancelled', throughLedger: 51 } }] },
      ['answers'],
    ],
  ])('%s', (_, more, wrong) => {
    expect(checks(more)).toEqual(wrong);
  });

  test('one choice must explain everything: a cancellation that was told, and money that was credited behind it', () => {
    const session = asked({
      cancellations: [{ lowest: headAt(20), seen: headAt(25), isCertain: true }],
    });
    const told = (n: number) =>
      [...allowed(session, booksOf(), CALM)].find(({ endedBy }) => endedBy === n)?.told ?? [];
    const ended = (n: number): Seen => ({
      ...seen,
      status: 'cancelled',
      closedThroughLedger: n,
      paymentRows: [],
      verdicts: new Map(),
      held: [],
      events: told(n).map(({ id, type, body }) => ({ id, type, body })),
      overBy: headAt(30),
    });
    const wrong = (it: Seen, ...movements: Movement[]) =>
      explain(session, booksOf(...movements), CALM, it).differences.length;
    expect(wrong(ended(23))).toBe(0);
    expect(wrong({ ...ended(23), closedThroughLedger: 24 })).toBe(1);
    const part = payment(24, '4');
    const credited = {
      verdicts: new Map([[part.key, 'credited']]),
      held: [`${part.key} underpaid 4.0000000`],
    };
    expect(wrong({ ...ended(23), ...credited }, part)).toBeGreaterThan(0);
  });
});

test('closeOf and headAt agree', () => expect(headAt(3).closedAt).toBe(closeOf(3)));
