/** Finds in a source text where a statement reads a table that strangers can grow, and says which of these reads are bounded. */

/** One read: the table, and the query in which it stands. */
export type Read = { readonly table: string; readonly query: string };

const READS = /\b(?:FROM|JOIN|LATERAL)\s+((?:settlement\.)?\w+|\$\{\w+\})/g;

/** Every read of one of these tables, or of a fragment of this name, in a source text. */
export function readsIn(source: string, tables: ReadonlySet<string>): Read[] {
  const text = source
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/^\s*(?:\/\/|--).*$/gm, '')
    .replaceAll(/ \/\/ .*$/gm, '');
  return [...text.matchAll(READS)].flatMap(({ 1: name = '', index }) => {
    const table = name.replace(/^\$\{(\w+)\}$/, '$1').replace(/^settlement\./, '');
    if (!tables.has(table)) return [];
    return [{ table, query: queryAround(text, index) }];
  });
}

/**
 * Whether a read gives a number of rows that strangers do not choose: it has a LIMIT, only asks whether there is a row, or
 * gives one row of sums.
 */
export function isLimited({ query }: Read): boolean {
  const outer = withoutParts(query);
  const isSums = AGGREGATE.test(query) && !/\bGROUP BY\b/i.test(outer);
  return /\bLIMIT\b/i.test(outer) || /^\s*SELECT\s+FROM\b/i.test(query) || isSums;
}

const AGGREGATE = /^\s*SELECT\s+(?:coalesce\(\s*)?(?:count|sum|max|min|bool_or|bool_and)\s*\(/i;

/** A read as the list names it: the table, and the first words of the query. */
export function nameOf({ table, query }: Read): string {
  const words = query.trim().replaceAll(/\s+/g, ' ').slice(0, 60);
  return `${table}: ${words}`;
}

/** From the parenthesis or the template that the place stands in to where that closes. */
function queryAround(text: string, at: number): string {
  let from = at;
  for (let depth = 0; from > 0; from -= 1) {
    const char = text[from - 1];
    if (char === ')' || char === '}') depth += 1;
    if (char === '(' || char === '{') depth -= 1;
    if (depth < 0 || (depth === 0 && char === '`')) break;
  }
  let to = at;
  for (let depth = 0; to < text.length; to += 1) {
    const char = text[to];
    if (char === '(' || char === '{') depth += 1;
    if (char === ')' || char === '}') depth -= 1;
    if (depth < 0 || (depth === 0 && char === '`')) break;
  }
  return lastPart(text.slice(from, to), at - from);
}

/** Of queries that stand one behind the other (a UNION), the one at this place. */
function lastPart(query: string, at: number): string {
  const outer = withoutParts(query);
  const before = [...outer.slice(0, at).matchAll(/\bUNION(?: ALL)?\b/gi)].at(-1);
  const after = /\bUNION\b/i.exec(outer.slice(at));
  const start = before === undefined ? 0 : before.index + before[0].length;
  return query.slice(start, after === null ? query.length : at + after.index);
}

/** The text with blanks for what stands in parentheses and braces. */
function withoutParts(text: string): string {
  let depth = 0;
  let outer = '';
  for (const char of text.split('')) {
    if (char === '(' || char === '{') depth += 1;
    outer += depth === 0 ? char : ' ';
    if (char === ')' || char === '}') depth -= 1;
  }
  return outer;
}
