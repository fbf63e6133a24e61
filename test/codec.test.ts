import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { encryptionCodec } from '../src/codec.ts';
import { parseKeyRing } from '../src/keys/key-ring.ts';

const entry = (id: string) => `${id}:${randomBytes(32).toString('base64')}`;
const [one, two] = [entry('one'), entry('two')];
const [before, both, after] = [one, `${two},${one}`, two].map((text) =>
  encryptionCodec(parseKeyRing(text)),
);

const payload = (value: unknown): Payload => defaultPayloadConverter.toPayload(value) ?? {};
const valueOf = (stored: Payload | undefined) => defaultPayloadConverter.fromPayload(stored ?? {});
const VALUE = { amount: '12.3456789', memo: 'a memo that nobody else shall read' };

describe('the codec', () => {
  test('stores nothing legible but the id of the key, and reads it again', async () => {
    const [stored] = (await before?.encode([payload(VALUE)])) ?? [];
    expect(Object.keys(stored?.metadata ?? {})).toEqual(['encoding', 'encryption-key-id']);
    expect(Buffer.from(stored?.metadata?.['encoding'] ?? []).toString()).toBe('binary/encrypted');
    expect(Buffer.from(stored?.metadata?.['encryption-key-id'] ?? []).toString()).toBe('one');
    expect(Buffer.from(stored?.data ?? []).toString('latin1')).not.toMatch(/memo|json|12\.3456/);
    const [read] = (await before?.decode([stored ?? {}])) ?? [];
    expect(valueOf(read)).toEqual(VALUE);
  });

  test('reads what was stored before there were keys, and binary and empty payloads', async () => {
    for (const value of [VALUE, undefined, new Uint8Array([0, 255]), null]) {
      const plain = payload(value);
      expect(await before?.decode([plain])).toEqual([plain]);
      const stored = (await before?.encode([plain])) ?? [];
      const [read] = (await before?.decode(stored)) ?? [];
      expect(valueOf(read)).toEqual(value);
    }
  });

  test('reads under an old key while it is in the ring, and says which one it lacks afterwards', async () => {
    const stored = (await before?.encode([payload(VALUE)])) ?? [];
    const [read] = (await both?.decode(stored)) ?? [];
    expect(valueOf(read)).toEqual(VALUE);
    await expect(after?.decode(stored)).rejects.toThrow('"one", which is not in');
    const newer = (await both?.encode([payload(VALUE)])) ?? [];
    expect(valueOf((await after?.decode(newer))?.[0])).toEqual(VALUE);
  });
});
