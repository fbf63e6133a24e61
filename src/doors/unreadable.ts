/**
 * What stands in the place of a payload that cannot be read: half a JSON, a form nobody knows, a key that is not here. An
 * exception there would fail the task of the run that it was sent to, again and again, and with it everything else that
 * the run is for. It fails every check of a door; what must be readable is asked for by `readable`.
 */

/** Its mark: a value of another copy of this module (a workflow bundle, a converter) is one, too. */
const MARK = Symbol.for('stellar-settlement.unreadable');

/** A payload that cannot be read, and why. */
export class Unreadable {
  readonly [MARK] = true;
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

/** Whether the value stands for a payload that cannot be read. */
export function isUnreadable(value: unknown): value is Unreadable {
  return typeof value === 'object' && value !== null && MARK in value;
}

/**
 * The value of one of our own payloads (an activity's input or result). One that cannot be read must not be taken for a
 * value; it is tried again, and passes once this worker has the key.
 * @throws Error
 */
export function readable<T>(value: T): T {
  if (!isUnreadable(value)) return value;
  throw new Error(`A payload of this system cannot be read here: ${value.reason}`);
}
