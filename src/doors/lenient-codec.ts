import type { Payload, PayloadCodec } from '@temporalio/common';
import { reasonOf } from '../domain/failure.ts';

const ENCODING = 'encoding';
/** The form of a payload that the codec could not decode; its data is the reason. src/payload-converter.ts reads it. */
const UNREADABLE = 'text/unreadable';

/**
 * A worker's codec, by which a payload that cannot be decoded harms nobody else: its reason takes its place. (A client's
 * codec throws: whoever asks must know that the answer cannot be read.)
 */
export function lenient(codec: PayloadCodec): PayloadCodec {
  const decode = async (payload: Payload, context: Context): Promise<Payload> => {
    try {
      const [decoded] = await codec.decode([payload], context);
      return decoded ?? payload;
    } catch (error) {
      return {
        metadata: { [ENCODING]: new TextEncoder().encode(UNREADABLE) },
        data: new TextEncoder().encode(reasonOf(error)),
      };
    }
  };
  return {
    encode: (payloads, context) => codec.encode(payloads, context),
    decode: (payloads, context) => Promise.all(payloads.map((one) => decode(one, context))),
  };
}

type Context = Parameters<PayloadCodec['decode']>[1];

/** Why a payload could not be decoded; null for one that could. */
export function reasonIn({ metadata, data }: Payload): string | null {
  const encoding = metadata?.[ENCODING];
  if (!encoding || new TextDecoder().decode(encoding) !== UNREADABLE) return null;
  return new TextDecoder().decode(data ?? new Uint8Array());
}
