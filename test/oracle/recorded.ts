/** Answers of the real Horizon, kept in files so that tests of the decoder can use them without it. */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Answer } from './answer.ts';

const FOLDER = fileURLToPath(new URL('../fixtures/horizon-recorded/', import.meta.url));

/** An answer and what it was to. */
export type Recorded = Answer & { readonly path: string };

/** Whether this run writes the files instead of comparing with them. */
export const isRecording = process.env['RECORD_HORIZON'] === '1';

/** Keeps an answer under a name. */
export function record(name: string, path: string, answer: Answer): void {
  writeFileSync(fileOf(name), `${JSON.stringify({ path, ...answer }, null, 2)}\n`);
}

/** The answer kept under a name, null when there is none. */
export function recorded(name: string): Recorded | null {
  const file = fileOf(name);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Recorded) : null;
}

/** The records of the page kept under a name. @throws Error when none is */
export function recordsIn(name: string): Record<string, unknown>[] {
  const page = recorded(name)?.body as
    { _embedded?: { records: Record<string, unknown>[] } } | undefined;
  if (page?._embedded === undefined) {
    throw new Error(`No page called "${name}" is recorded: see test/oracle/requests.ts.`);
  }
  return page._embedded.records;
}

/** The names of all that is kept. */
export function recordedNames(): string[] {
  return readdirSync(FOLDER).map((file) => file.replace(/\.json$/, ''));
}

function fileOf(name: string): string {
  return join(FOLDER, `${name.replaceAll(/[^\w]+/g, '-')}.json`);
}
