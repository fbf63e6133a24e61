/** Finds the statements in a source text that change or delete rows, and says which of them are bound to what they began. */

/** One UPDATE, upsert or DELETE. `columns` are those it sets, `where` what it is restricted to. */
export type Write = {
  readonly kind: 'UPDATE' | 'UPSERT' | 'DELETE' | 'TRUNCATE' | 'MERGE';
  readonly table: string;
  readonly columns: readonly string[];
  readonly where: string;
};

/** A write as the list of unbound ones names it: `UPDATE table (column, column)`. */
export function nameOf({ kind, table, columns }: Write): string {
  return `${kind} ${table}${columns.length > 0 ? ` (${columns.join(', ')})` : ''}`;
}

const TABLE = String.raw`(\$\{[^}]+\}|"?[\w.]+"?)`;
const SQL_WRITES = [
  [
    'UPDATE',
    new RegExp(
      String.raw`(?<!\bFOR\s)\bUPDATE\s+(?:ONLY\s+)?${TABLE}(?:\s+(?:AS\s+)?\w+)?\s+SET\b`,
      'gi',
    ),
  ],
  ['UPSERT', /\bDO\s+UPDATE\s+SET\b/gi],
  ['DELETE', new RegExp(String.raw`\bDELETE\s+FROM\s+(?:ONLY\s+)?${TABLE}`, 'gi')],
  ['TRUNCATE', new RegExp(String.raw`\bTRUNCATE\s+(?:TABLE\s+)?${TABLE}`, 'gi')],
  ['MERGE', new RegExp(String.raw`\bMERGE\s+INTO\s+${TABLE}`, 'gi')],
] as const;

/** Every write in a source text, as SQL or by Drizzle. `tables` are the names that Drizzle's tables have. */
export function writesIn(source: string, tables: ReadonlySet<string>): Write[] {
  const text = withoutComments(source);
  const bySql = SQL_WRITES.flatMap(([kind, pattern]) =>
    [...text.matchAll(pattern)].map((found) => {
      const table = found[1] ?? tableOfInsert(text.slice(0, found.index));
      return { kind, table, ...parts(restOf(text, found.index + found[0].length)) };
    }),
  );
  return [...bySql, ...drizzleWrites(text, tables)];
}

function drizzleWrites(text: string, tables: ReadonlySet<string>): Write[] {
  const calls = [...text.matchAll(/\.(update|delete|onConflictDoUpdate)\(\s*(\w*)/g)];
  return calls.flatMap(([call, method, table = ''], i) => {
    const isUpsert = method === 'onConflictDoUpdate';
    if (!isUpsert && !tables.has(table)) return [];
    const [statement = ''] = text.slice(calls[i]?.index).split(';');
    const set = /\.set\(\{([^}]*)\}/.exec(statement)?.[1] ?? '';
    const kind = isUpsert ? 'UPSERT' : method === 'update' ? 'UPDATE' : 'DELETE';
    const columns = [...set.matchAll(/(\w+)\s*[:,}]/g)].map(([, column = '']) => column);
    return [
      { kind, table: table || call, columns, where: /\.where\(.*/s.exec(statement)?.[0] ?? '' },
    ];
  });
}

/** The table of the INSERT that an ON CONFLICT belongs to: the last one before it. */
function tableOfInsert(before: string): string {
  return (
    [...before.matchAll(new RegExp(String.raw`\bINSERT\s+INTO\s+${TABLE}`, 'gi'))].at(-1)?.[1] ??
    '?'
  );
}

function parts(rest: string): Pick<Write, 'columns' | 'where'> {
  const outer = outerPart(rest);
  const at = outer.search(/\bWHERE\b/i);
  const [assigned = ''] = (at < 0 ? outer : outer.slice(0, at)).split(/\b(?:FROM|RETURNING)\b/i);
  const columns = [...assigned.matchAll(/(?:^|,)\s*(\w+|\$\{\w+\})(?=\s*=|\s*$)/g)];
  return {
    columns: columns.map(([, column = '']) => column),
    where: at < 0 ? '' : rest.slice(at),
  };
}

/** The text with blanks for what stands in parentheses: a subquery there sets no column, and its WHERE restricts no row. */
function outerPart(text: string): string {
  let depth = 0;
  let outer = '';
  for (const char of text.split('')) {
    if (char === '(') depth += 1;
    outer += depth === 0 ? char : ' ';
    if (char === ')') depth -= 1;
  }
  return outer;
}

/** From a place within a template literal to the end of its statement: a parenthesis that closes it, or the literal's end. */
function restOf(text: string, from: number): string {
  let depth = 0;
  let i = from;
  while (i < text.length) {
    const char = text[i];
    if (char === '`' || char === ';') break;
    if (char === '$' && text[i + 1] === '{') {
      i = endOfInterpolation(text, i + 2);
      continue;
    }
    if (char === '(') depth += 1;
    if (char === ')') depth -= 1;
    if (depth < 0) break;
    i += 1;
  }
  return text.slice(from, i);
}

/** Behind the brace that closes an interpolation, whatever templates it has in it. */
function endOfInterpolation(text: string, from: number): number {
  let i = from;
  for (let depth = 1; depth > 0 && i < text.length; i += 1) {
    if (text[i] === '{') depth += 1;
    if (text[i] === '}') depth -= 1;
  }
  return i;
}

function withoutComments(source: string): string {
  return source
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/(^|\s)\/\/.*$/gm, '$1')
    .replaceAll(/^\s*--.*$/gm, '');
}

/** What a WHERE compares with what the writer read when it began: revisions, claims, cursors, and the secret replaced. */
const BEGUN =
  /\$\{(?:unchanged|undecided|whereBegun)\b|\b(?:attempt|attempts|redeliveries|decisions|times|cursor)\b[^=<>]{0,6}=\s*\$\{|\bwake_after IS NOT DISTINCT FROM\b|\bthrough_ledger = \$\{\w+\.throughLedger - 1\}|= x\.before\b/;

/**
 * Whether a write is bound: its WHERE compares what was read when the work began (an attempt, a revision, a claim, a
 * cursor), or lets it fill only what is still empty (`c IS NULL`, of a column that it sets).
 */
export function isBound({ where, columns }: Write): boolean {
  if (BEGUN.test(where)) return true;
  return columns.some((column) => new RegExp(String.raw`\b${column} IS NULL\b`).test(where));
}
