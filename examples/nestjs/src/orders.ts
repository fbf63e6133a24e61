import { randomUUID } from 'node:crypto';
import { Injectable, Logger, NotFoundException } from '@nestjs/common';

/** An event as it is sent; stellar-settlement's docs/events.md has the keys of `data`. */
export type PaymentEvent = {
  readonly id: string;
  readonly type: string;
  readonly timestamp: string;
  readonly data: { readonly sessionId: string; readonly txHash?: string };
};

export type Order = {
  readonly id: string;
  readonly reference: string;
  readonly lumens: string;
  status: 'open' | 'paid' | 'expired' | 'cancelled';
  txHash: string | null;
  /** Ids of the events that changed it. */
  readonly events: string[];
};

/** What an event makes of an order; other events change nothing. */
const BECOMES: Readonly<Record<string, Order['status']>> = {
  'payment.confirmed': 'paid',
  'session.expired': 'expired',
  'session.cancelled': 'cancelled',
};

/**
 * In memory, to keep the example small. With a database: the order and its id are stored before the session is opened,
 * and the event's id is inserted (it is the primary key) in the transaction that changes the order.
 */
@Injectable()
export class Orders {
  private readonly log = new Logger(Orders.name);
  private readonly orders = new Map<string, Order>();
  private readonly seen = new Set<string>();

  create(reference: string, lumens: string): Order {
    const order: Order = {
      id: randomUUID(),
      reference,
      lumens,
      status: 'open',
      txHash: null,
      events: [],
    };
    this.orders.set(order.id, order);
    return order;
  }

  find(id: string): Order {
    const order = this.orders.get(id);
    if (order === undefined) throw new NotFoundException(`There is no order ${id}.`);
    return order;
  }

  /** An event comes at least once; the second time it changes nothing. */
  apply(event: PaymentEvent): void {
    if (this.seen.has(event.id)) {
      this.log.log(`${event.type} ${event.id} came again.`);
      return;
    }
    this.seen.add(event.id);
    const order = this.orders.get(event.data.sessionId);
    const status = BECOMES[event.type];
    if (order === undefined || status === undefined) return;
    order.status = status;
    order.txHash = event.data.txHash ?? null;
    order.events.push(event.id);
    this.log.log(`Order ${order.reference} (${order.id}) is ${status}.`);
  }
}
