/** docs/schemas/*.json: the JSON Schema of each event's body, made from src/events.ts. */
import { format } from 'prettier';
import { z } from 'zod';
import { EVENT_SCHEMAS } from '../../src/events.ts';

/** The text of each file, by its name. `event.json` is any of the others. */
export async function schemaFiles(): Promise<Record<string, string>> {
  const events = Object.entries(EVENT_SCHEMAS).map(([type, schema]) => {
    // As `input`: a later version may add keys, and a receiver that validates must let them through.
    const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' });
    return [`${type}.json`, { $schema, $id: `${type}.json`, ...rest }] as const;
  });
  const any = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'event.json',
    title: 'event',
    description: 'The body of any event.',
    oneOf: events.map(([$ref]) => ({ $ref })),
  };
  const files = [...events, ['event.json', any] as const].map(async ([name, schema]) => [
    name,
    await format(JSON.stringify(schema), { parser: 'json', printWidth: 100 }),
  ]);
  return Object.fromEntries((await Promise.all(files)) as [string, string][]);
}
