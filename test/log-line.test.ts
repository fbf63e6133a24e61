/** How long a line of the log can become. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { onReached } from '../src/metrics/bounds.ts';
import { LOG_LINE_BYTES, logLine } from '../src/log-line.ts';

const lineOf = (fields: object) => `${JSON.stringify({ level: 30, time: 1, ...fields })}\n`;
const read = (line: string) => JSON.parse(line) as Record<string, unknown>;

describe('a line of the log', () => {
  test('that is short is left as it is', () => {
    const line = lineOf({ sessionId: 'a', msg: 'A session was settled.' });
    expect(logLine(line)).toBe(line);
  });

  test.each([
    ['one long text', { err: { message: 'x'.repeat(1_000_000) } }],
    ['a million characters that are escaped', { memo: '\u001b'.repeat(1_000_000) }],
    ['four bytes for each character', { memo: '😀'.repeat(100_000) }],
    [
      'a hundred thousand ids',
      { sessionIds: Array.from({ length: 100_000 }, (_, i) => `id ${i}`) },
    ],
    [
      'a hundred thousand fields',
      Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`f${i}`, i])),
    ],
    [
      'long names of fields',
      Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`${i}${'n'.repeat(5_000)}`, i])),
    ],
    ['deep objects', { raw: JSON.parse('{"a":'.repeat(3_000) + '"x"' + '}'.repeat(3_000)) }],
    [
      'many fields that are each long',
      Object.fromEntries(
        Array.from({ length: 400 }, (_, i) => [`f${i}`, { text: '\u202e'.repeat(3_000) }]),
      ),
    ],
  ])('with %s stays JSON, in bounds, and says whose it is', (_, fields) => {
    let counted = 0;
    const end = onReached((bound) => (counted += bound === 'log_line' ? 1 : 0));
    const line = logLine(lineOf({ sessionId: 'a1', ...fields, msg: 'It failed.' }));
    end();
    expect(Buffer.byteLength(line)).toBeLessThanOrEqual(LOG_LINE_BYTES);
    expect(line.endsWith('\n')).toBe(true);
    expect(line.indexOf('\n')).toBe(line.length - 1);
    expect(read(line)).toMatchObject({
      level: 30,
      sessionId: 'a1',
      msg: 'It failed.',
      cutFrom: expect.any(Number),
    });
    expect(counted).toBe(1);
  });

  test('of any values is in bounds', () => {
    const value = fc.jsonValue({ maxDepth: 5 });
    fc.assert(
      fc.property(
        fc.array(value, { maxLength: 200 }),
        fc.string({ unit: 'binary' }),
        (list, text) => {
          const line = logLine(lineOf({ list, text: text.repeat(2_000), msg: text }));
          expect(Buffer.byteLength(line)).toBeLessThanOrEqual(LOG_LINE_BYTES);
          read(line);
        },
      ),
    );
  });
});
