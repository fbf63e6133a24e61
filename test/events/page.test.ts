/** docs/events.md against what it is made from. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { examplesIn, withGeneratedParts } from '../../scripts/events/page.ts';
import type { EventType } from '../../src/domain/event.ts';
import { expectEvent } from './bodies.ts';

const page = readFileSync(new URL('../../docs/events.md', import.meta.url), 'utf8');
const examples = examplesIn(page);

test('its tables and code are what the sources say: `npm run docs:events` writes them', async () => {
  expect(await withGeneratedParts(page, examples)).toBe(page);
});

describe('its example is a whole event:', () => {
  test.each(Object.keys(examples) as EventType[])('%s', (type) => {
    expect(expectEvent(JSON.stringify(JSON.parse(examples[type]))).type).toBe(type);
  });
});

test('a part that nobody makes is an error, and not left as it was', async () => {
  const asked = '<!-- generated: tides -->\n<!-- end of tides -->\n';
  await expect(withGeneratedParts(asked, examples)).rejects.toThrow('asks for "tides"');
  expect(() => examplesIn('# Nothing')).toThrow('no example of payment.confirmed');
});
