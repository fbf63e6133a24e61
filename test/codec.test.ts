import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { encryptionCodec } from '../src/codec.ts';
import proto from '@temporalio/proto';
import { parseKeyRing, seal } from '../src/keys/key-ring.ts';

const entry = (id: string) => `${id}:${randomBytes(32).toString('base64')}`;
const [one, two] = [entry('one'), entry('two')];
const [before, both, after] = [one, `${two},${one}`, two].map((text) =>
  encryptionCodec(parseKeyRing(text), { readsPlaintext: false }),
);
const migrating = encryptionCodec(parseKeyRing(one), { readsPlaintext: true });
const of = (workflowId: string, namespace = 'shop') =>
  ({ type: 'workflow', workflowId, namespace }) as const;

const payload = (value: unknown): Payload => defaultPayloadConverter.toPayload(value) ?? {};
const valueOf = (stored: Payload | undefined) => defaultPayloadConverter.fromPayload(stored ?? {});
const VALUE = { amount: '12.3456789', memo: 'a memo that nobody else shall read' };

describe('the codec', () => {
  test('stores nothing legible but the id of the key, and reads it again', async () => {
    const [stored] = (await before?.encode([payload(VALUE)])) ?? [];
    expect(Object.keys(stored?.metadata ?? {})).toEqual([
      'encoding',
      'encryption-key-id',
      'encryption-context',
    ]);
    expect(Buffer.from(stored?.metadata?.['encoding'] ?? []).toString()).toBe('binary/encrypted');
    expect(Buffer.from(stored?.metadata?.['encryption-key-id'] ?? []).toString()).toBe('one');
    expect(Buffer.from(stored?.data ?? []).toString('latin1')).not.toMatch(/memo|json|12\.3456/);
    const [read] = (await before?.decode([stored ?? {}])) ?? [];
    expect(valueOf(read)).toEqual(VALUE);
  });

  test('refuses what is not encrypted, unless it is told to read it; and stores binary and empty payloads', async () => {
    for (const value of [VALUE, undefined, new Uint8Array([0, 255]), null]) {
      const plain = payload(value);
      expect(await migrating.decode([plain])).toEqual([plain]);
      await expect(before?.decode([plain])).rejects.toThrow('TEMPORAL_CODEC_PLAINTEXT');
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

  test('binds what it stores to its workflow and namespace, and to what stands beside it', async () => {
    const [stored] = (await before?.encode([payload(VALUE)], of('session:1'))) ?? [];
    const read = (
      context?: Parameters<NonNullable<typeof before>['decode']>[1],
      changed = stored,
    ) => before?.decode([changed ?? {}], context);
    expect(valueOf((await read(of('session:1')))?.[0])).toEqual(VALUE);
    const inActivity = { ...of('session:1'), type: 'activity', isLocal: false } as const;
    expect(valueOf((await read(inActivity))?.[0])).toEqual(VALUE);
    // A codec server knows no workflow.
    expect(valueOf((await read())?.[0])).toEqual(VALUE);
    await expect(read(of('session:2'))).rejects.toThrow('for the workflow "session:1"');
    await expect(read(of('session:1', 'another'))).rejects.toThrow('of the namespace "shop"');
    await expect(read(of('session:11'))).rejects.toThrow('for the workflow');
    const { metadata, data } = stored ?? {};
    const moved = { ...metadata, 'encryption-context': Buffer.from('["shop","session:2"]') };
    await expect(read(of('session:2'), { metadata: moved, data: data ?? null })).rejects.toThrow();
    const { 'encryption-context': _, ...bare } = metadata ?? {};
    await expect(read(of('session:2'), { metadata: bare, data: data ?? null })).rejects.toThrow();
  });

  test("reads a schedule's arguments in the runs that it starts", async () => {
    const [stored] = (await before?.encode([payload(VALUE)], of('reconcile:net'))) ?? [];
    const [read] =
      (await before?.decode([stored ?? {}], of('reconcile:net-2026-11-28T05:00:00Z'))) ?? [];
    expect(valueOf(read)).toEqual(VALUE);
  });

  test('reads what earlier versions encrypted, bound to nothing', async () => {
    const ring = parseKeyRing(one);
    const wire = proto.temporal.api.common.v1.Payload.encode(payload(VALUE)).finish();
    const old = {
      metadata: {
        encoding: Buffer.from('binary/encrypted'),
        'encryption-key-id': Buffer.from('one'),
      },
      data: seal(ring.first, wire),
    };
    expect(valueOf((await before?.decode([old], of('session:1')))?.[0])).toEqual(VALUE);
  });
});
