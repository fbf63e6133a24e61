/** What a receiver answers is an outcome, whatever characters it has: one attempt each, and the next by the schedule. */
import { expect, test } from '@jest/globals';
import { insertSession, receive } from '../build.ts';
import { sending } from './sending.ts';
import { settleTogether } from '../../support/settle.ts';

const { now, deliver } = sending();

test.each([
  ['an emoji across the end of what is kept', `${'x'.repeat(299)}😀 is down`],
  ['an emoji at the very end of what is kept', `${'x'.repeat(298)}😀 is down`],
  ['nothing but emoji', '😀'.repeat(1_000)],
  ['NUL', 'a\0b'],
  ['no UTF-8', '\ud83d'],
])('%s', async (_, body) => {
  const { database, receiver, merchantId } = now();
  const session = await insertSession(database, { merchantId });
  await receive(database, session, '10');
  await settleTogether(database.pool, [session.id]);
  receiver.answerWith(() => ({ status: 500, body }));
  const view = await deliver(session);
  expect(view).toMatchObject({ due: 0, deliveries: [{ status: 'failed', attempts: 1 }] });
  expect(receiver.received).toHaveLength(1);
  const [row] = await database.rows<{ detail: string }>(
    `SELECT a.finished_at IS NOT NULL AS "isFinished", a.response_status AS status, a.detail,
       jsonb_array_length(d.attempt_log) AS logged, s.consecutive_failures AS failures
     FROM settlement.delivery_attempts a JOIN webhook_deliveries d USING (delivery_id)
     JOIN settlement.endpoint_state s USING (endpoint_id) WHERE d.session_id = $1`,
    [session.id],
  );
  expect(row).toMatchObject({ isFinished: true, status: 500, logged: 1, failures: 1 });
  expect(row?.detail.length).toBeLessThanOrEqual(300);
  await deliver(session, 1);
  expect(receiver.received).toHaveLength(2);
});
