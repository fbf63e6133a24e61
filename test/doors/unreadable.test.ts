/** A worker's payloads: one that cannot be read is a value like others, and is taken for no input. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { plainErrors } from '../../src/activities/plain-errors.ts';
import { encryptionCodec } from '../../src/codec.ts';
import { isUnreadable, readable, Unreadable } from '../../src/doors/unreadable.ts';
import { parseKeyRing } from '../../src/keys/key-ring.ts';
import { payloadConverter } from '../../src/payload-converter.ts';
import { temporalSettings } from '../../src/temporal-settings.ts';

const keys = () => `one:${randomBytes(32).toString('base64')}`;
const payload = (value: unknown): Payload => defaultPayloadConverter.toPayload(value) ?? {};

describe('a worker with keys', () => {
  test('reads what it can of several payloads, and says of each other why not', async () => {
    const ours = keys();
    const of = (text: string) => encryptionCodec(parseKeyRing(text), { readsPlaintext: false });
    const [mine, theirs] = await Promise.all(
      [ours, keys()].map(async (text) => (await of(text).encode([payload('x')]))[0] ?? {}),
    );
    const { worker } = temporalSettings({ TEMPORAL_CODEC_KEYS: ours });
    const [codec] = worker.dataConverter.payloadCodecs ?? [];
    const decoded = (await codec?.decode([theirs ?? {}, mine ?? {}, payload('plain')])) ?? [];
    const values = decoded.map((one) => payloadConverter.fromPayload<unknown>(one));
    expect(values[1]).toBe('x');
    expect(isUnreadable(values[0]) && isUnreadable(values[2])).toBe(true);
    expect((values[2] as Unreadable).reason).toContain('is not encrypted');
  });
});

test.each([
  ['half a JSON', { ...payload('x'), data: Buffer.from('{"a":') }],
  [
    'a form that nobody knows',
    { metadata: { encoding: Buffer.from('binary/x') }, data: Buffer.from('x') },
  ],
])('%s is a value that cannot be read', (_, broken) => {
  expect(isUnreadable(payloadConverter.fromPayload<unknown>(broken))).toBe(true);
});

test('an activity is not begun with an input that cannot be read', async () => {
  const begun: unknown[] = [];
  const next = (input: { args: unknown[] }) => Promise.resolve(void begun.push(...input.args));
  const run = (...args: unknown[]) => plainErrors().execute?.({ args, headers: {} }, next);
  await expect(run('x', new Unreadable('half a JSON'))).rejects.toThrow(
    'A payload of this system cannot be read here: half a JSON',
  );
  await run('x');
  expect(begun).toEqual(['x']);
  expect(readable('x')).toBe('x');
});
