/** What `settle trigger` can make happen, by name. */
export const CASES = {
  paid: 'exactly the price arrives in time',
  partial: 'less than the price arrives, and the deadline passes',
  over: 'more than the price arrives',
  late: 'the price arrives after the deadline',
  duplicate: 'the price arrives twice',
  'wrong-issuer': 'the price arrives in an asset of the same code from another issuer',
  'path-payment': 'the customer sends lumens, and the price arrives',
  expired: 'nothing arrives, and the deadline passes',
  cancelled: 'the merchant cancels',
} as const;

/** The name of a case. */
export type Case = keyof typeof CASES;
