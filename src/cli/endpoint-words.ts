import { UNTIL_RESUMED, type Endpoint } from '../db/operator/endpoints.ts';
import { shownUrl } from '../domain/shown-url.ts';

/** An endpoint as it may be shown: a token in its URL stays in the database. */
export function asShown<E extends { readonly url: string }>(endpoint: E): E {
  return { ...endpoint, url: shownUrl(endpoint.url) };
}

/** An endpoint in two lines. */
export function endpointInWords(e: Endpoint): string {
  const until =
    e.pausedUntil === UNTIL_RESUMED.toISOString()
      ? 'until it is resumed'
      : `until ${e.pausedUntil}`;
  const why = {
    active: e.failures > 0 ? `active, ${e.failures} failure(s) in a row` : 'active',
    paused: `paused ${until}`,
    disabled: `disabled: ${e.disabledReason}`,
    inactive: 'switched off by the backend (webhook_endpoints.is_active)',
  }[e.state];
  const events = e.events.length === 0 ? 'the default events' : e.events.join(', ');
  const rotates =
    e.oldSecretUntil === null
      ? ''
      : `\n  signed with its old secret, too, until ${e.oldSecretUntil}`;
  return (
    `${e.endpointId}  ${why}, ${e.waiting} waiting\n` +
    `  ${e.url} of merchant ${e.merchantId}, for ${events}${rotates}`
  );
}
