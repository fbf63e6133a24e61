import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { formatAmount, MAX_STROOPS, parseAmount, parseSum } from '../../src/domain/money.ts';

describe('an amount is read exactly', () => {
  test.each<Record<'decimal', string> & Record<'stroops', bigint>>`
    decimal                   | stroops
    ${'0'}                    | ${0n}
    ${'10'}                   | ${100_000_000n}
    ${'10.0'}                 | ${100_000_000n}
    ${'10.0000000'}           | ${100_000_000n}
    ${'0.0000001'}            | ${1n}
    ${'9.9999999'}            | ${99_999_999n}
    ${'0.1'}                  | ${1_000_000n}
    ${'922337203685.4775807'} | ${MAX_STROOPS}
  `('$decimal is $stroops stroops', ({ decimal, stroops }) => {
    expect(parseAmount(decimal)).toBe(stroops);
  });

  test.each<{ decimal: string }>`
    decimal                   | because
    ${''}                     | ${'nothing'}
    ${'1e3'}                  | ${'an exponent'}
    ${'01.5'}                 | ${'a leading zero'}
    ${'+1'}                   | ${'a sign'}
    ${'-1'}                   | ${'a sign'}
    ${'1.'}                   | ${'no decimals after the point'}
    ${'.5'}                   | ${'nothing before the point'}
    ${'1.00000000'}           | ${'eight decimals'}
    ${'1,5'}                  | ${'a comma'}
    ${' 1'}                   | ${'a space'}
    ${'1\n'}                  | ${'a line feed'}
    ${'0x10'}                 | ${'hexadecimal'}
    ${'١'}                    | ${'a digit that is not ASCII'}
    ${'NaN'}                  | ${'not a number'}
    ${'922337203685.4775808'} | ${'one stroop above int64'}
    ${'1000000000000'}        | ${'thirteen digits'}
  `('$decimal is refused by name: $because', ({ decimal }) => {
    expect(() => parseAmount(decimal)).toThrow(RangeError);
    expect(() => parseAmount(decimal)).toThrow(JSON.stringify(decimal));
  });
});

describe('an amount is written with seven decimals', () => {
  test.each<Record<'stroops', bigint> & Record<'decimal', string>>`
    stroops         | decimal
    ${0n}           | ${'0.0000000'}
    ${1n}           | ${'0.0000001'}
    ${100_000_000n} | ${'10.0000000'}
    ${MAX_STROOPS}  | ${'922337203685.4775807'}
    ${-1n}          | ${'-0.0000001'}
    ${-10_000_001n} | ${'-1.0000001'}
  `('$stroops stroops are $decimal', ({ stroops, decimal }) => {
    expect(formatAmount(stroops)).toBe(decimal);
  });
});

test('what is written is read back, whatever the amount', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: MAX_STROOPS }), (stroops) => {
      expect(parseAmount(formatAmount(stroops))).toBe(stroops);
    }),
  );
});

test('what is read is the same amount with or without trailing zeros', () => {
  const whole = fc.integer({ min: 0, max: 999_999 });
  const fraction = fc.stringMatching(/^[0-9]{0,6}[1-9]$/);
  fc.assert(
    fc.property(whole, fraction, (units, decimals) => {
      const stroops = parseAmount(`${units}.${decimals}`);
      expect(parseAmount(`${units}.${decimals.padEnd(7, '0')}`)).toBe(stroops);
      expect(formatAmount(stroops)).toBe(`${units}.${decimals.padEnd(7, '0')}`);
    }),
  );
});

describe('a sum', () => {
  test('is read back exactly as it is written, however large, above zero and below', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 36n), max: 10n ** 36n }), (stroops) => {
        expect(parseSum(formatAmount(stroops))).toBe(stroops);
      }),
    );
  });

  test.each([
    ['1600000000000.0000000', 16_000_000_000_000_000_000n],
    ['0', 0n],
    ['10.5', 105_000_000n],
    ['-0.0000001', -1n],
  ])('%s', (decimal, stroops) => {
    expect(parseSum(decimal)).toBe(stroops);
  });

  test.each(['', 'NaN', 'Infinity', '1e3', '1.', '.5', '+1', '1.00000001', ' 1'])(
    'is not %j',
    (decimal) => {
      expect(() => parseSum(decimal)).toThrow(RangeError);
    },
  );
});
