/** The generated parts of docs/events.md: tables and examples of the events, and the code of examples/webhooks. */
import { readFileSync } from 'node:fs';
import { format } from 'prettier';
import type { z } from 'zod';
import type { EventType } from '../../src/domain/event.ts';
import { CASES } from '../../src/sandbox/demo/cases.ts';
import { EVENT_SCHEMAS, EXCEPTION_REASONS } from '../../src/events.ts';

/** The body of one event of each type, as it was sent. */
export type Examples = Readonly<Record<EventType, string>>;

const TYPES = Object.keys(EVENT_SCHEMAS) as EventType[];

/** From `<!-- generated: name -->` through `<!-- end of name -->`. */
const BLOCK = /<!-- generated: (\S+) -->\n([\s\S]*?)<!-- end of \1 -->/g;

/** The page with every generated part made anew. @throws Error when the page asks for a part that there is not */
export async function withGeneratedParts(page: string, examples: Examples): Promise<string> {
  const parts = new Map<string, string>([
    ['body', table(envelope())],
    ['reasons', table(Object.entries(EXCEPTION_REASONS), ['reason', 'meaning'])],
    ['cases', table(Object.entries(CASES), ['case', 'what happens'])],
    ...TYPES.map((type) => [type, eventPart(type, examples[type])] as const),
  ]);
  const made = page.replace(BLOCK, (_, name: string) => {
    const part = name.startsWith('examples/') ? codeOf(name) : parts.get(name);
    if (part === undefined) throw new Error(`docs/events.md asks for "${name}", which is unknown.`);
    return `<!-- generated: ${name} -->\n\n${part}\n\n<!-- end of ${name} -->`;
  });
  return format(made, { parser: 'markdown', printWidth: 100, singleQuote: true });
}

/** The examples that a page shows. @throws Error when one is missing */
export function examplesIn(page: string): Examples {
  const parts = new Map([...page.matchAll(BLOCK)].map(([, name, part]) => [name, part]));
  const found = TYPES.map((type) => {
    const body = /```json\n([\s\S]*?)```/.exec(parts.get(type) ?? '')?.[1];
    if (body === undefined) throw new Error(`docs/events.md has no example of ${type}.`);
    return [type, body];
  });
  return Object.fromEntries(found) as Examples;
}

function eventPart(type: EventType, example: string): string {
  const schema = EVENT_SCHEMAS[type];
  const { description = '' } = schema.meta() ?? {};
  return [
    `${description} JSON Schema: [${type}.json](schemas/${type}.json).`,
    table(properties(schema.shape.data)),
    `\`\`\`json\n${JSON.stringify(JSON.parse(example), null, 2)}\n\`\`\``,
  ].join('\n\n');
}

/** What every event has; when its fact became true is another instant for each. */
function envelope(): [string, string][] {
  const timestamp = 'When the fact became true (see above), ISO 8601 in UTC; not when it was sent';
  return properties(EVENT_SCHEMAS['payment.confirmed'])
    .filter(([key]) => key !== 'data')
    .map(([key, meaning]) => [key, key === 'timestamp' ? timestamp : meaning]);
}

function properties(schema: z.ZodObject): [string, string][] {
  return Object.entries(schema.shape).map(([key, value]) => {
    return [key, (value as z.ZodType).meta()?.description ?? ''];
  });
}

function table(
  rows: readonly (readonly [string, string])[],
  [left, right]: readonly [string, string] = ['key', 'meaning'],
): string {
  const lines = rows.map(([key, meaning]) => `| \`${key}\` | ${meaning} |`);
  return [`| ${left} | ${right} |`, '| --- | --- |', ...lines].join('\n');
}

function codeOf(path: string): string {
  const text = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8').trim();
  const code = text.replace(/'[./]+\/src\/events\.ts'; \/\/ yours: ('.*')/, '$1;');
  return `\`\`\`${path.endsWith('.py') ? 'python' : 'ts'}\n${code}\n\`\`\``;
}
