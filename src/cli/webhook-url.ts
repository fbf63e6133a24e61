import { Refusal } from '../client.ts';
import { httpUrl, quoted, URL_BYTES } from '../doors/text.ts';
import { AddressRefused, judgeUrl } from '../webhook/guard.ts';

/** An address that webhooks may go to, as far as its text tells. @throws Refusal InvalidInput, with the sender's reason */
export function webhookUrl(
  text: string,
  { WEBHOOK_ALLOW }: { WEBHOOK_ALLOW: readonly string[] },
  option: string,
): string {
  try {
    judgeUrl(text, new Set(WEBHOOK_ALLOW));
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
