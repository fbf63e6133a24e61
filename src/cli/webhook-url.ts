import type { senderOptions } from '../config.ts';
import { Refusal } from '../domain/failure.ts';
import { httpUrl, quoted, URL_BYTES } from '../doors/text.ts';
import { AddressRefused, judgeUrl } from '../webhook/guard.ts';

/** An address that webhooks may go to, as far as its text tells. @throws Refusal InvalidInput, with the sender's reason */
export function webhookUrl(
  text: string,
  { allowPrivate, plainHttp }: ReturnType<typeof senderOptions>,
  option: string,
): string {
  try {
    judgeUrl(text, { allow: new Set(allowPrivate), plainHttp });
  } catch (error) {
    if (!(error instanceof AddressRefused)) throw error;
    throw new Refusal('InvalidInput', `--${option}: ${error.message}`, option);
  }
  if (!httpUrl.safeParse(text).success) {
    throw new Refusal(
      'InvalidInput',
      `--${option}: must be an http(s) address of at most ${URL_BYTES} bytes, not ${quoted(text)}.`,
      option,
    );
  }
  return text;
}
