/** Each payment by itself: into the inbox, then the session's workflow is woken, which settles and sends. */
import { connect } from '../../src/db/connection.ts';
import { storeFindings } from '../../src/db/inbox.ts';
import { parseAmount } from '../../src/domain/money.ts';
import { wakeSession } from '../../src/temporal.ts';
import { POOL, toLedgerPayment, type Arm } from './arm.ts';
import { startRealWorker, temporalClient } from './ours.ts';

/** The arm. */
export const arm: Arm = {
  needs: 'temporal',
  work: async (place) => {
    await startRealWorker(place);
    return {};
  },
  client: async (place) => {
    const database = connect(place.driverUrl, { max: POOL });
    const temporal = await temporalClient(place);
    return {
      open: async () => undefined,
      pay: async (payments) => {
        const facts = payments.map((p) => toLedgerPayment(p, parseAmount(p.amount)));
        await storeFindings(database.pool, { payments: facts, undecoded: [] });
        for (const { sessionId } of payments) await wakeSession(temporal.client, sessionId);
      },
      events: temporal.events,
      close: async () => {
        await temporal.close();
        await database.close();
      },
    };
  },
};
