/**
 * Encrypts what Temporal stores of a workflow: inputs, results, messages and failures. The form is that of Temporal's own
 * samples (`binary/encrypted`, the key's id beside it), so that their codec servers and other SDKs' codecs read it.
 */
import type { Payload, PayloadCodec } from '@temporalio/common';
import proto from '@temporalio/proto';
import { seal, unseal, type KeyRing } from './keys/key-ring.ts';

const ENCODING = 'encoding';
const KEY_ID = 'encryption-key-id';
const ENCRYPTED = 'binary/encrypted';
const { Payload: Wire } = proto.temporal.api.common.v1;

/** A payload was encrypted with a key that this process does not have. */
export class UnknownKey extends Error {
  override readonly name = 'UnknownKey';
}

/** A codec over the given keys. What was stored before there were keys is read as it is. */
export function encryptionCodec({ first, byId }: KeyRing): PayloadCodec {
  const encode = (payload: Payload): Payload => ({
    metadata: { [ENCODING]: Buffer.from(ENCRYPTED), [KEY_ID]: Buffer.from(first.id) },
    data: seal(first, Wire.encode(payload).finish()),
  });
  const decode = (payload: Payload): Payload => {
    const { metadata, data } = payload;
    if (textOf(metadata?.[ENCODING]) !== ENCRYPTED || !data) return payload;
    const id = textOf(metadata?.[KEY_ID]);
    const key = byId.get(id);
    if (key === undefined) {
      throw new UnknownKey(
        `A payload is encrypted with the key "${id}", which is not in TEMPORAL_CODEC_KEYS.`,
      );
    }
    return Wire.decode(unseal(key, data));
  };
  return {
    encode: (payloads) => Promise.resolve(payloads.map(encode)),
    // Not before somebody waits for it: a payload that cannot be read is a rejection, no exception.
    decode: async (payloads) => payloads.map(decode),
  };
}

function textOf(bytes: Uint8Array | null | undefined): string {
  return bytes ? Buffer.from(bytes).toString() : '';
}
