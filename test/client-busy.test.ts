/** A run that has no room for another update is asked again, for as long as the caller has time. */
import { randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import type { Client } from '@temporalio/client';
import { NotAnswered, settlementClient } from '../src/client.ts';

/** A Temporal that refuses so many updates before it answers one. */
function busy(refusals: number) {
  let asked = 0;
  const client = {
    withDeadline: (_until: number, work: () => Promise<unknown>) => work(),
    workflow: {
      executeUpdateWithStart: async () => {
        asked += 1;
        if (asked > refusals) return { kind: 'closing', cancelAt: '2026-01-01T00:00:00.000Z' };
        throw Object.assign(new Error('8 RESOURCE_EXHAUSTED: limit on in-flight updates'), {
          code: 8,
          details: 'limit on in-flight updates',
          metadata: {},
        });
      },
    },
  };
  return { client: client as unknown as Client, asked: () => asked };
}

test('until there is room', async () => {
  const { client, asked } = busy(2);
  const answer = await settlementClient(client, 10_000).cancelSession(randomUUID());
  expect(answer).toMatchObject({ kind: 'closing' });
  expect(asked()).toBe(3);
});

test('and is not answered when the time of the caller is up', async () => {
  const { client, asked } = busy(Number.POSITIVE_INFINITY);
  await expect(settlementClient(client, 400).cancelSession(randomUUID())).rejects.toThrow(
    NotAnswered,
  );
  expect(asked()).toBeGreaterThan(1);
});
