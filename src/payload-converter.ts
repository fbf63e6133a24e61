/** Temporal's own JSON, by which a payload that cannot be read is a value like others. Temporal loads this file by its path. */
import { defaultPayloadConverter, type PayloadConverter } from '@temporalio/common';
import { reasonOf } from './domain/failure.ts';
import { reasonIn } from './doors/lenient-codec.ts';
import { Unreadable } from './doors/unreadable.ts';

/** The name under which Temporal looks for it. */
export const payloadConverter: PayloadConverter = {
  toPayload: (value, context, hint) => defaultPayloadConverter.toPayload(value, context, hint),
  fromPayload: read as PayloadConverter['fromPayload'],
};

function read(...args: Parameters<PayloadConverter['fromPayload']>): unknown {
  const reason = reasonIn(args[0]);
  if (reason !== null) return new Unreadable(reason);
  try {
    return defaultPayloadConverter.fromPayload(...args);
  } catch (error) {
    return new Unreadable(reasonOf(error));
  }
}
