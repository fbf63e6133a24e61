/** Refusals: what a caller did wrong, in a closed list of codes that survive Temporal and reach the client typed. */
export type RefusalCode =
  | 'SessionNotFound'
  | 'MerchantNotFound'
  | 'SessionExistsWithOtherBody'
  | 'ReferenceInUse'
  | 'DeliveryNotFound'
  | 'InvalidInput';

/** A request that was refused. Nothing was written. `field` names the part of the request that is wrong. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: RefusalCode;
  readonly field: string | null;

  constructor(code: RefusalCode, message: string, field: string | null = null) {
    super(message);
    this.code = code;
    this.field = field;
  }
}
