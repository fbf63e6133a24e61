/** A merchant whose webhooks really arrive: where tests of endpoints, of their secrets and of sending again begin. */
import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { deliverEvents } from '../../../src/activities/deliver-events.ts';
import { startReceiver, type Receiver } from '../../../src/sandbox/receiver.ts';
import { createWebhookSender, type WebhookSender } from '../../../src/webhook/post.ts';
import type { SessionView } from '../../../src/workflows/contract.ts';
import { startReading, type Reading } from '../../pipeline/reading.ts';
import { insertMerchant, type TestDatabase } from '../../support/database.ts';
import { settleTogether } from '../../support/settle.ts';
import { insertSession, receive, type StoredSession } from '../build.ts';

/** What a test has for itself; the database is its file's. */
export type Now = {
  readonly database: TestDatabase;
  readonly receiver: Receiver;
  readonly merchantId: string;
};

/** Sets it up around every test of a file. `secret` is the merchant's. */
export function sending(secret?: string) {
  let reading: Reading;
  let sender: WebhookSender;
  let now: Now;
  beforeAll(async () => {
    reading = await startReading('accounts');
  });
  afterAll(() => reading.close());
  beforeEach(async () => {
    const { database } = reading;
    const receiver = await startReceiver();
    sender = createWebhookSender({ allowPrivate: [receiver.host] });
    const merchantId = await insertMerchant(database, {
      webhookUrl: `${receiver.url}/hook`,
      ...(secret === undefined ? {} : { webhookSecret: secret }),
    });
    now = { database, receiver, merchantId };
  });
  afterEach(() => Promise.all([now.receiver.stop(), sender.close()]));
  return {
    now: () => now,
    /**
     * Sends what is due of a session, as its workflow has it done, after some minutes. `during` happens while an attempt
     * is under way: the receiver has answered, and its answer is not recorded yet.
     */
    deliver: (
      { id: sessionId }: Pick<StoredSession, 'id'>,
      minutes = 0,
      during: () => Promise<unknown> = () => Promise.resolve(),
    ): Promise<SessionView> => {
      const post: WebhookSender['post'] = async (...request) => {
        const outcome = await sender.post(...request);
        await during();
        return outcome;
      };
      return new MockActivityEnvironment().run(() =>
        deliverEvents(
          { ...reading.deps, sender: { ...sender, post } },
          { sessionId, now: new Date(Date.now() + minutes * 60_000).toISOString() },
        ),
      );
    },
    /** A session that expired and was paid after all: two events, in this order. */
    twoEvents: async (): Promise<StoredSession> => {
      const { database, merchantId } = now;
      const session = await insertSession(database, { merchantId, covered: [-1, 31] });
      await settleTogether(database.pool, [session.id]);
      await receive(database, session, '10');
      await settleTogether(database.pool, [session.id]);
      return session;
    },
  };
}
