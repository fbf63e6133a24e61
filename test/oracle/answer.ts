/** An answer of a Horizon without what depends on where it runs. */

/** Status, the headers that mean something to us, and the JSON. Its links begin with `https://horizon.test`. */
export type Answer = {
  readonly status: number;
  readonly contentType: string | null;
  readonly latestLedger: string | null;
  readonly body: unknown;
};

/** GET, with host names replaced. Muxed ids beyond 2^53 are strings in Horizon's JSON, so parsing loses nothing. */
export async function answerOf(url: string, path: string): Promise<Answer> {
  const response = await fetch(url + path);
  const text = (await response.text()).replaceAll(url, 'https://horizon.test');
  return {
    status: response.status,
    contentType: response.headers.get('content-type'),
    latestLedger: response.headers.get('latest-ledger'),
    body: text === '' ? null : (JSON.parse(text) as unknown),
  };
}
