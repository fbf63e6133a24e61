/** A URL as it may be shown: in logs, attempts, spans and lists. Whoever has the whole of it may be able to post there. */
import { shownText } from './shown.ts';

/** A segment of a path that names something (`hooks`, `api`, `v1`) and is too plain for a token. */
const PLAIN = /^(?:[a-z]{1,12}(?:[-.][a-z]{1,12})?|v\d{1,2})$/;
/** Segments that are shown of a path. */
const SEGMENTS = 2;
/** A part shorter than this is no secret, and would be blotted out of every sentence that has it. */
const SECRET_FROM = 8;

/** The origin and the plain beginning of the path; `…` stands for all else, and for a text that is no URL. */
export function shownUrl(text: string): string {
  if (!URL.canParse(text)) return '(not a URL)';
  const { protocol, host, pathname, search, hash } = new URL(text);
  const segments = pathname.split('/').slice(1);
  const others = segments.findIndex(
    (part, i) => i >= SEGMENTS || !(part === '' || PLAIN.test(part)),
  );
  const path = others === -1 ? segments : [...segments.slice(0, others), '…'];
  const rest = search === '' && hash === '' ? '' : '?…';
  return shownText(`${protocol}//${host}/${path.join('/')}${rest}`);
}

/** A text of a receiver without the parts of its URL that may be secrets: error pages repeat the path that was asked for. */
export function withoutSecretsOf(url: URL, text: string): string {
  const values = [
    ...url.searchParams.values(),
    url.search,
    url.username,
    url.password,
    url.pathname,
  ];
  const parts = [...values, ...url.pathname.split('/').filter((part) => !PLAIN.test(part))];
  const secrets = parts
    .flatMap((part) => [part, decoded(part)])
    .filter((part) => part.length >= SECRET_FROM && !PLAIN.test(part.slice(1)))
    .sort((a, b) => b.length - a.length);
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, '…'), text);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
