/**
 * Encrypts what Temporal stores of a workflow: inputs, results, messages and failures. The form is that of Temporal's own
 * samples (`binary/encrypted`, the key's id beside it), with one thing more: each ciphertext is bound to the namespace and
 * the workflow that it was made for, which stand beside it. Put into another workflow, or changed, it cannot be read.
 */
import type { Payload, PayloadCodec, SerializationContext } from '@temporalio/common';
import proto from '@temporalio/proto';
import { seal, unseal, type KeyRing } from './keys/key-ring.ts';

const ENCODING = 'encoding';
const KEY_ID = 'encryption-key-id';
/** JSON: [namespace, workflow id], each empty where the SDK did not say. Absent on what earlier versions wrote. */
const CONTEXT = 'encryption-context';
const ENCRYPTED = 'binary/encrypted';
const { Payload: Wire } = proto.temporal.api.common.v1;

/** A payload was encrypted with a key that this process does not have. */
export class UnknownKey extends Error {
  override readonly name = 'UnknownKey';
}

/** A payload that is not encrypted, where everything must be. */
export class NotEncrypted extends Error {
  override readonly name = 'NotEncrypted';
}

/** A payload that was encrypted for another workflow or namespace. */
export class WrongContext extends Error {
  override readonly name = 'WrongContext';
}

/**
 * A codec over the given keys: the first encrypts, all of them decrypt. What is not encrypted is refused, unless
 * `readsPlaintext`: for as long as histories from before the keys are left. Ciphertext of earlier versions, which is bound
 * to nothing, is read as before.
 */
export function encryptionCodec(
  { first, byId }: KeyRing,
  { readsPlaintext }: { readonly readsPlaintext: boolean },
): PayloadCodec {
  const encode = (payload: Payload, context: SerializationContext | undefined): Payload => {
    const bound = boundTo(context);
    return {
      metadata: {
        [ENCODING]: Buffer.from(ENCRYPTED),
        [KEY_ID]: Buffer.from(first.id),
        [CONTEXT]: Buffer.from(bound),
      },
      data: seal(first, Wire.encode(payload).finish(), additionalData(first.id, bound)),
    };
  };
  const decode = (payload: Payload, context: SerializationContext | undefined): Payload => {
    const { metadata, data } = payload;
    if (textOf(metadata?.[ENCODING]) !== ENCRYPTED || !data) {
      if (readsPlaintext) return payload;
      throw new NotEncrypted(
        'A payload is not encrypted, and TEMPORAL_CODEC_KEYS is set: it was stored before, or by somebody without the keys. ' +
          'While histories from before are left, TEMPORAL_CODEC_PLAINTEXT=read reads them.',
      );
    }
    const id = textOf(metadata?.[KEY_ID]);
    const key = byId.get(id);
    if (key === undefined) {
      throw new UnknownKey(
        `A payload is encrypted with the key "${id}", which is not in TEMPORAL_CODEC_KEYS.`,
      );
    }
    const bound = metadata?.[CONTEXT];
    if (!bound) return Wire.decode(unseal(key, data));
    const plain = unseal(key, data, additionalData(id, textOf(bound)));
    refuseOther(textOf(bound), context);
    return Wire.decode(plain);
  };
  return {
    encode: (payloads, context) => Promise.resolve(payloads.map((p) => encode(p, context))),
    // Not before somebody waits for it: a payload that cannot be read is a rejection, no exception.
    decode: async (payloads, context) => payloads.map((p) => decode(p, context)),
  };
}

/** Everything beside the ciphertext that gives it its meaning; it is authenticated with it. */
function additionalData(keyId: string, bound: string): string {
  return JSON.stringify([ENCRYPTED, keyId, bound]);
}

function boundTo(context: SerializationContext | undefined): string {
  return JSON.stringify([context?.namespace ?? '', context?.workflowId ?? '']);
}

/** A schedule's arguments are encrypted for the id that it names; its runs add the time to that. */
const SCHEDULED = /^-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** A codec server has no context; a side that names no workflow is compared by its namespace. @throws WrongContext */
function refuseOther(bound: string, context: SerializationContext | undefined): void {
  if (context === undefined) return;
  const [namespace, workflowId] = JSON.parse(bound) as [string, string];
  const actual = context.workflowId ?? '';
  const isSameWorkflow =
    workflowId === '' ||
    actual === '' ||
    actual === workflowId ||
    (actual.startsWith(workflowId) && SCHEDULED.test(actual.slice(workflowId.length)));
  if (isSameWorkflow && (namespace === '' || namespace === context.namespace)) return;
  throw new WrongContext(
    `A payload was encrypted for the workflow "${workflowId}" of the namespace "${namespace}", and stands in "${actual}" of "${context.namespace}".`,
  );
}

function textOf(bytes: Uint8Array | null | undefined): string {
  return bytes ? Buffer.from(bytes).toString() : '';
}
