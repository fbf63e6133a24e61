/** What checks a body: docs/schemas, with a validator that a merchant might use, and the types that are exported. */
import { readdirSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from '@jest/globals';
import { EVENT_SCHEMAS, type SettlementEvent } from '../../src/events.ts';

const FOLDER = new URL('../../docs/schemas/', import.meta.url);

/** The files of docs/schemas, by name. */
export function publishedSchemas(): Record<string, string> {
  return Object.fromEntries(
    readdirSync(FOLDER).map((name) => [name, readFileSync(new URL(name, FOLDER), 'utf8')]),
  );
}

// Formats are annotations; what they say is in a pattern, too.
const ajv = new Ajv2020({ strict: true, strictTypes: false, formats: { 'date-time': true } });
for (const schema of Object.values(publishedSchemas())) {
  ajv.addSchema(JSON.parse(schema) as Record<string, unknown>);
}

/** What docs/schemas/<name> has against a body; empty when it is valid. */
export function problemsWith(body: unknown, name: string): string[] {
  const validate = ajv.getSchema(name);
  if (!validate) throw new Error(`docs/schemas has no ${name}.`);
  if (validate(body) === true) return [];
  return (validate.errors ?? []).map((e) => `${e.instancePath} ${e.message ?? ''}`);
}

/** Expects a body to be exactly an event: valid, and every key in it one of the schema's, in the schema's order. */
export function expectEvent(text: string): SettlementEvent {
  const body = JSON.parse(text) as SettlementEvent;
  expect(problemsWith(body, `${body.type}.json`)).toEqual([]);
  expect(problemsWith(body, 'event.json')).toEqual([]);
  expect(JSON.stringify(EVENT_SCHEMAS[body.type].parse(body))).toBe(text);
  return body;
}

/** Where a body has which kind of value. The merchant's own metadata is one value. */
export function shapeOf(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value === null ? 'null' : typeof value;
  return Object.fromEntries(
    Object.entries(value).map(([key, v]) => [key, key === 'metadata' ? 'any' : shapeOf(v)]),
  );
}
