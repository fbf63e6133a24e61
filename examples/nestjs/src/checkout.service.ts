import { Inject, Injectable } from '@nestjs/common';
import type {
  CancelAnswer,
  OpenedSession,
  ReportAnswer,
  SessionView,
  SettlementClient,
} from 'stellar-settlement';
import { SETTINGS, type Settings } from './settings.js';
import { SETTLEMENT } from './settlement.module.js';

/** Half an hour to pay. */
const LASTS_MS = 30 * 60_000;

@Injectable()
export class CheckoutService {
  constructor(
    @Inject(SETTLEMENT) private readonly settlement: SettlementClient,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {}

  /** The order's id is the session's: a UUID that was stored first, so that the same call again finds the same session. */
  open(order: { id: string; lumens: string; reference: string }): Promise<OpenedSession> {
    return this.settlement.openSession(order.id, {
      merchantId: this.settings.merchantId,
      amount: order.lumens,
      asset: { code: 'XLM', issuer: null },
      receivingAccount: this.settings.receivingAccount,
      expiresAt: new Date(Date.now() + LASTS_MS).toISOString(),
      metadata: { order: order.reference },
    }); // memo, muxedAccount and paymentUri are for the payer; show warnings to the merchant
  }

  show(id: string): Promise<SessionView | null> {
    return this.settlement.sessionState(id);
  }

  /** The customer's page says that it has paid: a hint, proven on the ledger. Without it the watcher finds the payment. */
  paid(id: string, txHash: string): Promise<ReportAnswer> {
    return this.settlement.reportPayment(id, txHash);
  }

  /** `closing` means that the ledger is not read far enough yet: ask again. */
  cancel(id: string): Promise<CancelAnswer> {
    return this.settlement.cancelSession(id);
  }
}
