/**
 * Text from outside (answers, errors, records), made fit for PostgreSQL. A text or jsonb value there holds neither NUL
 * nor half a surrogate pair, and a statement that contains one is refused as a whole.
 */

/**
 * The text with each character that PostgreSQL refuses replaced by U+FFFD, cut to at most `maxUnits` UTF-16 units, and
 * never within a character.
 */
export function storable(text: string, maxUnits = Infinity): string {
  const wellFormed = text.toWellFormed().replaceAll('\0', '\uFFFD');
  if (wellFormed.length <= maxUnits) return wellFormed;
  const endsInHalf = isHighSurrogate(wellFormed.charCodeAt(maxUnits - 1));
  return wellFormed.slice(0, endsInHalf ? maxUnits - 1 : maxUnits);
}

/** JSON for a jsonb value, with every key and string in it storable. @throws TypeError where JSON.stringify does */
export function storableJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === 'string') return storable(part);
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).map(([key, held]) => [storable(key), held]));
  });
}

/** The length of a text in UTF-8, in bytes. Half of a surrogate pair counts three, as its replacement does. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}

/** Whether PostgreSQL can hold the text: no NUL, no half of a surrogate pair. */
export function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}
