import type { senderOptions } from '../config.ts';
import { Refusal } from '../client.ts';
import { AddressRefused, judgeUrl } from '../webhook/guard.ts';

/** An address that webhooks may go to, as far as its text tells. @throws Refusal InvalidInput, with the sender's reason */
export function webhookUrl(
  text: string,
  { allowPrivate, plainHttp }: ReturnType<typeof senderOptions>,
  option: string,
): string {
  try {
    judgeUrl(text, { allow: new Set(allowPrivate), plainHttp });
    return text;
  } catch (error) {
    if (!(error instanceof AddressRefused)) throw error;
    throw new Refusal('InvalidInput', `--${option}: ${error.message}`, option);
  }
}
