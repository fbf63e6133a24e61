import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { Webhook } from 'standardwebhooks';
import { insertMerchant } from '../support/database.ts';
import { setStage, type Stage } from '../support/stage.ts';
import { until } from '../support/system.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

const pay = async (memo: string, amount = '10') => {
  const { hash } = await stage.customer.pay(stage.shop.address, amount, 'native', {
    memo: Memo.id(memo),
  });
  return hash;
};
const postsOf = (id: string) => stage.receiver.received.filter((p) => p.sessionId === id);

describe('a session', () => {
  test('is paid by a payment that the watcher reads, tells it once, and its run ends', async () => {
    const { id, memo } = await stage.open();
    const hash = await pay(memo);
    await stage.watch();
    expect(await stage.runEnd(id)).toMatchObject({ status: 'paid', paidBy: hash, atRest: true });
    expect(postsOf(id).map(({ event }) => event)).toEqual(['payment.confirmed']);
  });

  test('is told so in a way that both kinds of receivers verify', async () => {
    const { id, memo } = await stage.open();
    await pay(memo);
    await stage.watch();
    await stage.runEnd(id);
    const [post] = postsOf(id);
    const { headers = {}, body = '' } = post ?? {};
    const secret = 'a'.repeat(64);
    const verified = new Webhook(secret).verify(body, { ...headers });
    expect(verified).toMatchObject({ event: 'payment.confirmed', data: { sessionId: id } });
    // As the existing backend's documentation has it.
    const [delivery, timestamp] = ['delivery-id', 'timestamp'].map(
      (h) => headers[`x-orbitstream-${h}`],
    );
    const hmac = createHmac('sha256', secret).update(`${delivery}.${timestamp}.${body}`);
    expect(headers['x-orbitstream-signature']).toBe(`sha256=${hmac.digest('hex')}`);
  });

  test('costs its history 27 events from its opening to its rest, with its webhook', async () => {
    const { id, memo } = await stage.open();
    await pay(memo);
    await stage.watch();
    await stage.runEnd(id);
    const { events } = await stage.env.client.workflow
      .getHandle(`checkout-session:${id}`)
      .fetchHistory();
    expect(events?.length).toBe(27);
  });

  test('has its webhook sent from a queue of its own when too many looks are sending', async () => {
    const ends: (() => void)[] = [];
    const busy = Array.from({ length: 50 }, () =>
      stage.deps.sender.besideCommits(() => new Promise<void>((end) => ends.push(end))),
    );
    const { id, memo } = await stage.open();
    await pay(memo);
    await stage.watch();
    expect(await stage.runEnd(id)).toMatchObject({ status: 'paid', atRest: true });
    expect(postsOf(id)).toHaveLength(1);
    for (const end of ends) end();
    await Promise.all(busy);
  });

  test('takes a hundred wakes at once and does everything once', async () => {
    const { id, memo } = await stage.open();
    const hash = await pay(memo);
    await Promise.all(Array.from({ length: 100 }, () => stage.client.wake(id, { txHash: hash })));
    expect(await stage.runEnd(id)).toMatchObject({ status: 'paid' });
    const [counts] = await stage.database.rows(
      `SELECT (SELECT count(*)::int FROM payments WHERE session_id = $1) AS payments,
         (SELECT count(*)::int FROM settlement.events WHERE session_id = $1) AS events,
         (SELECT count(*)::int FROM settlement.session_journal
           WHERE session_id = $1 AND to_status = 'paid') AS transitions`,
      [id],
    );
    expect(counts).toEqual({ payments: 1, events: 1, transitions: 1 });
    expect(postsOf(id)).toHaveLength(1);
  });

  test('does not expire when its deadline passes, but when the ledger is covered to it', async () => {
    const { id } = await stage.open();
    await stage.skip(31 * MINUTE);
    expect(await stage.client.sessionState(id)).toMatchObject({
      status: 'pending',
      closedThroughLedger: null,
    });
    await stage.watch();
    const end = await stage.runEnd(id);
    expect(end).toMatchObject({ status: 'expired', atRest: true });
    expect((end as { closedThroughLedger: number }).closedThroughLedger).toBeGreaterThan(0);
    expect(postsOf(id).map(({ event }) => event)).toEqual(['session.expired']);
  });

  test('holds what comes after its deadline, in a new short run', async () => {
    const { id, memo } = await stage.open();
    await stage.skip(31 * MINUTE);
    await stage.watch();
    await stage.runEnd(id);
    await pay(memo);
    await stage.watch();
    expect(await stage.client.sessionState(id)).toMatchObject({
      status: 'expired',
      payments: [{ verdict: 'late' }],
      atRest: true,
    });
  });

  test('keeps its run open while a person is needed', async () => {
    const { id, memo } = await stage.open();
    await stage.database.rows(
      `INSERT INTO checkout_sessions (merchant_id, amount, asset_code, receiving_account, memo, expires_at)
       VALUES ($1, 10, 'XLM', $2, $3, now() + interval '1 year')`,
      [stage.merchantId, stage.shop.address, memo],
    );
    await pay(memo);
    await stage.watch();
    const state = await stage.client.sessionState(id);
    expect(state).toMatchObject({ attention: ['ambiguous_reference'], atRest: false });
    expect(state?.payments.map(({ verdict }) => verdict)).toEqual(['ambiguous']);
  });

  test("outlives Temporal's Cancel: only the run ends", async () => {
    const { id, memo } = await stage.open();
    await stage.env.client.workflow.getHandle(`checkout-session:${id}`).cancel();
    await expect(stage.runEnd(id)).rejects.toThrow();
    await pay(memo);
    await stage.watch();
    expect(await stage.runEnd(id)).toMatchObject({ status: 'paid' });
  });
});

describe('a cancellation', () => {
  test('is answered `closing` until the ledger is covered, then `cancelled`, and the merchant is told', async () => {
    const { id } = await stage.open();
    const asked = stage.client.cancelSession(id);
    await stage.env.sleep(16_000);
    expect((await asked).kind).toBe('closing');
    await stage.skip(MINUTE);
    await stage.watch();
    expect(await stage.runEnd(id)).toMatchObject({ status: 'cancelled' });
    expect((await stage.client.cancelSession(id)).kind).toBe('cancelled');
    expect(postsOf(id).map(({ event }) => event)).toEqual(['session.cancelled']);
  });

  test('is refused when the money was there first', async () => {
    const { id, memo } = await stage.open();
    const hash = await pay(memo);
    await stage.watch();
    await stage.runEnd(id);
    expect(await stage.client.cancelSession(id)).toEqual({
      kind: 'refused',
      because: 'paid',
      txHash: hash,
    });
  });

  test('is refused when the session had expired', async () => {
    const { id } = await stage.open();
    await stage.skip(31 * MINUTE);
    await stage.watch();
    await stage.runEnd(id);
    expect(await stage.client.cancelSession(id)).toMatchObject({
      kind: 'refused',
      because: 'expired',
    });
  });
});

describe('webhooks', () => {
  test('are sent again over three days, at the times of the schedule, until one is accepted', async () => {
    stage.receiver.answerWith(({ sessionId }) => ({
      status: postsOf(sessionId).length < 10 ? 500 : 200,
    }));
    const { id, memo } = await stage.open();
    await pay(memo);
    await stage.watch();
    expect(await stage.runEnd(id)).toMatchObject({
      deliveries: [{ event: 'payment.confirmed', status: 'delivered', attempts: 10 }],
    });
    expect(new Set(postsOf(id).map(({ eventId }) => eventId)).size).toBe(1);
    expect(new Set(postsOf(id).map(({ body }) => body)).size).toBe(1);
    const attempts = await stage.database.rows<{ response_status: number; started_at: Date }>(
      `SELECT response_status, started_at FROM settlement.delivery_attempts
       WHERE delivery_id = $1 ORDER BY attempt`,
      [postsOf(id)[0]?.deliveryId],
    );
    expect(attempts.map((a) => a.response_status)).toEqual([...Array(9).fill(500), 200]);
    const times = attempts.map((a) => a.started_at.getTime());
    const hours = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / HOUR;
    expect(hours).toBeGreaterThan(75.6 * 0.9);
    expect(hours).toBeLessThan(75.6 * 1.1);
  });

  test('are never sent inside: the refusal is written down, tried again, and ends as a dead letter', async () => {
    const inside = await insertMerchant(stage.database, {
      webhookUrl: 'http://169.254.169.254/latest/meta-data',
    });
    const { id, memo } = await stage.open({ merchantId: inside });
    await pay(memo);
    await stage.watch();
    expect(await stage.runEnd(id)).toMatchObject({
      deliveries: [{ status: 'dead', attempts: 10 }],
    });
    const [attempt] = await stage.database.rows(
      `SELECT a.outcome, a.detail FROM settlement.delivery_attempts a
       JOIN webhook_deliveries d USING (delivery_id) WHERE d.session_id = $1 AND a.attempt = 1`,
      [id],
    );
    expect(attempt).toEqual({
      outcome: 'refused',
      detail: expect.stringContaining('169.254.169.254, which is not public'),
    });
  });

  test('whose secret no key here reads are not sent, and say why, until somebody puts that right', async () => {
    const locked = await insertMerchant(stage.database, {
      webhookUrl: `${stage.receiver.url}/hook`,
      webhookSecret: 'enc:v1:lost:AAAA',
    });
    stage.receiver.answerWith(() => ({ status: 200 }));
    const { id, memo } = await stage.open({ merchantId: locked });
    await pay(memo);
    await stage.watch();
    const [first] = await until(
      () =>
        stage.database.rows<{ outcome: string; detail: string }>(
          `SELECT a.outcome, a.detail FROM settlement.delivery_attempts a
           JOIN webhook_deliveries d USING (delivery_id)
           WHERE d.session_id = $1 AND a.outcome IS NOT NULL`,
          [id],
        ),
      (attempts) => attempts.length > 0,
    );
    expect(first).toEqual({
      outcome: 'refused',
      detail: expect.stringContaining('with the key "lost", which is not in WEBHOOK_SECRET_KEYS'),
    });
    await stage.database.rows(`UPDATE merchants SET webhook_secret = 'plain' WHERE id = $1`, [
      locked,
    ]);
    expect(await stage.runEnd(id)).toMatchObject({
      deliveries: [{ status: 'delivered', attempts: 2 }],
    });
    expect(postsOf(id)).toHaveLength(1);
  });

  test('that failed for ten minutes give way to a payment.confirmed behind them', async () => {
    const { id, memo } = await stage.open();
    await stage.skip(31 * MINUTE);
    stage.receiver.answerWith(({ event }) => ({ status: event === 'session.expired' ? 500 : 200 }));
    await stage.watch();
    await stage.receiver.waitFor((p) => p.sessionId === id);
    // On-time money that is found late, as after a gap in history that was filled: the session is paid after all.
    const hash = await pay(memo);
    await stage.watch();
    await stage.database.rows(
      `UPDATE settlement.ledger_payments SET verdict = NULL, closed_at = closed_at - interval '1 day' WHERE tx_hash = $1`,
      [hash],
    );
    await stage.client.wake(id);
    // What was told in another order than the ledger's keeps the run open until a person has answered.
    await until(
      () =>
        stage.database.rows(
          `UPDATE settlement.attention SET resolved_at = now(), resolved_by = 'a person', reason = 'told the merchant'
           WHERE subject = $1 AND kind = 'told_in_another_order' RETURNING id`,
          [id],
        ),
      (answered) => answered.length > 0,
    );
    await stage.client.wake(id);
    expect(await stage.runEnd(id)).toMatchObject({
      status: 'paid',
      deliveries: [
        { event: 'session.expired', status: 'dead' },
        { event: 'payment.confirmed', status: 'delivered' },
      ],
    });
    const [letter] = await stage.database.rows(
      'SELECT reason FROM webhook_dead_letters WHERE session_id = $1',
      [id],
    );
    expect(letter).toEqual({ reason: 'gave_way' });
  });

  test('become a dead letter after ten attempts, and are sent under the same id when asked for', async () => {
    stage.receiver.answerWith(() => ({ status: 503, body: 'down for good' }));
    const { id, memo } = await stage.open();
    await pay(memo);
    await stage.watch();
    const end = await stage.runEnd(id);
    expect(end).toMatchObject({ atRest: true, deliveries: [{ status: 'dead', attempts: 10 }] });
    const [letter] = await stage.database.rows<{ delivery_id: string; reason: string }>(
      'SELECT delivery_id, reason FROM webhook_dead_letters WHERE session_id = $1',
      [id],
    );
    expect(letter?.reason).toBe('max_attempts');

    stage.receiver.answerWith(() => ({ status: 200 }));
    await stage.client.redeliver(id, letter?.delivery_id ?? '');
    expect(await stage.runEnd(id)).toMatchObject({ deliveries: [{ status: 'delivered' }] });
    const posts = postsOf(id);
    expect(posts).toHaveLength(11);
    expect(new Set(posts.map(({ eventId, deliveryId }) => eventId + deliveryId)).size).toBe(1);
  });
});
