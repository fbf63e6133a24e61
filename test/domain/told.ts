/** One settle of a ledger life, and everything that was told. */
import { expect } from '@jest/globals';
import { eventId } from '../../src/db/ids.ts';
import { eventBody } from '../../src/domain/event.ts';
import { decide, type Decision } from '../../src/domain/settle.ts';
import { apply } from './build.ts';
import { factsOf, OPENED_AFTER, type Database, type World } from './ledger-life.ts';

/** Every event that a settle made, by id: receivers have it, whatever becomes of the database. */
export type Told = Map<string, string>;

function bodies(sessionId: string, { newEvents }: Decision): [string, string][] {
  return newEvents.map((event) => {
    const id = eventId(sessionId, event.type, event.fact);
    return [id, eventBody(id, event)];
  });
}

/** One settle, and what must be true of each. */
export function settle(world: World, db: Database, told: Told): Database {
  const read = factsOf(world, db);
  const decision = decide(read);
  const { readThrough } = read.coverage;
  for (const { payment, verdict } of decision.verdicts) {
    const isNamed = payment.txHash === world.paymentRow?.txHash;
    if (verdict !== 'credited' || isNamed) continue;
    expect(payment.ledger).toBeLessThanOrEqual(Math.max(readThrough, OPENED_AFTER));
  }
  for (const [id, body] of bodies(read.session.id, decision)) {
    expect(told.get(id) ?? body).toBe(body);
    told.set(id, body);
  }
  const after = { ...db, facts: apply(read, decision) };
  const settled = factsOf(world, after);
  expect(decide(settled).changes).toBe(false);
  // An event that is lost is made again with the bytes that were sent.
  const lost = { ...settled, existingEvents: new Set<string>() };
  for (const [id, body] of bodies(read.session.id, decide(lost))) expect(body).toBe(told.get(id));
  return after;
}
