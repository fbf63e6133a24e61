/** What can go wrong between us and Horizon. None of it says anything about the ledger (P6). */

/** No usable answer: no connection, 5xx, a hung socket, a page that makes no sense. It is worth asking again. */
export class HorizonUnavailable extends Error {
  override readonly name = 'HorizonUnavailable';
}

/** The answer is above the limit of size or of time: a page of fewer records may stay below it. */
export class HorizonTooMuch extends HorizonUnavailable {
  readonly limit: 'size' | 'time';

  constructor(message: string, limit: 'size' | 'time', options?: ErrorOptions) {
    super(message, options);
    this.limit = limit;
  }
}

/** Not asked: the share of the caller in this process's request budget is used up. Later there is one again. */
export class HorizonBudgetUsed extends Error {
  override readonly name = 'HorizonBudgetUsed';
}

/** 429: the budget of the address is used up. */
export class HorizonRateLimited extends Error {
  override readonly name = 'HorizonRateLimited';
  /** When Horizon says it will answer again, in milliseconds from now. */
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs: number) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** Any other 4xx: the request itself is wrong, and asking again will not help. */
export class HorizonRefused extends Error {
  override readonly name = 'HorizonRefused';
}
