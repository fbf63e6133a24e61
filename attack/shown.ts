/**
 * Text of an attacker, made fit for the terminal of the harness: control, format and half characters become escapes.
 *
 * This repeats src/domain/shown.ts on purpose. The printer of the product is one of the things under attack, and a harness that
 * printed with it would lose its verdict together with it: a memo could then erase RED and write GREEN.
 */
export function shown(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029\ufffd]/gu,
    (c) => `\\u{${c.codePointAt(0)?.toString(16) ?? ''}}`,
  );
}
